import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../shared/observability/logger.ts'
import { MemoryRoutingTable } from '../../shared/routing/memory-routing-table.ts'
import { type Member, RoutingTableUnavailable } from '../../shared/routing/routing-table.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import type { GatewayMeter } from '../metrics.ts'
import { NodeView } from './node-view.ts'

const lease = 5000

class CutTable extends MemoryRoutingTable {
  cut = false

  override async members() {
    if (this.cut) throw new RoutingTableUnavailable('cut off')
    return super.members()
  }
}

function member(id: string, more: Partial<Member> = {}): Member {
  const url = `http://${id}:8083`
  const facts = { id, incarnation: `${id}-run`, url, internalUrl: url, zone: '', state: 'active' } as const
  return { ...facts, instances: 0, instancesMax: 10, failover: 'recreate', signature: 'good', ...more }
}

async function setUp(options: { static?: [string, string][]; allowed?: string[] } = {}) {
  const clock = new ManualClock()
  const table = new CutTable({ clock })
  const skipped: unknown[] = []
  const meter: GatewayMeter = {
    count: (name, labels) => {
      if (name === 'kafka_rest_gateway_members_skipped_total') skipped.push(labels?.['reason'])
    },
    observe: () => {},
    set: () => {},
  }
  const view = new NodeView({
    table,
    staticNodes: new Map(options.static ?? []),
    allowed: options.allowed ?? [],
    verify: async record => record.signature === 'good',
    refreshMs: 1000,
    leaseMs: lease,
    clock,
    log: silentLogger,
    meter,
  })
  const dropped: string[] = []
  view.onDropped(node => dropped.push(node.id))
  const ids = () =>
    view
      .nodes()
      .map(node => node.id)
      .sort()
  return { clock, table, view, ids, dropped, skipped }
}

describe('NodeView', () => {
  test('follows the members: each second, and at once when asked', async () => {
    const { clock, table, view, ids } = await setUp()
    await table.renew(member('a'), lease)
    await view.start()
    expect(ids()).toEqual(['a'])
    await table.renew(member('b'), lease)
    await clock.advance(1000)
    expect(ids()).toEqual(['a', 'b'])
    await table.leave('a', 'a-run')
    await clock.advance(lease)
    await table.renew(member('b'), lease)
    await view.refresh()
    expect(ids()).toEqual(['b'])
    await view.stop()
    await table.renew(member('c'), lease)
    await clock.advance(5000)
    expect(ids()).toEqual(['b'])
  })

  test('keeps what it knows while the table is away, and for a lease after it returned', async () => {
    const { clock, table, view, ids, dropped } = await setUp()
    await table.renew(member('a'), lease)
    await view.start()
    await clock.advance(lease - 1)
    expect(view.settled).toBe(false)
    await table.renew(member('a'), lease)
    await clock.advance(1001)
    expect(view.settled).toBe(true)
    table.cut = true
    await clock.advance(60_000)
    expect([ids(), view.settled]).toEqual([['a'], false])
    expect(view.ageMs).toBeGreaterThanOrEqual(60_000)
    table.cut = false
    await clock.advance(1000)
    // Its lease ran out long ago in the table's eyes, but that may be the outage's doing.
    expect(ids()).toEqual(['a'])
    await clock.advance(lease + 1000)
    expect([ids(), dropped, view.settled]).toEqual([[], ['a'], true])
  })

  test('a table that came back empty is not believed for a lease', async () => {
    const { clock, table, view, ids } = await setUp()
    await table.renew(member('a'), 1e9)
    await view.start()
    await clock.advance(lease)
    expect(view.settled).toBe(true)
    table.clear()
    await clock.advance(0)
    expect([ids(), view.settled]).toEqual([['a'], false])
    await table.renew(member('a'), 1e9)
    await clock.advance(lease + 1000)
    expect([ids(), view.settled]).toEqual([['a'], true])
  })

  test('a new incarnation of an id takes the place of the old one', async () => {
    const { clock, table, view, dropped } = await setUp()
    await table.renew(member('a'), lease)
    await view.start()
    expect(view.holder({ node: 'a', incarnation: 'a-run' })?.id).toBe('a')
    await table.leave('a', 'a-run')
    await table.renew(member('a', { incarnation: 'second' }), lease)
    await clock.advance(1000)
    expect(view.holder({ node: 'a', incarnation: 'a-run' })).toBeUndefined()
    expect(view.holder({ node: 'a', incarnation: 'second' })?.id).toBe('a')
    expect(dropped).toEqual(['a'])
  })

  test('a node that drained before it left is not told as dropped', async () => {
    const { clock, table, view, ids, dropped } = await setUp()
    await table.renew(member('a'), 1e9)
    await view.start()
    await clock.advance(lease)
    await table.renew(member('a', { state: 'draining' }), 1e9)
    await clock.advance(1000)
    expect(view.find('a')?.draining).toBe(true)
    await table.leave('a', 'a-run')
    await clock.advance(1000)
    expect([ids(), dropped]).toEqual([[], []])
  })

  test('a dead incarnation is out at once, and told as dropped; its successor is not', async () => {
    const { clock, table, view, ids, dropped } = await setUp()
    await table.renew(member('a'), 1e9)
    await view.start()
    view.markDead('a-run')
    expect([ids(), dropped, view.isDead('a-run')]).toEqual([[], ['a'], true])
    await clock.advance(1000)
    expect(ids()).toEqual([])
    await table.leave('a', 'a-run')
    await table.renew(member('a', { incarnation: 'second' }), 1e9)
    await clock.advance(1000)
    expect(ids()).toEqual(['a'])
    await clock.advance(10 * lease)
    expect(view.isDead('a-run')).toBe(false)
  })

  test('records that are malformed, not allowed or not signed are skipped, and each counted once', async () => {
    const { clock, table, view, ids, skipped } = await setUp({ allowed: ['*.internal'] })
    const at = (host: string) => ({ url: `http://${host}:1`, internalUrl: `http://${host}:1` })
    await table.renew(member('good', at('good.internal')), 1e9)
    await table.renew(member('path', { ...at('path.internal'), url: 'http://path.internal:1/x' }), 1e9)
    await table.renew(member('outside', at('outside')), 1e9)
    await table.renew(member('forged', { ...at('forged.internal'), signature: 'bad' }), 1e9)
    await view.start()
    await clock.advance(5000)
    expect(ids()).toEqual(['good'])
    expect(skipped.sort()).toEqual(['not-allowed', 'signature', 'url'])
  })

  test('the static list serves while the table cannot be read or knows of nobody', async () => {
    const { clock, table, view, ids } = await setUp({ static: [['s', 'http://s:1']] })
    table.cut = true
    await view.start()
    expect(ids()).toEqual(['s'])
    expect(view.find('s')?.incarnation).toBeUndefined()
    const vouched = () =>
      view
        .nodes()
        .filter(node => view.isVouchedFor(node))
        .map(({ id }) => id)
    expect(vouched()).toEqual(['s'])
    table.cut = false
    await table.renew(member('a'), 1e9)
    await clock.advance(1000)
    expect(ids()).toEqual(['a', 's'])
    expect(vouched()).toEqual(['a'])
    await clock.advance(lease)
    expect(ids()).toEqual(['a'])
    await table.leave('a', 'a-run')
    await clock.advance(1000)
    expect(ids()).toEqual(['s'])
    expect(vouched()).toEqual([])
  })
})
