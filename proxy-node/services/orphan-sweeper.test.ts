import { expect, test } from 'vitest'
import { silentLogger } from '../../shared/observability/logger.ts'
import { MemoryRoutingTable } from '../../shared/routing/memory-routing-table.ts'
import { FaultyRoutingTable } from '../../test/support/faulty-routing-table.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { claimOf, key, member } from '../../test/support/routing-table-samples.ts'
import { OrphanSweeper } from './orphan-sweeper.ts'

const leaseMs = 10_000
const longMs = 1_000_000

/** The placement of a node whose lease has run out, and a sweeper on another node. */
async function setUp() {
  const clock = new ManualClock()
  const table = new MemoryRoutingTable({ clock })
  const network = new FaultyRoutingTable(table)
  await table.renew(member('n1'), 1)
  await table.renew(member('n2'), longMs)
  await table.claim(claimOf('n1', key('i')))
  await clock.advance(1)
  const sweeper = new OrphanSweeper({
    table: network,
    clock,
    log: silentLogger,
    nodeId: 'n2',
    settings: { leaseMs, tombstoneMs: 1, orphansMax: 10, adoptAfterMs: leaseMs },
    removeMember: async () => undefined,
    adopt: async () => false,
  })
  return { clock, table, network, sweeper }
}

test('a holder must be missed for a whole lease', async () => {
  const { clock, sweeper } = await setUp()
  expect(await sweeper.sweep()).toBe(0)
  await clock.advance(leaseMs - 1)
  expect(await sweeper.sweep()).toBe(0)
  await clock.advance(1)
  expect(await sweeper.sweep()).toBe(1)
})

test('time in which the table could not be asked does not count', async () => {
  const { clock, network, sweeper } = await setUp()
  expect(await sweeper.sweep()).toBe(0)
  network.cut()
  expect(await sweeper.sweep()).toBe(0)
  await clock.advance(leaseMs)
  network.mend()
  expect(await sweeper.sweep()).toBe(0)
  await clock.advance(leaseMs)
  expect(await sweeper.sweep()).toBe(1)
})

test('nor does time in which this node was no member itself', async () => {
  const { clock, table, sweeper } = await setUp()
  expect(await sweeper.sweep()).toBe(0)
  await table.leave('n2', member('n2').incarnation)
  expect(await sweeper.sweep()).toBe(0)
  await clock.advance(leaseMs)
  await table.renew(member('n2'), longMs)
  expect(await sweeper.sweep()).toBe(0)
})
