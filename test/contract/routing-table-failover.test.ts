import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { openRedisRoutingTable } from '../../shared/routing/redis-routing-table.ts'
import type { RoutingTable } from '../../shared/routing/routing-table.ts'
import { type ShapedRedis, startClusterRedis, startSentinelRedis } from '../support/redis-shapes.ts'
import { claimOf, key, member } from '../support/routing-table-samples.ts'
import { uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

describe.each([
  ['Sentinels name another primary', startSentinelRedis],
  ['a Cluster has another primary', startClusterRedis],
])('when %s', (_, start) => {
  let redis: ShapedRedis
  let table: RoutingTable
  beforeAll(async () => {
    redis = await start()
    table = await openRedisRoutingTable({
      address: redis.address,
      keyPrefix: `{${uniqueName('failover')}}:`,
      timeoutMs: 2000,
      checkIntervalMs: 100,
      log: silentLogger,
      clock: systemClock,
    })
  }, 60_000)
  afterAll(async () => {
    await table?.stop()
    await redis?.stop()
  })

  test('the table goes on there, tells that it may have lost data, and tokens only grow', async () => {
    await table.renew(member('n1'), 300_000)
    const before = await table.claim(claimOf('n1', key('i')))
    let told = 0
    table.onReturn(() => {
      told += 1
    })
    await redis.failOver?.()
    await until('the table to be reached again', () => table.ping().then(() => true), { timeoutMs: 60_000 })
    await until('listeners to be told', () => told > 0, { timeoutMs: 60_000 })
    // What the replica had got stays; what it had not is written again by those who hold it.
    expect((await table.renew(member('n1'), 300_000)).outcome).toBe('renewed')
    const again = await table.claim(claimOf('n1', key('j')))
    expect([before.outcome, again.outcome]).toEqual(['claimed', 'claimed'])
    if (before.outcome === 'claimed' && again.outcome === 'claimed')
      expect(again.token).toBeGreaterThan(before.token)
    const { placement } = await table.find(key('i'))
    expect(placement).toMatchObject({ node: 'n1', incarnation: 'n1-1' })
  })
})
