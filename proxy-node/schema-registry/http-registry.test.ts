import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../shared/clock.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { httpRegistryOptions } from '../../test/support/schema-registry-options.ts'
import { HttpRegistry, type HttpRegistryOptions } from './http-registry.ts'

// The real registry is asked in test/contract/schema-registry.test.ts; here are the faults that it does not have.

const opened: { close(): unknown }[] = []

afterEach(async () => {
  for (const { close } of opened.splice(0)) await close()
})

async function serve(listener: RequestListener): Promise<{ url: string; server: Server }> {
  const server = createServer(listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  opened.push({
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server }
}

/** A port that refuses connections. */
async function refusing(): Promise<string> {
  const { url, server } = await serve(() => undefined)
  await new Promise(resolve => server.close(resolve))
  return url
}

function open(
  urls: string[],
  changes: Partial<HttpRegistryOptions> = {},
  clock: Clock = systemClock,
): HttpRegistry {
  const registry = new HttpRegistry(httpRegistryOptions(urls, changes), { clock, log: silentLogger })
  opened.push({ close: () => registry.stop() })
  return registry
}

const schemaJson = JSON.stringify({ schema: '"int"' })
const schema = { type: 'AVRO', text: '"int"', references: [] }
const answering: RequestListener = (_, response) => response.end(schemaJson)
const hanging: RequestListener = () => undefined

describe('fail-over and retries', () => {
  test('one that refuses or hangs is passed over, and not asked first again', async () => {
    const asked: string[] = []
    const slow = await serve(() => asked.push('slow'))
    const good = await serve((request, response) => {
      asked.push('good')
      answering(request, response)
    })
    const registry = open([await refusing(), slow.url, good.url], { callTimeoutMs: 800 })
    expect(await registry.schemaById(1)).toEqual(schema)
    expect(await registry.schemaById(2)).toEqual(schema)
    expect(asked).toEqual(['slow', 'good', 'good'])
  })

  test('a 5xx is tried again, a 4xx is not', async () => {
    const statuses = [503, 500, 200, 404]
    let calls = 0
    const { url } = await serve((_, response) => {
      response.statusCode = statuses[calls++] ?? 500
      response.end(
        response.statusCode === 404 ? '{"error_code":40403,"message":"Schema not found"}' : schemaJson,
      )
    })
    const registry = open([url], { retryWaitMs: 1 })
    expect(await registry.schemaById(1)).toEqual(schema)
    await expect(registry.schemaById(2)).rejects.toMatchObject({
      kind: 'answered',
      status: 404,
      errorCode: 40403,
      message: 'Schema not found; error code: 40403',
    })
    expect(calls).toBe(4)
  })

  test('retries end', async () => {
    let calls = 0
    const { url } = await serve((_, response) => {
      calls++
      response.statusCode = 503
      response.end('<html>')
    })
    const registry = open([url], { retriesMax: 2, retryWaitMs: 1 })
    await expect(registry.schemaById(1)).rejects.toMatchObject({
      kind: 'unavailable',
      status: 503,
      message: 'HTTP 503; error code: 503',
    })
    expect(calls).toBe(3)
  })

  test('a connection that breaks off is tried again', async () => {
    let calls = 0
    const { url } = await serve((request, response) => {
      if (calls++ === 0) request.socket.destroy()
      else response.end(schemaJson)
    })
    expect(await open([url], { retryWaitMs: 1 }).schemaById(1)).toEqual(schema)
  })
})

describe('time', () => {
  test('after the moment it is asked again', async () => {
    const { url, server } = await serve(answering)
    const registry = open([url], { callTimeoutMs: 100, retryWaitMs: 1 })
    const { port } = server.address() as AddressInfo
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
    await expect(registry.schemaById(1)).rejects.toMatchObject({ kind: 'unavailable' })
    await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
    await expect.poll(() => registry.schemaById(1).catch(() => null), { timeout: 5000 }).toEqual(schema)
  })

  test('a caller that gives up ends its call', async () => {
    const { url } = await serve(hanging)
    const gone = new AbortController()
    const call = open([url], { callTimeoutMs: 60_000 }).schemaById(1, gone.signal)
    gone.abort(new Error('gone'))
    await expect(call).rejects.toThrow('gone')
  })
})

describe('a call without an answer', () => {
  const noAnswer = { kind: 'unavailable', status: null }
  const heldId = 99

  /** Registering and `heldId` wait for the test; all else is answered by `listener`. */
  const holding =
    (listener: RequestListener): RequestListener =>
    (request, response) => {
      if (request.method !== 'POST' && !request.url?.endsWith(`/${heldId}`)) listener(request, response)
    }

  /** A call that is answered just within the time of a whole call. */
  async function answeredLate(registry: HttpRegistry, server: Server, clock: ManualClock) {
    const arrived = new Promise<ServerResponse>(resolve => {
      server.on('request', ({ url }, response) => url?.endsWith(`/${heldId}`) && resolve(response))
    })
    const call = registry.schemaById(heldId)
    // A call that fails at once never arrives.
    const failure = call.then(() => Promise.reject(new Error('answered by another')))
    const response = await Promise.race([arrived, failure])
    await clock.advance(1400)
    response.end(schemaJson)
    return call
  }

  test('leaves those alone that the registry answers, though nothing else was asked meanwhile', async () => {
    const clock = new ManualClock()
    const { url, server } = await serve(holding(answering))
    const registry = open([url], {}, clock)
    const failed = expect(registry.register('s', schema)).rejects.toMatchObject(noAnswer)
    await clock.advance(1500)
    await failed
    expect(await registry.schemaById(1)).toEqual(schema)
    // An answer ends the doubt.
    expect(await answeredLate(registry, server, clock)).toEqual(schema)
  })

  test('is no reason for doubt when the registry has answered another since it began', async () => {
    const clock = new ManualClock()
    const { url, server } = await serve(holding(answering))
    const registry = open([url], {}, clock)
    const failed = expect(registry.register('s', schema)).rejects.toMatchObject(noAnswer)
    await clock.advance(100)
    expect(await registry.schemaById(1)).toEqual(schema)
    await clock.advance(1400)
    await failed
    expect(await answeredLate(registry, server, clock)).toEqual(schema)
  })

  test('makes those after it short for a moment, when there was no other; these do not prolong it', async () => {
    const clock = new ManualClock()
    const { url, server } = await serve(hanging)
    const registry = open([url], {}, clock)
    for (const ms of [1500, 375]) {
      const failed = expect(registry.schemaById(1)).rejects.toMatchObject(noAnswer)
      await clock.advance(ms)
      await failed
    }
    await clock.advance(125)
    expect(await answeredLate(registry, server, clock)).toEqual(schema)
  })

  test('makes those after it try once, where the registry can be told to be away', async () => {
    const clock = new ManualClock()
    let calls = 0
    const { url } = await serve(request => {
      calls++
      request.socket.destroy()
    })
    const registry = open([url], { retriesMax: 2, retryWaitMs: 0 }, clock)
    let over = false
    const failed = expect(registry.schemaById(1))
      .rejects.toMatchObject(noAnswer)
      .finally(() => {
        over = true
      })
    while (!over) {
      await clock.advance(0)
      await setImmediate()
    }
    await failed
    expect(calls).toBe(3)
    await expect(registry.schemaById(2)).rejects.toMatchObject(noAnswer)
    expect(calls).toBe(4)
  })

  test.each([
    ['longer than allowed', 'x'.repeat(100_000), { kind: 'answered', status: 200 }],
    ['no JSON', '<html>', { kind: 'unavailable', status: 200 }],
  ])('is not one whose answer is %s', async (_, body, error) => {
    const clock = new ManualClock()
    const { url, server } = await serve(holding((_request, response) => response.end(body)))
    const registry = open([url], { answerBytesMax: 10_000, retriesMax: 0 }, clock)
    await expect(registry.schemaById(1)).rejects.toMatchObject(error)
    expect(await answeredLate(registry, server, clock)).toEqual(schema)
  })
})

describe('bounds', () => {
  test('a call has not to wait for the slow ones under way', async () => {
    const { url } = await serve(
      (request, response) => request.method === 'GET' && answering(request, response),
    )
    const registry = open([url], { callsMax: 64 }, new ManualClock())
    const gone = new AbortController()
    const slow = Array.from({ length: 63 }, () => registry.register('s', schema, gone.signal))
    const ended = Promise.allSettled(slow)
    expect(await registry.schemaById(1)).toEqual(schema)
    gone.abort()
    await ended
  })

  test('an answer that is longer than allowed is no reason to ask again, unless its status is', async () => {
    const statuses = [200, 404, 503]
    let calls = 0
    const { url } = await serve((_, response) => {
      response.statusCode = statuses[calls++] ?? 500
      response.end('x'.repeat(100_000))
    })
    const other = await serve(answering)
    const registry = open([url, other.url], { answerBytesMax: 10_000, retryWaitMs: 1 })
    await expect(registry.schemaById(1)).rejects.toMatchObject({
      kind: 'answered',
      status: 200,
      message: 'the Schema Registry gave an answer of more than 10000 bytes',
    })
    await expect(registry.schemaById(1)).rejects.toMatchObject({ kind: 'answered', status: 404 })
    expect(await registry.schemaById(1)).toEqual(schema)
    expect(calls).toBe(3)
  })

  test('what is no JSON is asked for at the next URL', async () => {
    const page = await serve((_, response) => response.end('<html>'))
    const good = await serve(answering)
    expect(await open([page.url, good.url]).schemaById(1)).toEqual(schema)
  })

  test('calls under way are bounded', async () => {
    const { url } = await serve(hanging)
    const registry = open([url], { callsMax: 2, callTimeoutMs: 200 })
    const calls = await Promise.allSettled([
      registry.schemaById(1),
      registry.schemaById(2),
      registry.schemaById(3),
    ])
    expect(calls[2]).toMatchObject({ reason: { kind: 'overloaded' } })
    expect(calls[0]).toMatchObject({ reason: { kind: 'unavailable' } })
  })

  test.each([
    ['no JSON', '<html>'],
    ['no object', '5'],
    ['no schema', '{}'],
    ['a reference that is none', '{"schema":"x","references":[{}]}'],
  ])('%s is no answer', async (_, body) => {
    const { url } = await serve((_request, response) => response.end(body))
    const registry = open([url], { retriesMax: 0 })
    await expect(registry.schemaById(1)).rejects.toMatchObject({ name: 'RegistryError', kind: 'unavailable' })
  })
})

describe('what is sent', () => {
  async function headersOf(
    credentials: string,
    authorization: string | undefined,
  ): Promise<IncomingMessage['headers']> {
    const seen: IncomingMessage['headers'][] = []
    const { url } = await serve((request, response) => {
      seen.push(request.headers)
      answering(request, response)
    })
    await open([url.replace('//', `//${credentials}`)], { authorization }).schemaById(1)
    return seen[0] ?? {}
  }

  test('credentials of the settings, or of the URL, which win', async () => {
    expect(await headersOf('', undefined)).not.toHaveProperty('authorization')
    expect(await headersOf('', 'Bearer x')).toHaveProperty('authorization', 'Bearer x')
    expect(await headersOf('a%40b:c%3A@', 'Bearer x')).toHaveProperty(
      'authorization',
      `Basic ${Buffer.from('a@b:c:').toString('base64')}`,
    )
  })

  test('paths below the base URL, and AVRO without a type, as registries before 5.5 know none', async () => {
    const seen: string[] = []
    const { url } = await serve(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      seen.push(`${request.method} ${request.url} ${body}`)
      response.end('{"id":7}')
    })
    const registry = open([`${url}/apis/ccompat/v7/`])
    await registry.register('a/b-value', schema)
    await registry.register('p', {
      type: 'PROTOBUF',
      text: 't',
      references: [{ name: 'n', subject: 's', version: 2 }],
    })
    expect(seen).toEqual([
      'POST /apis/ccompat/v7/subjects/a%2Fb-value/versions {"schema":"\\"int\\""}',
      'POST /apis/ccompat/v7/subjects/p/versions {"schema":"t","schemaType":"PROTOBUF","references":[{"name":"n","subject":"s","version":2}]}',
    ])
  })
})
