import { describe, expect, test } from 'vitest'
import { answersIn, exchange, jsonResponse, openListener } from '../../test/support/http-listener.ts'
import { loadSettings } from '../settings/load.ts'
import { corsAnswer, corsPolicy, corsSettings, withCors } from './cors.ts'

function policyOf(file: Record<string, string>) {
  return corsPolicy(loadSettings(corsSettings, new Map(Object.entries(file)), {}).settings)
}

function answerTo(file: Record<string, string>, method: string, headers: Record<string, string>) {
  const policy = policyOf({ 'access.control.allow.origin': 'https://app.example.com', ...file })
  if (!policy) throw new Error('off')
  return corsAnswer(policy, method, name => headers[name])
}

const origin = 'https://app.example.com'
const preflight = (method: string, headers?: string) => ({
  origin,
  'access-control-request-method': method,
  ...(headers === undefined ? {} : { 'access-control-request-headers': headers }),
})

describe('corsPolicy', () => {
  test('off by default', () => expect(policyOf({})).toBeUndefined())

  test.each([
    ['https://app.example.com', 'https://app.example.com', true],
    ['https://app.example.com', 'https://app.example.com:8443', false],
    ['https://app.example.com', 'http://app.example.com', false],
    ['https://app.example.com', 'https://app-example.com', false],
    ['https://a.b, https://c.d', 'https://c.d', true],
    ['https://*.example.com', 'https://x.y.example.com', true],
    ['https://*.example.com', 'https://example.com', false],
    ['https://*.example.com', 'https://evil.com/.example.com', false],
    ['https://*.example.com', 'https://x.example.com.evil.com', false],
    ['http://localhost:*', 'http://localhost:3000', true],
    ['*', 'null', true],
    ['https://*', `https://${'a'.repeat(10_000)}`, false],
  ])('%s allows %s: %s', (allowed, from, allows) => {
    expect(policyOf({ 'access.control.allow.origin': allowed })?.allows(from)).toBe(allows)
  })
})

describe('corsAnswer', () => {
  test('without Origin, or from elsewhere, nothing is added but that it depends on it', () => {
    expect(answerTo({}, 'GET', {})).toEqual({ headers: { vary: 'Origin' }, preflight: false })
    const elsewhere = { origin: 'https://evil.example.com', 'access-control-request-method': 'GET' }
    expect(answerTo({}, 'OPTIONS', elsewhere)).toEqual({ headers: { vary: 'Origin' }, preflight: false })
  })

  test('a request from an allowed origin', () => {
    expect(answerTo({ 'access.control.expose.headers': 'X-A, X-B' }, 'POST', { origin })).toEqual({
      headers: {
        vary: 'Origin',
        'access-control-allow-origin': origin,
        'access-control-allow-credentials': 'true',
        'access-control-expose-headers': 'X-A,X-B',
      },
      preflight: false,
    })
  })

  test('a request from anywhere, where all are allowed: without credentials', () => {
    expect(answerTo({ 'access.control.allow.origin': '*' }, 'POST', { origin })).toEqual({
      headers: { 'access-control-allow-origin': '*' },
      preflight: false,
    })
  })

  test('a preflight', () => {
    expect(answerTo({}, 'OPTIONS', preflight('POST', 'content-type, accept'))).toEqual({
      headers: {
        vary: 'Origin',
        'access-control-allow-origin': origin,
        'access-control-allow-credentials': 'true',
        'access-control-max-age': '1800',
        'access-control-allow-methods': 'GET,POST,HEAD',
        'access-control-allow-headers': 'X-Requested-With,Content-Type,Accept,Origin',
      },
      preflight: true,
    })
  })

  test('a preflight for what is not allowed ends here, without permission', () => {
    const refused = { headers: { vary: 'Origin' }, preflight: true }
    expect(answerTo({}, 'OPTIONS', preflight('DELETE'))).toEqual(refused)
    expect(answerTo({}, 'OPTIONS', preflight('POST', 'content-type, x-secret'))).toEqual(refused)
    const more = {
      'access.control.allow.methods': 'GET,POST,DELETE',
      'access.control.allow.headers': 'Content-Type, X-Secret',
    }
    expect(answerTo(more, 'OPTIONS', preflight('DELETE', 'x-secret')).headers).toMatchObject({
      'access-control-allow-methods': 'GET,POST,DELETE',
    })
  })

  test('all headers allowed: those that are asked for, as far as they are names', () => {
    const { headers } = answerTo(
      { 'access.control.allow.headers': '*' },
      'OPTIONS',
      preflight('GET', 'x-a, "b, x-c'),
    )
    expect(headers['access-control-allow-headers']).toBe('x-a,x-c')
  })

  test('OPTIONS that is no preflight goes to the app', () => {
    expect(answerTo({}, 'OPTIONS', { origin }).preflight).toBe(false)
  })
})

test('withCors around an app, also for answers whose headers cannot be changed', async () => {
  const policy = policyOf({ 'access.control.allow.origin': origin })
  if (!policy) throw new Error('off')
  const app = withCors(policy, async () => {
    const answer = jsonResponse({ a: 1 }, 201)
    answer.headers.set('vary', 'Accept-Encoding')
    return answer
  })
  const answer = await app(new Request('http://a/', { headers: { origin } }), undefined)
  expect([answer.status, await answer.json()]).toEqual([201, { a: 1 }])
  expect(answer.headers.get('vary')).toBe('Accept-Encoding, Origin')
  expect(answer.headers.get('access-control-allow-origin')).toBe(origin)
  const asked = new Request('http://a/', { method: 'OPTIONS', headers: preflight('GET') })
  const permission = await app(asked, undefined)
  expect([permission.status, permission.headers.get('access-control-max-age')]).toEqual([200, '1800'])
})

test('on the wire: preflights never reach the app, and raw answers carry the headers too', async () => {
  const { RESPONSE_ALREADY_SENT } = await import('@hono/node-server/utils/response')
  const cors = policyOf({ 'access.control.allow.origin': origin })
  if (!cors) throw new Error('off')
  const seen: unknown[] = []
  const listener = await openListener(
    (_, { incoming, outgoing }) => {
      seen.push(incoming.method)
      if (incoming.url === '/web') return jsonResponse({})
      outgoing.writeHead(200, ['Vary', 'Accept-Encoding', 'Content-Length', '0'])
      outgoing.end()
      return RESPONSE_ALREADY_SENT
    },
    { cors },
  )
  const request = (method: string, target: string, more: string) =>
    `${method} ${target} HTTP/1.1\r\nHost: a\r\nOrigin: ${origin}\r\n${more}\r\n`
  const asking = request('OPTIONS', '/web', 'Access-Control-Request-Method: POST\r\n')
  const answers = answersIn(
    await exchange(
      listener.url,
      asking + request('GET', '/web', '') + request('GET', '/raw', 'Connection: close\r\n'),
    ),
  )
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  expect(answers[0]?.body).toBe('')
  expect(answers[0]?.head).toMatch(/\r\naccess-control-allow-methods: GET,POST,HEAD\r\n/i)
  for (const { head } of answers) {
    expect(head).toMatch(/\r\naccess-control-allow-origin: https:\/\/app\.example\.com\r\n/i)
    expect(head).toMatch(/\r\nvary: Origin/i)
  }
  expect(answers[2]?.head).toMatch(/\r\nvary: Origin, Accept-Encoding\r\n/i)
  expect(seen).toEqual(['GET', 'GET'])
})
