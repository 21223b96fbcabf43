import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { createIdentityProbe, createInstanceProbe } from './identity-probe.ts'
import { internalHeaders } from './internal-headers.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections()
})

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const generous = { timeoutMs: 10_000 }
const probe = createIdentityProbe('secret')

test('the identity is asked for with the token, on a connection of its own', async () => {
  const asked: unknown[] = []
  const url = await serve((request, response) => {
    asked.push(
      request.method,
      request.url,
      request.headers[internalHeaders.token],
      request.headers.connection,
    )
    response.end('{"id":"node-1","incarnation":"i-1"}')
  })
  expect(await probe(url, generous)).toEqual({ outcome: 'identity', id: 'node-1', incarnation: 'i-1' })
  expect(asked).toEqual(['GET', '/internal/identity', 'secret', 'close'])
})

test('a port that nobody listens on is a refusal', async () => {
  const url = await serve((_, response) => response.end())
  const [server] = servers
  await new Promise(resolve => server?.close(resolve))
  expect(await probe(url, generous)).toEqual({ outcome: 'refused' })
})

test.each<[string, RequestListener]>([
  ['a reset', request => request.socket.resetAndDestroy()],
  ['a connection that closes', request => request.socket.end()],
  ['an unknown path', (_, response) => response.writeHead(404).end('{"id":"a","incarnation":"b"}')],
  ['no JSON', (_, response) => response.end('hello')],
  ['another JSON', (_, response) => response.end('{"id":1}')],
  ['null', (_, response) => response.end('null')],
  ['an endless answer', (_, response) => response.end('x'.repeat(100_000))],
  [
    'a truncated answer',
    (request, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('{"id":"node-1",')
      request.socket.end()
    },
  ],
])('%s is unclear', async (_, listener) => {
  expect((await probe(await serve(listener), generous)).outcome).toBe('unclear')
})

test('no answer within the time is unclear', async () => {
  const url = await serve(() => undefined)
  expect((await probe(url, { timeoutMs: 20 })).outcome).toBe('unclear')
  const body = await serve((_, response) => response.writeHead(200, { 'content-length': 10 }).write('{'))
  expect((await probe(body, { timeoutMs: 50 })).outcome).toBe('unclear')
})

test('a signal ends the wait', async () => {
  const url = await serve(() => undefined)
  const signal = AbortSignal.abort(new Error('stopped'))
  expect((await probe(url, { ...generous, signal })).outcome).toBe('unclear')
})

test('a url that cannot be asked is unclear', async () => {
  for (const url of ['nonsense', 'ftp://127.0.0.1:1', 'http://host.invalid:1', 'https://host.invalid:1'])
    expect((await probe(url, generous)).outcome, url).toBe('unclear')
})

test('whether an instance is held: yes, no, or nothing said', async () => {
  const url = await serve((request, response) => {
    const status = { '/internal/instances/a%2Fb/held': 200, '/internal/instances/a%2Fb/not': 404 }[
      `${request.url}`
    ]
    response.writeHead(status ?? 500).end('{}')
  })
  const holds = createInstanceProbe('secret')
  const ask = (instance: string) => holds(url, { group: 'a/b', instance }, generous)
  expect(await Promise.all([ask('held'), ask('not'), ask('odd')])).toEqual(['held', 'absent', 'unclear'])
  expect(await holds('http://127.0.0.1:1', { group: 'a', instance: 'b' }, generous)).toBe('unclear')
  // Without a token every node says 404 to it.
  expect(await createInstanceProbe('')(url, { group: 'a/b', instance: 'not' }, generous)).toBe('unclear')
})
