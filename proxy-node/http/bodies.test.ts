import { expect, test } from 'vitest'
import { RestError } from '../../shared/errors/rest-error.ts'
import { errorResponse } from '../../shared/http/error-response.ts'
import { answersIn, exchange, jsonResponse, openListener } from '../../test/support/http-listener.ts'
import { RawConnection } from '../../test/support/raw-connection.ts'
import { until } from '../../test/support/until.ts'
import { Bodies, type BodyKind } from './bodies.ts'
import { ByteCollector } from './byte-collector.ts'

/** An app that reads its body, and holds its answer until it is let go. */
async function openApp(
  limits: { bodyBytesMax: number; totalBytesMax: number },
  gate?: Promise<void>,
  kind?: BodyKind,
) {
  const bodies = new Bodies({ controlBytesMax: 5, ...limits })
  const failures: unknown[] = []
  const listener = await openListener(async (_, { incoming, outgoing }) => {
    try {
      const body = await bodies.read(incoming, outgoing, kind)
      await gate
      return jsonResponse({ body: body.toString('latin1') })
    } catch (error) {
      if (!(error instanceof RestError)) throw error
      failures.push(error.row)
      return errorResponse(error, 'application/json')
    }
  })
  return { bodies, listener, failures }
}

const head = (more: string) => `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${more}\r\n\r\n`
const chunks = (...parts: string[]) =>
  parts.map(part => `${part.length.toString(16)}\r\n${part}\r\n`).join('') + '0\r\n\r\n'

test('bodies with a length, in chunks, and none', async () => {
  const { listener, bodies } = await openApp({ bodyBytesMax: 10, totalBytesMax: 100 })
  const bodyOf = async (bytes: string) =>
    JSON.parse(answersIn(await exchange(listener.url, bytes))[0]?.body ?? '').body
  expect(await bodyOf(`${head('Content-Length: 5')}abcde`)).toBe('abcde')
  expect(await bodyOf(head('Transfer-Encoding: chunked') + chunks('ab', 'c', 'de'))).toBe('abcde')
  expect(await bodyOf(head('Transfer-Encoding: chunked') + chunks())).toBe('')
  expect(await bodyOf(head('Content-Length: 0'))).toBe('')
  expect(await bodyOf(head('X-A: b'))).toBe('')
  await until('nothing to be held', () => bodies.bytes === 0)
})

test('a body over the limit is 413, declared or not, also when most of it is still to come', async () => {
  const { listener, bodies } = await openApp({ bodyBytesMax: 10, totalBytesMax: 100 })
  const requests = [
    `${head('Content-Length: 11')}abcdefghijk`,
    head('Content-Length: 1000000000'),
    head('Transfer-Encoding: chunked') + chunks('abcdef', 'ghijk'),
    head('Transfer-Encoding: chunked') + 'fffff\r\nabcdefghijklmnop',
  ]
  for (const request of requests) {
    const [answer] = answersIn(await exchange(listener.url, request))
    expect(JSON.parse(answer?.body ?? '')).toEqual({ error_code: 413, message: 'HTTP 413 Payload Too Large' })
  }
  await until('nothing to be held', () => bodies.bytes === 0)
})

test('a body that is no data has a bound of its own', async () => {
  const { listener } = await openApp({ bodyBytesMax: 10, totalBytesMax: 100 }, undefined, 'control')
  const statusOf = async (request: string) => answersIn(await exchange(listener.url, request))[0]?.status
  expect(await statusOf(`${head('Content-Length: 5')}abcde`)).toBe(200)
  expect(await statusOf(`${head('Content-Length: 6')}abcdef`)).toBe(413)
  expect(await statusOf(head('Transfer-Encoding: chunked') + chunks('abc', 'def'))).toBe(413)
})

test('all bodies together have a bound: what comes over it is 429, and room comes back with the answers', async () => {
  const gate = Promise.withResolvers<void>()
  const { listener, bodies } = await openApp({ bodyBytesMax: 60, totalBytesMax: 100 }, gate.promise)
  const first = await RawConnection.open(listener.url)
  first.send(head('Content-Length: 60') + 'x'.repeat(60))
  await until('it to be held', () => bodies.bytes === 60)
  const second = await RawConnection.open(listener.url)
  second.send(`${head('Transfer-Encoding: chunked')}1e\r\n${'x'.repeat(30)}\r\n`)
  await until('it to be held', () => bodies.bytes === 90)
  const declared = answersIn(await exchange(listener.url, `${head('Content-Length: 11')}abcdefghijk`))
  expect(JSON.parse(declared[0]?.body ?? '')).toMatchObject({ error_code: 42912 })
  expect(declared[0]?.head).toMatch(/\r\nRetry-After: 1\r\n/i)
  second.send(`1e\r\n${'x'.repeat(30)}\r\n`)
  await second.ended()
  expect(answersIn(second.received)[0]?.status).toBe(429)
  await until('its bytes to be given back', () => bodies.bytes === 60)
  gate.resolve()
  await first.ended()
  expect(answersIn(first.received)[0]?.status).toBe(200)
  await until('nothing to be held', () => bodies.bytes === 0)
})

test('clients that announce much and send little do not shut out the others', async () => {
  const { listener, bodies } = await openApp({ bodyBytesMax: 100, totalBytesMax: 100 })
  for (let count = 0; count < 10; count++) {
    const slow = await RawConnection.open(listener.url)
    slow.send(`${head('Content-Length: 90')}x`)
  }
  await until('all to be begun', () => bodies.bytes === 10)
  const [answer] = answersIn(await exchange(listener.url, `${head('Content-Length: 80')}${'y'.repeat(80)}`))
  expect(answer?.status).toBe(200)
})

test('a client that leaves in the middle ends the read, and gives its bytes back', async () => {
  const { listener, bodies, failures } = await openApp({ bodyBytesMax: 100, totalBytesMax: 100 })
  for (const leave of ['reset', 'end'] as const) {
    const client = await RawConnection.open(listener.url)
    client.send(`${head('Content-Length: 90')}abc`)
    await until('it to be begun', () => bodies.bytes === 3)
    client[leave]()
    await until('its bytes to be given back', () => bodies.bytes === 0)
  }
  await until('both reads to have ended', () => failures.length === 2)
  expect(failures).toEqual(['bodyTruncated', 'bodyTruncated'])
})

test('ByteCollector: the bytes of any parts, whatever their sizes', () => {
  const sizes = [[], [0], [5], [1, 1, 1], [65_536, 1], [65_535, 2, 65_536, 200_000], [0, 70_000, 0, 3]]
  for (const parts of sizes) {
    const buffers = parts.map((size, index) => Buffer.alloc(size, index + 1))
    const collector = new ByteCollector()
    for (const buffer of buffers) collector.add(buffer)
    const whole = Buffer.concat(buffers)
    expect(collector.length).toBe(whole.length)
    expect(collector.take().equals(whole)).toBe(true)
  }
})

test('ByteCollector: a body in very many parts of one byte', () => {
  const collector = new ByteCollector()
  const count = 300_000
  for (let index = 0; index < count; index++) collector.add(Buffer.from([index % 256]))
  const body = collector.take()
  expect(body.length).toBe(count)
  for (let index = 0; index < count; index += 997) expect(body[index]).toBe(index % 256)
})
