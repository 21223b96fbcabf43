import { expect, test } from 'vitest'
import { knownNode } from '../../test/support/known-node.ts'
import type { KnownNode } from '../routing/node-view.ts'
import { adminNodes } from './admin-nodes.ts'

const member = knownNode('node-1')

const noOrder = () => Promise.reject(new Error('nobody gives an order here'))

async function stateOf(node: Partial<KnownNode>): Promise<unknown> {
  const { 'nodes.list': list } = adminNodes({
    view: { nodes: () => [{ ...member, ...node }], find: () => undefined, refresh: async () => {}, ageMs: 0 },
    selection: { stateOf: () => 'available' },
    load: { inFlight: () => 0 },
    orders: { status: noOrder, drain: noOrder, undrain: noOrder },
    leaseMs: 5000,
  })
  return (await list()).nodes[0]?.state
}

test('a node that drains is drained when it holds nothing any more', async () => {
  expect(await stateOf({ instances: 0 })).toBe('active')
  expect(await stateOf({ draining: true, instances: 3 })).toBe('draining')
  expect(await stateOf({ draining: true, instances: 0 })).toBe('drained')
})
