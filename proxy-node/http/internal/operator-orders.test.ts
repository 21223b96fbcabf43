import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { RestError } from '../../../shared/errors/rest-error.ts'
import { type Logger, silentLogger } from '../../../shared/observability/logger.ts'
import type { NodeStatus } from '../../../shared/rest/node-status.ts'
import { createOperatorOrders } from './operator-orders.ts'

const status: NodeStatus = {
  id: 'n',
  incarnation: 'i',
  state: 'active',
  registered: true,
  instances: 0,
  instances_max: 1,
}
const logged: object[] = []
const handler = createOperatorOrders({
  operations: {
    status: () => status,
    drain: () => ({ ...status, state: 'draining' }),
    undrain: async () => status,
    evict: async ({ instance }) => {
      if (instance !== 'held') throw new RestError('consumerInstanceNotFound')
    },
  },
  log: { ...silentLogger, info: (fields: object) => void logged.push(fields) } as unknown as Logger,
})

async function call(method: string, target: string, body = '', trusted = true) {
  const incoming = new IncomingMessage(new Socket())
  incoming.method = method
  const env = { incoming, outgoing: new ServerResponse(incoming) }
  const response = await handler({ target, env, trusted, body: async () => Buffer.from(body) })
  return response && { status: response.status, body: await response.json() }
}

test('orders are carried out and logged with the name of the operator', async () => {
  expect(await call('GET', '/internal/status')).toEqual({ status: 200, body: status })
  const order = '{"operator":"alice"}'
  expect(await call('POST', '/internal/drain', order)).toMatchObject({ body: { state: 'draining' } })
  expect(await call('POST', '/internal/undrain', order)).toMatchObject({ body: { state: 'active' } })
  const evict = (instance: string) => JSON.stringify({ operator: 'bob', group: 'g', instance })
  expect((await call('POST', '/internal/evictions', evict('held')))?.status).toBe(200)
  expect((await call('POST', '/internal/evictions', evict('other')))?.status).toBe(404)
  expect(logged.slice(0, 3)).toEqual([
    { operator: 'alice', action: 'node.drain' },
    { operator: 'alice', action: 'node.undrain' },
    { operator: 'bob', group: 'g', instance: 'held', action: 'instances.evict' },
  ])
})

test('bodies that are none are refused, and nothing is done', async () => {
  logged.length = 0
  for (const [body, code] of [
    ['', 400],
    ['{}', 422],
    ['null', 422],
    ['{"operator":1}', 422],
    [`{"operator":"${'x'.repeat(5000)}"}`, 422],
  ] as const)
    expect((await call('POST', '/internal/drain', body))?.status, body.slice(0, 20)).toBe(code)
  expect(logged).toEqual([])
})

test('without the internal token, and elsewhere, there is nothing', async () => {
  expect(await call('POST', '/internal/drain', '{"operator":"a"}', false)).toBeUndefined()
  for (const target of ['/internal/drain/', '/internal/drain?a=b', '/internal/drained'])
    expect(await call('POST', target, '{"operator":"a"}')).toBeUndefined()
  expect(await call('GET', '/internal/drain')).toBeUndefined()
})
