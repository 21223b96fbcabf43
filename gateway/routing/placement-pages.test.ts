import { beforeEach, expect, test } from 'vitest'
import { RestError } from '../../shared/errors/rest-error.ts'
import { instanceKey } from '../../shared/ids.ts'
import { MemoryRoutingTable } from '../../shared/routing/memory-routing-table.ts'
import { RoutingTableUnavailable } from '../../shared/routing/routing-table.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { claimOf, member } from '../../test/support/routing-table-samples.ts'
import { type PlacementFilter, placementPage } from './placement-pages.ts'

let table: MemoryRoutingTable
const clock = new ManualClock()

beforeEach(async () => {
  table = new MemoryRoutingTable({ clock })
  for (const id of ['n1', 'n2']) await table.renew(member(id), 5000)
  for (let index = 0; index < 300; index++) {
    const node = index % 3 === 0 ? 'n1' : 'n2'
    const key = instanceKey({ group: `g/${index % 2}`, instance: `i ${index}` })
    await table.claim(claimOf(node, key, { expiresAt: clock.now() + 60_000 }))
  }
})

async function keysOf(filter: PlacementFilter, limit: number): Promise<string[]> {
  const keys: string[] = []
  for (let after: string | undefined; ; ) {
    const page = await placementPage(table, filter, { limit, after })
    expect(page.placements.length).toBeLessThanOrEqual(limit)
    keys.push(...page.placements.map(({ key }) => key))
    if (page.next === undefined) return keys
    expect(page.placements).toHaveLength(limit)
    after = page.next
  }
}

test.each([1, 7, 100, 300, 1000])('pages of %i have every placement once', async limit => {
  const keys = await keysOf({}, limit)
  expect(keys).toHaveLength(300)
  expect(new Set(keys).size).toBe(300)
})

test('of a node, of a group, of both', async () => {
  expect(await keysOf({ node: 'n1' }, 9)).toHaveLength(100)
  expect(await keysOf({ group: 'g/1' }, 9)).toHaveLength(150)
  expect(await keysOf({ node: 'n1', group: 'g/1' }, 9)).toHaveLength(50)
  expect(await keysOf({ group: 'g' }, 9)).toEqual([])
})

test('a placement whose node is gone is an orphan', async () => {
  await table.leave('n1', 'n1-1')
  const { placements } = await placementPage(table, {}, { limit: 300, after: undefined })
  for (const { node, ownerAlive } of placements) expect(ownerAlive).toBe(node === 'n2')
})

test('without a table, or while it is away, there is no list', async () => {
  const page = { limit: 1, after: undefined }
  const row = (error: unknown) => (error instanceof RestError ? error.row : error)
  expect(await placementPage(undefined, {}, page).catch(row)).toBe('routingTableUnreachable')
  table.members = () => Promise.reject(new RoutingTableUnavailable('away'))
  expect(await placementPage(table, {}, page).catch(row)).toBe('routingTableUnreachable')
  expect(await placementPage(table, {}, { limit: 1, after: 'x' }).catch(row)).toBe('validation')
})
