import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../shared/clock.ts'
import { RestError } from '../shared/errors/rest-error.ts'
import { type Listener, listen } from '../shared/http/listen.ts'
import { type Logger, silentLogger } from '../shared/observability/logger.ts'
import { Metrics } from '../shared/observability/metrics.ts'
import { mediaTypes } from '../shared/rest/media-type.ts'
import { http } from '../test/support/http-client.ts'
import { RawConnection } from '../test/support/raw-connection.ts'
import { createProxyNode } from './app.ts'
import { Bodies } from './http/bodies.ts'
import type { Handler } from './http/handler.ts'
import { proxyNodeMetrics } from './metrics.ts'

/** The app on a real socket; the handlers answer with what they were given. */
let listener: Listener
const errors: unknown[] = []
const log: Logger = Object.create(silentLogger, {
  error: { value: (fields: unknown) => void errors.push(fields) },
})
/** Holds up what is said of the path `/slow`. */
const slow = Promise.withResolvers<void>()

const echo: Handler = async request => {
  const body = (await request.body()).toString()
  const { params, contentType } = request
  return Response.json(
    { params, contentType, body },
    { headers: { 'Content-Type': request.contentTypeHeader } },
  )
}

/** Whether there are too many requests now. */
let limited = false

beforeAll(async () => {
  const app = createProxyNode({
    handlers: {
      'topics.list': echo,
      'produce-to-topic': echo,
      'brokers.list': echo,
      'consumers.consume': async () => {
        throw new RestError('consumerInstanceNotFound')
      },
      'topics.get': async () => {
        throw new TypeError('a bug')
      },
    },
    internal: async ({ target }) => {
      if (target === '/slow') await slow.promise
      return undefined
    },
    isInternalToken: () => false,
    checkAccess: () => undefined,
    checkRate: async ({ id }) => {
      if (id === 'topics.list' && limited) throw new RestError('rateLimited')
    },
    bodies: new Bodies({ bodyBytesMax: 1000, controlBytesMax: 100, totalBytesMax: 2000 }),
    clock: systemClock,
    log,
    metrics: new Metrics(proxyNodeMetrics, { process: false }),
    accessLog: false,
  })
  listener = await listen({
    url: 'http://127.0.0.1:0',
    fetch: (request, env) => app.fetch(request, env),
    log: silentLogger,
    clock: systemClock,
    headBytesMax: 8192,
    connectionsMax: 100,
    keepAliveTimeoutMs: 5000,
    headTimeoutMs: 5000,
    requestTimeoutMs: 5000,
  })
})

afterAll(() => listener.stop())

const ask = (method: string, path: string, headers: Record<string, string> = {}, body?: string) =>
  http({ base: listener.url, method, path, headers, ...(body === undefined ? {} : { body }) })

const { v2, json, avro } = mediaTypes

