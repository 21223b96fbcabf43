import { describe, expect, test } from 'vitest'
import { createRing } from './ring.ts'

const keys = Array.from({ length: 20_000 }, (_, index) => `group-${index % 7}/rest-consumer-${index}`)
const nodes = ['node-1', 'node-2', 'node-3', 'node-4', 'node-5']

function owners(nodeIds: readonly string[]): (string | undefined)[] {
  const ring = createRing(nodeIds)
  return keys.map(key => ring.order(key)[0])
}

describe('createRing', () => {
  test('two rings over the same nodes agree on every key, whatever the order they were given in', () => {
    expect(owners([...nodes].reverse())).toEqual(owners(nodes))
    expect(owners([...nodes, 'node-3'])).toEqual(owners(nodes))
  })

  test.each([
    ['3 numbered nodes', ['node-1', 'node-2', 'node-3']],
    ['5 numbered nodes', nodes],
    ['addresses', ['10.0.0.1:8083', '10.0.0.2:8083', '10.0.0.3:8083', '10.0.0.4:8083']],
    ['20 nodes', Array.from({ length: 20 }, (_, index) => `kafka-rest-proxy-${index}`)],
  ])('the fullest of %s has at most 1.15 times the mean', (_, ids) => {
    const counts = new Map<string | undefined, number>()
    for (const owner of owners(ids)) counts.set(owner, (counts.get(owner) ?? 0) + 1)
    expect(counts.size).toBe(ids.length)
    expect(Math.max(...counts.values())).toBeLessThanOrEqual((1.15 * keys.length) / ids.length)
  })

  test('only the keys of a lost node move, each to the next node of its order', () => {
    const before = createRing(nodes)
    const after = createRing(nodes.filter(id => id !== 'node-3'))
    for (const key of keys) {
      const [owner, next] = before.order(key)
      expect(after.order(key)[0]).toBe(owner === 'node-3' ? next : owner)
    }
  })

  test('the order of a key names every node once', () => {
    for (const key of keys.slice(0, 100)) expect([...createRing(nodes).order(key)].sort()).toEqual(nodes)
  })

  test('without nodes there is no order; one node has everything', () => {
    expect(createRing([]).order('g/i')).toEqual([])
    expect(createRing(['only']).order('g/i')).toEqual(['only'])
  })
})
