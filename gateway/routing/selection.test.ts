import { describe, expect, test } from 'vitest'
import { createRandom } from '../../shared/random.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { NodeLoad } from './node-load.ts'
import type { KnownNode } from './node-view.ts'
import { Selection } from './selection.ts'

const none: ReadonlySet<string> = new Set()

function node(id: string, more: Partial<KnownNode> = {}): KnownNode {
  const url = `http://${id}:1`
  const known = { id, incarnation: `${id}-run`, url, internalUrl: url, zone: '', draining: false }
  return { ...known, instances: 0, instancesMax: 2000, failover: 'recreate', ...more }
}

function setUp(
  nodes: KnownNode[],
  options: { zone?: string; requestsMax?: number } = {},
  isVouchedFor: (node: KnownNode) => boolean = () => true,
) {
  const clock = new ManualClock()
  const random = createRandom(7)
  const load = new NodeLoad({ clock, random, failuresMax: 5, pauseMs: 1000 })
  const selection = new Selection({
    nodes: () => nodes,
    isVouchedFor,
    load,
    random,
    options: { zone: '', requestsMax: 100, loadPercent: 125, ...options },
  })
  const draw = (count: number) => {
    const counts: Record<string, number> = {}
    for (let index = 0; index < count; index++) {
      const id = selection.stateless(none)?.id ?? 'none'
      counts[id] = (counts[id] ?? 0) + 1
    }
    return counts
  }
  return { clock, load, selection, draw }
}

describe('stateless', () => {
  test('spreads, and of two drawn nodes takes the one with fewer requests in flight', () => {
    const { load, draw } = setUp([node('a'), node('b'), node('c')])
    for (const count of Object.values(draw(300))) expect(count).toBeGreaterThan(60)
    load.begin('a')
    // `a` is never the lesser of two.
    expect(draw(100)).not.toHaveProperty('a')
    load.end('a')
    expect(draw(100)).toHaveProperty('a')
  })

  test('leaves out what drains, is full, or was tried', () => {
    const { load, selection, draw } = setUp([node('a', { draining: true }), node('b'), node('c')], {
      requestsMax: 1,
    })
    load.begin('b')
    expect(draw(20)).toEqual({ c: 20 })
    expect(selection.stateOf(node('b'))).toBe('full')
    expect(selection.stateless(new Set(['c']))?.id).toBe('a')
    expect(selection.stateless(new Set(['a', 'c']))).toBeUndefined()
  })

  test('a node with five failures in a row is left out for a while, but never the last one', async () => {
    const { clock, load, draw } = setUp([node('a'), node('b')])
    for (let index = 0; index < 4; index++) load.failed('a')
    expect(draw(50)).toHaveProperty('a')
    load.failed('a')
    expect(draw(50)).toEqual({ b: 50 })
    for (let index = 0; index < 5; index++) load.failed('b')
    expect(Object.keys(draw(50)).sort()).toEqual(['a', 'b'])
    await clock.advance(1500)
    expect(Object.keys(draw(50)).sort()).toEqual(['a', 'b'])
    // One more failure in the same row leaves it out again; a success ends the row.
    load.failed('a')
    expect(draw(50)).toEqual({ b: 50 })
    await clock.advance(1500)
    load.succeeded('a')
    load.failed('a')
    expect(draw(50)).toHaveProperty('a')
  })

  test('the own zone comes first, while it has an available node', () => {
    const { load, draw } = setUp([node('a', { zone: 'x' }), node('b', { zone: 'y' })], {
      zone: 'x',
      requestsMax: 1,
    })
    expect(draw(20)).toEqual({ a: 20 })
    load.begin('a')
    expect(draw(20)).toEqual({ b: 20 })
    const elsewhere = setUp([node('b', { zone: 'y' }), node('c')], { zone: 'x' })
    expect(Object.keys(elsewhere.draw(50)).sort()).toEqual(['b', 'c'])
  })

  test('without nodes there is none', () => {
    expect(setUp([]).selection.stateless(none)).toBeUndefined()
    expect(setUp([]).selection.forInstance('g/i', none)).toBeUndefined()
    expect(setUp([]).selection.hasNode).toBe(false)
  })

  test('one that nobody vouches for is asked when there is no other, and is no reason to say that there is one', () => {
    const [a, b] = [node('a'), node('b')]
    const { selection, draw } = setUp([a, b], {}, ({ id }) => id === 'b')
    expect([draw(20), selection.hasNode]).toEqual([{ b: 20 }, true])
    const alone = setUp([a], {}, () => false)
    expect(alone.selection.stateOf(a)).toBe('absent')
    expect([alone.draw(20), alone.selection.hasNode]).toEqual([{ a: 20 }, false])
  })
})

