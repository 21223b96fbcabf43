import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { beforeEach, expect, test } from 'vitest'
import { RestError } from '../errors/rest-error.ts'
import { type Logger, silentLogger } from '../observability/logger.ts'
import { createOperatorTokens, drawOperatorToken } from '../security/operator-tokens.ts'
import { createOperatorApi, type OperatorCall } from './operator-api.ts'

const routes = [
  { id: 'things.list', method: 'GET', path: '/things', reads: true, doc: '' },
  { id: 'things.end', method: 'DELETE', path: '/things/{group}/{thing}', reads: false, doc: '' },
] as const

const { token, entry } = drawOperatorToken('alice')
const calls: OperatorCall[] = []
const lines: { level: string; fields: object; message: string }[] = []
const logTo = (level: string) => (fields: object, message: string) =>
  void lines.push({ level, fields, message })
const log = {
  ...silentLogger,
  debug: logTo('debug'),
  info: logTo('info'),
  warn: logTo('warn'),
  error: logTo('error'),
} as unknown as Logger

function apiOf(entries: readonly string[]) {
  return createOperatorApi({
    routes,
    handlers: {
      'things.list': async call => {
        calls.push(call)
        return { things: [] }
      },
      'things.end': async call => {
        calls.push(call)
        if (call.params['thing'] === 'none') throw new RestError('proxyNodeNotFound')
        if (call.params['thing'] === 'broken') throw new Error('a secret')
        return { ended: true }
      },
    },
    tokens: createOperatorTokens(entries),
    log,
  })
}

async function call(
  method: string,
  target: string,
  authorization: string | undefined = `Bearer ${token}`,
  entries: readonly string[] = [entry],
) {
  const incoming = new IncomingMessage(new Socket())
  incoming.method = method
  incoming.url = target
  if (authorization !== '') incoming.headers.authorization = authorization
  const response = await apiOf(entries)({ incoming, outgoing: new ServerResponse(incoming) })
  return response && { status: response.status, body: await response.json(), headers: response.headers }
}

beforeEach(() => {
  calls.length = 0
  lines.length = 0
})

test('an operator is answered, and what changes something is logged with the name', async () => {
  expect(await call('DELETE', '/things/a%2Fb/c')).toMatchObject({ status: 200, body: { ended: true } })
  expect(calls).toMatchObject([{ operator: 'alice', params: { group: 'a/b', thing: 'c' } }])
  const action = {
    operator: 'alice',
    action: 'things.end',
    target: { group: 'a/b', thing: 'c' },
    outcome: 'done',
  }
  expect(lines).toMatchObject([{ level: 'info', message: 'an operator acted', fields: action }])
  expect((await call('GET', '/things?group=x'))?.status).toBe(200)
  expect(calls[1]?.query.get('group')).toBe('x')
  expect(lines[1]).toMatchObject({ level: 'debug', message: 'an operator looked' })
})

test('without a token, or with a wrong one, nothing is done', async () => {
  for (const authorization of ['', 'Bearer wrong', `Basic ${token}`]) {
    const answer = await call('DELETE', '/things/a/b', authorization)
    expect(answer).toMatchObject({ status: 401, body: { error_code: 40110 } })
    expect(answer?.headers.get('www-authenticate')).toBe('Bearer')
  }
  expect(calls).toEqual([])
  expect(lines.map(({ fields }) => ('token' in fields ? fields.token : ''))).toEqual([
    'none',
    'unknown',
    'unknown',
  ])
  expect(JSON.stringify(lines)).not.toContain('wrong')
})

test('without admin.tokens the routes are refused', async () => {
  for (const authorization of ['', `Bearer ${token}`])
    expect(await call('GET', '/things', authorization, [])).toMatchObject({
      status: 403,
      body: { error_code: 40310, message: 'The routes of operators are off: admin.tokens is empty.' },
    })
})

test('outcomes that are errors are logged by their row; what nobody foresaw is told to nobody', async () => {
  expect(await call('DELETE', '/things/a/none')).toMatchObject({ status: 404, body: { error_code: 40410 } })
  const broken = await call('DELETE', '/things/a/broken')
  expect(broken).toMatchObject({ status: 500, body: { message: 'Internal Server Error' } })
  const outcomes = lines.flatMap(({ fields }) => ('outcome' in fields ? [fields.outcome] : []))
  expect(outcomes).toEqual(['proxyNodeNotFound', 'internal'])
})

test('paths are matched raw, after the token', async () => {
  for (const path of ['/', '/things/', '/things/a', '/x/../things', '/things/a/b/c', '/things//b', '/health'])
    if (path !== '/things/') expect(await call('DELETE', path), path).toBeUndefined()
  expect((await call('GET', '/things/'))?.status).toBe(200)
  expect((await call('DELETE', '/things'))?.status).toBe(405)
  expect((await call('DELETE', '/things', ''))?.status).toBe(401)
  expect((await call('DELETE', '/things/a/%zz'))?.status).toBe(404)
  await call('DELETE', '/things/%2e%2e/x')
  expect(calls.at(-1)?.params['group']).toBe('..')
})
