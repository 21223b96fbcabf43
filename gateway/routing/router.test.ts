import { expect, test } from 'vitest'
import { silentLogger } from '../../shared/observability/logger.ts'
import { MemoryRoutingTable } from '../../shared/routing/memory-routing-table.ts'
import { type Found, type Member, RoutingTableUnavailable } from '../../shared/routing/routing-table.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { claimOf, key, member } from '../../test/support/routing-table-samples.ts'
import { noMeter } from '../metrics.ts'
import { DeathCheck } from './death-check.ts'
import { NodeLoad } from './node-load.ts'
import type { NodeQuestions } from './node-questions.ts'
import { NodeView } from './node-view.ts'
import { PlacementCache } from './placement-cache.ts'
import { Router } from './router.ts'
import { Selection } from './selection.ts'

const ref = { group: 'g', instance: 'i' }

/** Its look-ups see the table as it is when they are asked, and answer when the test lets them. */
class SlowTable extends MemoryRoutingTable {
  cut = false
  readonly #answers: (() => void)[] = []

  get waiting(): number {
    return this.#answers.length
  }

  override async find(wanted: string): Promise<Found> {
    if (this.cut) throw new RoutingTableUnavailable('cut off')
    const found = await super.find(wanted)
    await new Promise<void>(resolve => this.#answers.push(resolve))
    return found
  }

  /** Answers the oldest look-up that waits, and lets whoever asked go on. */
  async answer(): Promise<void> {
    const [next] = this.#answers.splice(0, 1)
    if (next === undefined) throw new Error('no look-up waits')
    next()
    await settled()
  }
}

const settled = () => new Promise(resolve => setImmediate(resolve))

async function setUp(failover: Member['failover'] = 'recreate') {
  const clock = new ManualClock()
  const table = new SlowTable({ clock })
  for (const id of ['node-1', 'node-2']) await table.renew(member(id, { failover }), 60_000)
  const view = new NodeView({
    table,
    staticNodes: new Map(),
    allowed: [],
    verify: async () => true,
    refreshMs: 1000,
    leaseMs: 5000,
    clock,
    log: silentLogger,
    meter: noMeter,
  })
  await view.refresh()
  const random = () => 0
  const load = new NodeLoad({ clock, random, failuresMax: 5, pauseMs: 1000 })
  const options = { zone: '', requestsMax: 1000, loadPercent: 125 }
  const selection = new Selection({
    nodes: () => view.nodes(),
    isVouchedFor: () => true,
    load,
    random,
    options,
  })
  const questions: NodeQuestions = {
    // node-2 is dead.
    identity: async ({ id }) =>
      id === 'node-2' ? { outcome: 'refused' } : { outcome: 'identity', id, incarnation: `${id}-1` },
    holds: async ({ id }) => (id === 'node-2' ? undefined : false),
    findsDead: async (_, suspect) => suspect.id === 'node-2',
    takeOver: async () => ({ outcome: 'refused' }),
  }
  const deaths = new DeathCheck({ view, questions, refusedIsDead: true, meter: noMeter })
  const cache = new PlacementCache(10, clock)
  const router = new Router({ table, view, cache, selection, load, questions, deaths, meter: noMeter })
  return { table, router }
}

test('what was missing before a request came may have been created since: the request looks for itself', async () => {
  const { table, router } = await setUp()
  const early = router.locate(ref)
  await settled()
  await table.claim(claimOf('node-1', key('i')))
  const created = router.locate(ref)
  await table.answer()
  expect(await early).toMatchObject({ at: 'gone' })
  await table.answer()
  expect(await created).toMatchObject({ at: 'node', node: { id: 'node-1' } })
  expect(table.waiting).toBe(0)
})

test('requests that wait for a look-up which began before them share the next one', async () => {
  const { table, router } = await setUp()
  const early = router.locate(ref)
  await settled()
  const later = [router.locate(ref), router.locate(ref), router.relocate(ref)]
  await table.answer()
  expect(await early).toMatchObject({ at: 'gone' })
  expect(table.waiting).toBe(1)
  await table.answer()
  expect(await Promise.all(later)).toMatchObject([{ at: 'gone' }, { at: 'gone' }, { at: 'gone' }])
  expect(table.waiting).toBe(0)
})

test('a request whose node said no does not believe a look-up that began before it asked', async () => {
  const { table, router } = await setUp()
  const first = await table.claim(claimOf('node-1', key('i')))
  const early = router.locate(ref)
  await settled()
  if (first.outcome !== 'claimed') throw new Error('not claimed')
  const held = { node: 'node-1', incarnation: 'node-1-1', token: first.token }
  await table.release(key('i'), held, 'deleted', 60_000)
  await table.claim(claimOf('node-2', key('i')))
  const moved = router.relocate(ref)
  await table.answer()
  expect(await early).toMatchObject({ at: 'node', node: { id: 'node-1' } })
  await table.answer()
  expect(await moved).toMatchObject({ at: 'node', node: { id: 'node-2' } })
})

test('a client that goes away while it waits for an older look-up stops waiting', async () => {
  const { table, router } = await setUp()
  const early = router.locate(ref)
  await settled()
  const client = new AbortController()
  const leaving = router.relocate(ref, client.signal)
  client.abort(new Error('gone'))
  await expect(leaving).rejects.toThrow('gone')
  await table.answer()
  expect(await early).toMatchObject({ at: 'gone' })
  expect(table.waiting).toBe(0)
})

test.each([
  ['recreate', 'gone'],
  ['takeover', 'unknown'],
] as const)(
  'without the table and with a dead node, what nobody holds is in %s mode %s',
  async (failover, at) => {
    const { table, router } = await setUp(failover)
    table.cut = true
    expect(await router.locate(ref)).toMatchObject({ at })
    // The death is known by now, and the node is not asked any more.
    expect(await router.locate(ref)).toMatchObject({ at })
  },
)

test('a dead node says nothing against an absence that the table tells itself', async () => {
  const { table, router } = await setUp('takeover')
  const located = router.locate(ref)
  await settled()
  await table.answer()
  expect(await located).toMatchObject({ at: 'gone' })
})