describe('forInstance', () => {
  test('is the same on every gateway, and goes on along the ring', () => {
    const ids = ['a', 'b', 'c', 'd']
    const one = setUp(ids.map(id => node(id, { instances: 100 }))).selection
    const two = setUp([...ids].reverse().map(id => node(id, { instances: 100 }))).selection
    for (let index = 0; index < 200; index++) {
      const key = `g/${index}`
      const first = one.forInstance(key, none)
      expect(two.forInstance(key, none)?.id).toBe(first?.id)
      expect(one.inRingOrder(key)[0]?.id).toBe(first?.id)
      const next = one.forInstance(key, new Set([first?.id ?? '']))
      expect(next?.id).toBe(one.inRingOrder(key)[1]?.id)
    }
  })

  test('a node above its share, or at its own limit, is passed over; if all are, the least loaded', () => {
    const nodes = [node('a', { instances: 130 }), node('b', { instances: 90 }), node('c', { instances: 80 })]
    const { selection } = setUp(nodes)
    const chosen = new Set<string | undefined>()
    for (let index = 0; index < 200; index++) chosen.add(selection.forInstance(`g/${index}`, none)?.id)
    expect([...chosen].sort()).toEqual(['b', 'c'])
    const full = setUp(nodes.map(each => ({ ...each, instancesMax: 80 }))).selection
    for (let index = 0; index < 50; index++) expect(full.forInstance(`g/${index}`, none)?.id).toBe('c')
  })

  test('counts what is being and was just created here, until the records show it', () => {
    const { load, selection } = setUp([node('a'), node('b'), node('c')])
    const counts: Record<string, number> = { a: 0, b: 0, c: 0 }
    for (let index = 0; index < 300; index++) {
      const id = selection.forInstance(`g/rest-consumer-${index}`, none)?.id ?? ''
      counts[id] = (counts[id] ?? 0) + 1
      load.reserve(id)
    }
    expect(Math.max(...Object.values(counts))).toBeLessThanOrEqual(126)
    for (const [id, count] of Object.entries(counts))
      for (let index = 0; index < count; index++) load.settle(id, true)
    const records = (share: number) =>
      Object.entries(counts).map(([id, count]) => ({ id, instances: Math.round(count * share) }))
    load.refreshed(records(0))
    expect(load.unseen('a')).toBe(counts['a'])
    load.refreshed(records(1))
    expect(load.unseen('a')).toBe(0)
  })

  test('what a record shows already is not counted twice', () => {
    const { load } = setUp([node('a')])
    load.refreshed([{ id: 'a', instances: 10 }])
    const create = (count: number) => {
      for (let index = 0; index < count; index++) load.reserve('a')
      for (let index = 0; index < count; index++) load.settle('a', true)
    }
    create(5)
    load.refreshed([{ id: 'a', instances: 13 }])
    expect(load.unseen('a')).toBe(2)
    create(4)
    // The two of before, and one of the four.
    load.refreshed([{ id: 'a', instances: 16 }])
    expect(load.unseen('a')).toBe(3)
    load.refreshed([{ id: 'a', instances: 16 }])
    expect(load.unseen('a')).toBe(0)
  })

  test('a creation that failed counts no more', () => {
    const { load } = setUp([node('a')])
    load.reserve('a')
    expect(load.unseen('a')).toBe(1)
    load.settle('a', false)
    expect(load.unseen('a')).toBe(0)
  })
})