describe('what is answered before a handler - contract v2 §1.4–1.6', () => {
  test('too many requests are told after 405, 415 and 406, in the type that was asked for', async () => {
    limited = true
    try {
      expect((await ask('PUT', '/topics')).status).toBe(405)
      expect((await ask('GET', '/topics', { 'content-type': 'text/plain' })).status).toBe(415)
      expect((await ask('GET', '/topics', { accept: 'text/plain' })).status).toBe(406)
      const answer = await ask('GET', '/topics')
      expect([answer.status, answer.headers['content-type'], answer.headers['retry-after']]).toEqual([
        429,
        v2,
        '1',
      ])
      expect(answer.json()).toMatchObject({ error_code: 429 })
    } finally {
      limited = false
    }
  })

  test('§9.31: 406 has no media type; 415 takes its type from Accept, and tells what is accepted', async () => {
    const refused = await ask('GET', '/topics', { accept: 'application/json' })
    expect([refused.status, refused.headers['content-type'], refused.text]).toEqual([
      406,
      undefined,
      '{"error_code":406,"message":"HTTP 406 Not Acceptable"}',
    ])
    for (const [accept, type] of [
      [`${v2}, application/octet-stream`, v2],
      ['application/json', 'application/json'],
      [json, 'application/json'],
    ] as const) {
      const answer = await ask('POST', '/topics/t', { 'content-type': v2, accept }, '{}')
      expect([answer.status, answer.headers['content-type'], answer.text]).toEqual([
        415,
        type,
        '{"error_code":415,"message":"HTTP 415 Unsupported Media Type"}',
      ])
      expect(answer.headers['accept-post']).toContain(json)
    }
  })

  test('the header counts without a body too, except where anything is taken', async () => {
    expect((await ask('GET', '/topics', { 'content-type': 'application/json' })).status).toBe(415)
    expect((await ask('GET', '/brokers', { 'content-type': 'application/json' })).status).toBe(200)
    expect((await ask('GET', '/topics', { 'content-type': 'garbage' })).status).toBe(400)
    expect((await ask('POST', '/topics/t', { 'content-type': `${json}; charset=utf-8` }, '{}')).status).toBe(
      200,
    )
  })

  test('415 beats 406, and both come after path and method', async () => {
    const both = { 'content-type': 'application/json', accept: 'application/json' }
    expect((await ask('GET', '/topics', both)).status).toBe(415)
    expect((await ask('GET', '/nothing', both)).status).toBe(404)
    expect((await ask('POST', '/topics', both)).status).toBe(405)
  })

  test('unknown paths and wrong methods have no media type and no Allow', async () => {
    for (const [method, path, status, text] of [
      ['GET', '/nothing', 404, '{"error_code":404,"message":"HTTP 404 Not Found"}'],
      ['DELETE', '/topics', 405, '{"error_code":405,"message":"HTTP 405 Method Not Allowed"}'],
    ] as const) {
      const answer = await ask(method, path)
      expect([answer.status, answer.text, answer.headers['content-type'], answer.headers['allow']]).toEqual([
        status,
        text,
        undefined,
        undefined,
      ])
    }
  })

  test('OPTIONS lists the methods', async () => {
    const answer = await ask('OPTIONS', '/topics/t')
    expect([answer.status, answer.headers['allow'], answer.text]).toEqual([
      200,
      'GET,HEAD,OPTIONS,POST',
      'GET,HEAD,OPTIONS,POST',
    ])
  })
})

describe('what handlers throw', () => {
  test('errors of a matched operation carry its negotiated type', async () => {
    const path = '/consumers/g/instances/i/records'
    const plain = await ask('GET', path)
    expect([plain.status, plain.headers['content-type']]).toEqual([404, mediaTypes.binary])
    expect((await ask('GET', path, { accept: avro })).headers['content-type']).toBe(avro)
  })

  test('a bug is one 500 that shows nothing of it', async () => {
    const answer = await ask('GET', '/topics/t')
    expect([answer.status, answer.text]).toEqual([
      500,
      '{"error_code":500,"message":"Internal Server Error"}',
    ])
  })

  test('a body over the limit is 413', async () => {
    const answer = await ask('POST', '/topics/t', { 'content-type': json }, 'x'.repeat(1001))
    expect(answer.status).toBe(413)
  })
})

test('a request that the listener has refused by now is not answered a second time', async () => {
  const connection = await RawConnection.open(listener.url)
  connection.send('POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc')
  connection.end()
  await connection.receive(/"error_code":40014/)
  errors.length = 0
  slow.resolve()
  await connection.ended()
  expect((await ask('GET', '/nothing')).status).toBe(404)
  expect(errors).toEqual([])
})

test('a request id is kept when it can be, else drawn', async () => {
  const kept = await ask('GET', '/topics', { 'x-request-id': 'abc-1' })
  expect(kept.headers['x-request-id']).toBe('abc-1')
  const drawn = await ask('GET', '/topics', { 'x-request-id': 'a b' })
  expect(drawn.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
})
