import { expect, test } from 'vitest'
import { RestError } from '../../shared/errors/rest-error.ts'
import { knownNode } from '../../test/support/known-node.ts'
import { type NodeQuestion, type NodeReply, UpstreamFailure } from '../upstream/forwarder.ts'
import { NodeOrders } from './node-orders.ts'

const node = knownNode('n', { internalUrl: 'http://n:2' })
const status = {
  id: 'n',
  incarnation: 'i',
  state: 'draining',
  registered: true,
  instances: 1,
  instances_max: 2,
}

function ordersOf(reply: () => Promise<NodeReply>, token = 'secret') {
  const asked: NodeQuestion[] = []
  const ask = (question: NodeQuestion) => {
    asked.push(question)
    return reply()
  }
  return { asked, orders: new NodeOrders({ forwarder: { ask }, token, timeoutMs: 7 }) }
}

const answering = (code: number, body: unknown) => async () => ({ status: code, body: JSON.stringify(body) })
const row = (error: unknown) => (error instanceof RestError ? error.row : error)

test('orders go to the own socket of the node, with the token and the name of the operator', async () => {
  const { asked, orders } = ordersOf(answering(200, status))
  expect(await orders.drain(node, 'alice')).toEqual(status)
  expect(await orders.status(node)).toEqual(status)
  expect(await orders.evict(node, { group: 'g', instance: 'i' }, 'bob')).toBe(true)
  expect(asked.map(({ method, path, body }) => [method, path, body])).toEqual([
    ['POST', '/internal/drain', '{"operator":"alice"}'],
    ['GET', '/internal/status', undefined],
    ['POST', '/internal/evictions', '{"operator":"bob","group":"g","instance":"i"}'],
  ])
  for (const { origin, headers, timeoutMs } of asked)
    expect([origin, headers, timeoutMs]).toEqual(['http://n:2', { 'kafka-rest-internal-token': 'secret' }, 7])
})

test('an instance that is not there is no failure', async () => {
  const { orders } = ordersOf(answering(404, {}))
  expect(await orders.evict(node, { group: 'g', instance: 'i' }, 'bob')).toBe(false)
})

test.each([
  ['unsent', 'refused', 'proxyNodeUnreachable'],
  ['sent', 'slow', 'upstreamTimeout'],
  ['sent', 'lost', 'upstreamFailed'],
] as const)('no answer: %s, %s is %s', async (stage, reason, expected) => {
  const { orders } = ordersOf(() => Promise.reject(new UpstreamFailure(stage, reason)))
  expect(await orders.undrain(node, 'alice').catch(row)).toBe(expected)
})

test('answers that make no sense, and a gateway without a token', async () => {
  for (const reply of [answering(404, {}), answering(200, {}), answering(200, { ...status, state: 'odd' })])
    expect(await ordersOf(reply).orders.status(node).catch(row)).toBe('proxyNodeUnreachable')
  const { asked, orders } = ordersOf(answering(200, status), '')
  expect(await orders.status(node).catch(row)).toBe('internalTokenMissing')
  expect(asked).toEqual([])
})
