import { createGunzip, gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { jsonResponse, openListener } from '../../test/support/http-listener.ts'
import { RawConnection } from '../../test/support/raw-connection.ts'
import { until } from '../../test/support/until.ts'
import { acceptsGzip, Compression, compressed } from './compression.ts'

const text = (value: string) => new TextEncoder().encode(value)
const large = JSON.stringify(Array.from({ length: 500 }, (_, index) => ({ key: null, value: index })))
const roomy = () => new Compression({ streamsMax: 10 })

describe('acceptsGzip', () => {
  test.each([
    ['gzip', true],
    ['GZIP', true],
    ['x-gzip', true],
    ['deflate, gzip;q=0.5, br', true],
    ['*', true],
    ['gzip;q=0.1', true],
    ['gzip; q=0.8, identity;q=0.5', true],
    ['gzip;q=0', false],
    ['*, gzip;q=0', false],
    ['gzip;q=0.5, identity', false],
    ['identity', false],
    ['br', false],
    ['', false],
    [undefined, false],
    ['gzip;q=nonsense', false],
  ])('%s', (header, accepts) => expect(acceptsGzip(header)).toBe(accepts))
})

describe('compressed', () => {
  test('a large body, for clients that accept it', async () => {
    const compression = roomy()
    const made = new Response(large, {
      status: 201,
      headers: {
        'Content-Type': 'application/vnd.kafka.v2+json',
        'Content-Length': String(large.length),
        'X-A': 'b',
      },
    })
    const response = await compressed(made, 'gzip, deflate', compression)
    expect(response.status).toBe(201)
    expect(Object.fromEntries(response.headers)).toEqual({
      'content-type': 'application/vnd.kafka.v2+json',
      'content-encoding': 'gzip',
      vary: 'Accept-Encoding',
      'x-a': 'b',
    })
    const bytes = Buffer.from(await response.arrayBuffer())
    expect(bytes.length).toBeLessThan(large.length / 2)
    expect(gunzipSync(bytes).toString()).toBe(large)
    expect(compression.streams).toBe(0)
  })

  test('a very large body comes whole', async () => {
    const value = Array.from({ length: 300_000 }, (_, index) => index).join()
    const response = await compressed(jsonResponse(value), 'gzip', roomy())
    expect(gunzipSync(Buffer.from(await response.arrayBuffer())).toString()).toBe(JSON.stringify(value))
  })

  test('what is small, not text, encoded already, or not wanted, stays as it is', async () => {
    const cases: [Response, string | undefined, string | null][] = [
      [jsonResponse('x'.repeat(1000)), 'gzip', 'Accept-Encoding'],
      [jsonResponse('x'.repeat(5000)), undefined, 'Accept-Encoding'],
      [new Response(new Uint8Array(5000), { headers: { 'Content-Type': 'application/zip' } }), 'gzip', null],
      [
        new Response('x'.repeat(5000), {
          headers: { 'Content-Encoding': 'br', 'Content-Type': 'text/plain' },
        }),
        'gzip',
        null,
      ],
      [new Response(null, { status: 204 }), 'gzip', null],
    ]
    for (const [made, accept, vary] of cases) {
      const encoding = made.headers.get('content-encoding')
      const response = await compressed(made, accept, roomy())
      expect(response.headers.get('content-encoding')).toBe(encoding)
      expect(response.headers.get('vary')).toBe(vary)
    }
    const small = await compressed(jsonResponse('abc'), 'gzip', roomy())
    expect(await small.text()).toBe('"abc"')
  })

  test('each part of a stream comes through before the next is there', async () => {
    const gate = Promise.withResolvers<void>()
    async function* chunks() {
      yield text('[{"first":1}')
      await gate.promise
      yield text(',{"second":2}]')
    }
    const made = new Response(ReadableStream.from(chunks()), {
      headers: { 'Content-Type': 'application/json' },
    })
    const compression = roomy()
    const { body } = await compressed(made, 'gzip', compression)
    const gunzip = createGunzip()
    let out = ''
    gunzip.on('data', part => {
      out += part
    })
    const reader = body?.getReader()
    const first = await reader?.read()
    gunzip.write(first?.value)
    await until('the first part', () => out === '[{"first":1}')
    gate.resolve()
    for (let part = await reader?.read(); part?.value; part = await reader?.read()) gunzip.write(part.value)
    await until('the second part', () => out === '[{"first":1},{"second":2}]')
    expect(compression.streams).toBe(0)
  })

  test('more at once than there is room for go as they are; room comes back however a body ends', async () => {
    const compression = new Compression({ streamsMax: 1 })
    const endless = () =>
      new Response(
        new ReadableStream({ pull: controller => controller.enqueue(text(large)) }, { highWaterMark: 0 }),
        { headers: { 'Content-Type': 'application/json' } },
      )
    const first = await compressed(endless(), 'gzip', compression)
    expect(first.headers.get('content-encoding')).toBe('gzip')
    const second = await compressed(jsonResponse(large), 'gzip', compression)
    expect(second.headers.get('content-encoding')).toBeNull()
    expect(await second.json()).toBe(large)
    await first.body?.cancel()
    expect(compression.streams).toBe(0)
    async function* failing() {
      yield text(large)
      throw new Error('broken')
    }
    const third = await compressed(
      new Response(ReadableStream.from(failing()), { headers: { 'Content-Type': 'application/json' } }),
      'gzip',
      compression,
    )
    await expect(third.arrayBuffer()).rejects.toThrow('broken')
    expect(compression.streams).toBe(0)
  })
})

test('on the wire: compressed answers, cut where their source fails, given up where their client leaves', async () => {
  const compression = roomy()
  const listener = await openListener(
    (_, { incoming }) => {
      if (incoming.url === '/whole') return jsonResponse(large)
      async function* chunks() {
        yield text(large)
        if (incoming.url === '/fails') throw new Error('broken')
        for (;;) {
          yield text(large)
          await new Promise(resolve => setImmediate(resolve))
        }
      }
      return new Response(ReadableStream.from(chunks()), { headers: { 'Content-Type': 'application/json' } })
    },
    { compression },
  )
  const response = await fetch(`${listener.url}/whole`, { headers: { 'Accept-Encoding': 'gzip' } })
  expect(response.headers.get('content-encoding')).toBe('gzip')
  expect(await response.json()).toBe(large)
  const failing = await fetch(`${listener.url}/fails`, { headers: { 'Accept-Encoding': 'gzip' } })
  await expect(failing.text()).rejects.toThrow()
  const leaving = await RawConnection.open(listener.url)
  leaving.send('GET /endless HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n')
  await leaving.receive(/content-encoding: gzip/i)
  leaving.reset()
  await until('its room to be given back', () => compression.streams === 0 && listener.inFlight === 0)
})
