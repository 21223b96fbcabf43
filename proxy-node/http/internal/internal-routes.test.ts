import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { RestError } from '../../../shared/errors/rest-error.ts'
import { createInternalRoutes } from './internal-routes.ts'

const asked: unknown[] = []
const handler = createInternalRoutes({
  membership: {
    identity: () => ({ id: 'node-1', incarnation: 'i-1' }),
    checkDeath: async expected => {
      asked.push(expected)
      return expected.id === 'dead'
    },
  },
  holds: key => key === 'a%2Fb/c%20d',
  applyReadOutcomes: async reports => {
    asked.push(reports)
    return reports.filter(({ readId }) => readId === 'elsewhere').map(({ key }) => key)
  },
  takeOver: async request => {
    asked.push(request)
    return request.ref.instance === 'free'
      ? { outcome: 'held', incarnation: 'i-1', token: 7 }
      : { outcome: request.ref.instance === 'taken' ? 'lost' : 'gone' }
  },
})

async function call(
  method: string,
  target: string,
  options: { body?: string; trusted?: boolean } = {},
): Promise<{ status: number; body: string } | undefined> {
  const incoming = new IncomingMessage(new Socket())
  incoming.method = method
  const response = await handler({
    target,
    env: { incoming, outgoing: new ServerResponse(incoming) },
    trusted: options.trusted ?? true,
    body: async () => Buffer.from(options.body ?? ''),
  })
  return response && { status: response.status, body: await response.text() }
}

test('who this process is', async () => {
  expect(await call('GET', '/internal/identity')).toEqual({
    status: 200,
    body: '{"id":"node-1","incarnation":"i-1"}',
  })
})

test('without the token there are no internal routes', async () => {
  for (const path of ['/internal/identity', '/internal/instances/a%2Fb/c%20d'])
    expect(await call('GET', path, { trusted: false })).toBeUndefined()
  expect(await call('POST', '/internal/death-check', { trusted: false, body: '{}' })).toBeUndefined()
})

test('other paths and methods are not ours', async () => {
  const paths = ['/', '/internal', '/internal/identity/', '/internal/identity?a=b', '/internal/instances/a']
  for (const path of [
    ...paths,
    '/internal/instances/a/b/c',
    '/internal/instances//b',
    '/internal/instances/%zz/b',
  ])
    expect(await call('GET', path), path).toBeUndefined()
  for (const method of ['POST', 'HEAD', 'DELETE', 'OPTIONS'])
    expect(await call(method, '/internal/identity'), method).toBeUndefined()
})

test('whether an instance is held here', async () => {
  expect(await call('GET', '/internal/instances/a%2Fb/c%20d')).toMatchObject({ status: 200 })
  expect(await call('GET', '/internal/instances/a/b')).toMatchObject({ status: 404 })
})

test('whether another process is dead', async () => {
  const url = 'http://10.0.0.1:8083'
  const body = (id: string) => JSON.stringify({ internal_url: url, id, incarnation: '' })
  expect(await call('POST', '/internal/death-check', { body: body('dead') })).toEqual({
    status: 200,
    body: '{"dead":true}',
  })
  expect(await call('POST', '/internal/death-check', { body: body('alive') })).toMatchObject({
    body: '{"dead":false}',
  })
  expect(asked.splice(0)).toContainEqual({ internalUrl: url, id: 'dead', incarnation: '' })
})

test('a death check asks plain addresses only', async () => {
  const urls = ['http://user:pass@host:1', 'http://host:1/path', 'file:///etc/passwd', 'host:1', 7, undefined]
  for (const url of urls) {
    const body = JSON.stringify({ internal_url: url, id: 'a', incarnation: 'b' })
    expect((await call('POST', '/internal/death-check', { body }))?.status, `${url}`).toBe(422)
  }
  expect(asked.splice(0)).toEqual([])
})

test('outcomes of reads are taken in before they are confirmed', async () => {
  const body = JSON.stringify([
    { key: 'a/b', read_id: 'r1', delivered: true },
    { key: 'a/c', read_id: 'r2', delivered: false },
  ])
  expect(await call('POST', '/internal/read-outcomes', { body })).toEqual({ status: 204, body: '' })
  expect(asked.splice(0)).toEqual([
    [
      { key: 'a/b', readId: 'r1', delivered: true },
      { key: 'a/c', readId: 'r2', delivered: false },
    ],
  ])
})

test.each(['{', '{}', '[1]', '[{"key":"a"}]', '[{"key":"a","read_id":"b","delivered":"yes"}]', 'null'])(
  'a batch of outcomes that does not parse is refused whole: %s',
  async body => {
    const status = (await call('POST', '/internal/read-outcomes', { body }))?.status
    expect([400, 422]).toContain(status)
    expect(asked.splice(0)).toEqual([])
  },
)

test('a body over the limit is answered with its own error', async () => {
  const incoming = new IncomingMessage(new Socket())
  incoming.method = 'POST'
  const response = await handler({
    target: '/internal/read-outcomes',
    env: { incoming, outgoing: new ServerResponse(incoming) },
    trusted: true,
    body: async () => {
      throw new RestError('payloadTooLarge')
    },
  })
  expect(response?.status).toBe(413)
})
