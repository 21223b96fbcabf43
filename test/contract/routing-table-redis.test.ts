import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { freePort } from '../../infra/local/free-port.ts'
import type { LocalRedis } from '../../infra/local/redis.ts'
import { systemClock } from '../../shared/clock.ts'
import { drawIncarnation, drawInstanceName, instanceKey } from '../../shared/ids.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { bucketOf } from '../../shared/routing/buckets.ts'
import { standaloneRedis } from '../../shared/routing/redis-client.ts'
import {
  openRedisRoutingTable,
  type RedisRoutingTableOptions,
} from '../../shared/routing/redis-routing-table.ts'
import {
  type Placement,
  type RoutingTable,
  RoutingTableUnavailable,
} from '../../shared/routing/routing-table.ts'
import { claimOf, member } from '../support/routing-table-samples.ts'
import { startPrivateRedis, uniqueName } from '../support/services.ts'
import { takeoverSpec } from '../support/takeover-spec.ts'
import { until } from '../support/until.ts'

/** What only a Redis of one's own can show: it stops, comes back empty, stands still, or is a replica. */

const key = instanceKey({ group: 'g', instance: 'i' })
let prefix = ''
beforeEach(() => {
  prefix = `{${uniqueName('kafka-rest')}}:`
})

const n1 = member('n1', { incarnation: 'run-1' })

const claim = (of = key) => claimOf('n1', of, { incarnation: 'run-1', expiresAt: Date.now() + 300_000 })

const opened: RoutingTable[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map(table => table.stop()))
})

async function open(
  server: LocalRedis,
  options: Partial<RedisRoutingTableOptions> = {},
): Promise<RoutingTable> {
  const table = await openRedisRoutingTable({
    address: standaloneRedis(server.url),
    keyPrefix: prefix,
    timeoutMs: 5000,
    log: silentLogger,
    clock: systemClock,
    ...options,
  })
  opened.push(table)
  return table
}

/** Counts the calls of a listener. */
function returns(table: RoutingTable): { count: number } {
  const told = { count: 0 }
  table.onReturn(() => {
    told.count += 1
  })
  return told
}

describe('a Redis that fails', () => {
  let server: LocalRedis
  beforeAll(async () => {
    server = await startPrivateRedis()
  })
  afterAll(() => server.stop())
  afterEach(async () => {
    if (!server.process.running) await server.restart()
  })

  test('the table opens without it, refuses while it is away, and tells when it is there', async () => {
    await server.stop()
    const table = await open(server)
    const told = returns(table)
    await expect(table.members()).rejects.toThrow(RoutingTableUnavailable)
    await expect(table.claim(claim())).rejects.toThrow(RoutingTableUnavailable)
    await expect(table.ping()).rejects.toThrow(RoutingTableUnavailable)
    await server.restart()
    await until('the table to tell of its return', () => told.count > 0)
    expect((await table.members()).members).toEqual([])
  })

  test('a table that is stopped while Redis is away stops', async () => {
    await server.stop()
    const table = await open(server)
    await table.stop()
    await expect(table.members()).rejects.toThrow(RoutingTableUnavailable)
  })

  test('requests under way fail when it dies, and what came back empty has another birth id', async () => {
    const table = await open(server)
    const told = returns(table)
    const { birth } = await table.members()
    await table.renew(n1, 60_000)
    const { token } = (await table.claim(claim())) as { token: number }
    const under = Promise.allSettled(Array.from({ length: 50 }, () => table.find(key)))
    await server.kill()
    for (const result of await under)
      if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(RoutingTableUnavailable)
    await expect(table.find(key)).rejects.toThrow(RoutingTableUnavailable)
    await server.restart()
    await until('the table to tell of its return', () => told.count > 0)
    expect((await table.members()).birth).not.toBe(birth)
    expect(await table.find(key)).toEqual({ placement: undefined, gone: undefined })
    // The scripts went with it too; the next use sends them again. Tokens go on growing.
    await table.renew(n1, 60_000)
    expect(await table.claim(claim())).toMatchObject({ outcome: 'claimed' })
    const { placement } = await table.find(key)
    expect(placement?.token).toBeGreaterThan(token)
  })

  test('FLUSHALL is noticed by the birth id with the next answer', async () => {
    const table = await open(server)
    const told = returns(table)
    const before = await table.members()
    await table.renew(n1, 60_000)
    const { token } = (await table.claim(claim())) as { token: number }
    const client = new Redis(server.url)
    await client.flushall()
    await client.quit()
    expect(told.count).toBe(0)
    const after = await table.members()
    expect(after.birth).not.toBe(before.birth)
    expect(told.count).toBe(1)
    await table.renew(n1, 60_000)
    const again = (await table.claim(claim())) as { token: number }
    expect(again.token).toBeGreaterThan(token)
  })

  test('while it stands still, requests are refused after the time-out, and beyond the bound at once', async () => {
    const table = await open(server, { timeoutMs: 100, requestsMax: 5, checkIntervalMs: 20 })
    // On a busy machine the first answer may take longer than that.
    await until('the table to be reached', () => table.ping().then(() => true))
    const told = returns(table)
    server.process.signal('SIGSTOP')
    try {
      const results = await Promise.allSettled(Array.from({ length: 20 }, () => table.find(key)))
      const reasons = results.map(result => (result.status === 'rejected' ? result.reason : result.value))
      for (const reason of reasons) expect(reason).toBeInstanceOf(RoutingTableUnavailable)
      expect(reasons.filter(reason => `${reason}`.includes('too many'))).toHaveLength(15)
    } finally {
      server.process.signal('SIGCONT')
    }
    await until('the table to tell of its return', () => told.count > 0)
    await until('requests to be answered', async () => (await table.find(key)).placement === undefined)
  })

  test('a claim that arrives after its time-out is refused once a renewal has passed', async () => {
    const table = await open(server)
    await table.renew(n1, 60_000)
    const impatient = await open(server, { timeoutMs: 50 })
    // On a busy machine the first answer may take longer than that.
    await until('the table to be reached', () => impatient.ping().then(() => true))
    server.process.signal('SIGSTOP')
    let late: Promise<unknown>
    let renewed: Promise<unknown>
    try {
      late = impatient.claim(claim())
      await expect(late).rejects.toThrow(RoutingTableUnavailable)
      renewed = table.renew(n1, 60_000, 1)
    } finally {
      server.process.signal('SIGCONT')
    }
    await renewed
    // Whichever of the two Redis reads first: an older session never gets in after the renewal.
    const { placement } = await table.find(key)
    if (placement) await table.release(key, placement, 'deleted', 1)
    await until('the old connection to be read', async () => (await impatient.ping()) === undefined)
    expect(await table.claim(claim())).toEqual({ outcome: 'late' })
  })

  test('a replica refuses writes: unavailable, and told when it is the primary again', async () => {
    const table = await open(server)
    const told = returns(table)
    await table.renew(n1, 60_000)
    const client = new Redis(server.url)
    await client.replicaof('127.0.0.1', '1')
    await expect(table.renew(n1, 60_000)).rejects.toThrow(RoutingTableUnavailable)
    await client.replicaof('NO', 'ONE')
    await client.quit()
    await until('the table to tell of its return', () => told.count > 0)
    await until('renewals to pass', async () => (await table.renew(n1, 60_000)).outcome === 'renewed')
  })
})

test('a new replication id is noticed on a connection that stays', async () => {
  const server = await startPrivateRedis({ config: ['enable-debug-command yes'] })
  try {
    const table = await open(server, { checkIntervalMs: 20 })
    const told = returns(table)
    const { birth } = await table.members()
    const client = new Redis(server.url)
    // Until one check has seen the id before, a change cannot show: change it until one is told.
    await until('the table to tell of it', async () => {
      await client.call('DEBUG', 'CHANGE-REPL-ID')
      return told.count > 0
    })
    await client.quit()
    expect((await table.members()).birth).toBe(birth)
  } finally {
    await server.stop()
  }
})

test('all keys of all scripts are in one slot: everything works on a Redis in cluster mode', async () => {
  const server = await startPrivateRedis({
    config: [
      'cluster-enabled yes',
      'cluster-require-full-coverage no',
      // By default it is 10,000 beyond its port, which somebody else may have.
      `cluster-port ${await freePort()}`,
    ],
  })
  const client = new Redis(server.url)
  try {
    await client.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
    await until('the cluster to be up', async () =>
      `${await client.call('CLUSTER', 'INFO')}`.includes('cluster_state:ok'),
    )
    const table = await open(server)
    await table.renew(n1, 60_000)
    const keys = Array.from({ length: 20 }, (_, index) => instanceKey({ group: 'g', instance: `i-${index}` }))
    const placements: Placement[] = []
    for (const each of keys) {
      await table.claim(claim(each))
      const { placement } = await table.find(each)
      if (placement) placements.push(placement)
    }
    const [first, second] = placements
    if (!first || !second) throw new Error('no placements')
    expect(await table.reassert(placements)).toMatchObject({ outcome: 'asserted', lost: [] })
    expect(await table.update(first.key, first, { spec: 'x' })).toBe(true)
    expect(await table.release(first.key, first, 'deleted', 1000)).toBe(true)
    await table.retire('n1', 'run-1', 1000)
    expect(await table.list({ node: 'n1' }, 100)).toHaveLength(19)
    expect(await table.orphans(bucketOf(second.key), 100)).toContainEqual(second)
    expect(await table.removeOrphan(second, 1000)).toBe(true)
    const [third] = placements.slice(2)
    await table.renew({ ...n1, id: 'n2', incarnation: 'run-2' }, 60_000)
    const proof = { ...claim(third?.key), node: 'n2', incarnation: 'run-2', replaces: third }
    expect(await table.claim({ ...proof, deathProved: { markMs: 1000 } })).toMatchObject({
      outcome: 'claimed',
    })
    await table.leave('n2', 'run-2')
    const slots = await Promise.all((await client.keys('*')).map(each => client.cluster('KEYSLOT', each)))
    expect(new Set(slots).size).toBe(1)
  } finally {
    client.disconnect()
    await server.stop()
  }
})

test('records that cannot be read are left out, counted, and written over', async () => {
  const server = await startPrivateRedis()
  const client = new Redis(server.url)
  try {
    const bad: string[] = []
    const table = await open(server, { onBadRecord: kind => bad.push(kind) })
    await table.renew(n1, 60_000)
    const leaseUntil = Date.now() + 60_000
    const json = (change: object) => JSON.stringify({ ...n1, id: 'x', ...change })
    const records = [
      'not json',
      '[]',
      json({ url: 'http://evil:1/path' }),
      json({ internalUrl: 'http://user:pass@evil:1' }),
      json({ url: 'file:///etc/passwd' }),
      json({ instances: -1 }),
      json({ state: 'odd' }),
      json({ zone: 'z'.repeat(10_000) }),
      json({ id: '' }),
    ]
    for (const [index, record] of records.entries())
      await client.hset(`${prefix}members`, `bad-${index}`, `${leaseUntil} 0 run ${record}`)
    await client.hset(`${prefix}members`, 'garbage', 'nothing of the kind')
    expect((await table.members()).members).toEqual([n1])
    expect(bad).toEqual(records.map(() => 'member'))
    expect(await table.renew({ ...n1, id: 'bad-0', incarnation: 'mine' }, 60_000)).toMatchObject({
      outcome: 'taken',
    })

    bad.length = 0
    for (const garbage of ['garbage', '', '1 2 r', '99999999999999999999 1 r n i spec', '1 2 q n i spec']) {
      await client.hset(`${prefix}p:${bucketOf(key)}`, key, garbage)
      expect(await table.find(key)).toMatchObject({ placement: undefined })
      expect(await table.claim(claim())).toMatchObject({ outcome: 'claimed', replaced: undefined })
    }
    await client.hset(`${prefix}p:${bucketOf(key)}`, key, '5 6 r %zz run spec')
    expect(await table.find(key)).toMatchObject({ placement: undefined })
    expect(bad).toEqual(['placement'])
  } finally {
    client.disconnect()
    await server.stop()
  }
})

test('what nobody refreshes leaves Redis by itself', async () => {
  const server = await startPrivateRedis()
  const client = new Redis(server.url)
  try {
    const table = await open(server)
    await table.renew(n1, 60_000)
    await table.claim(claim())
    await table.retire('n9', 'run-9', 60_000)
    const dayMs = 86_400_000
    for (const each of await client.keys(`${prefix}*`)) {
      if (each === `${prefix}birth`) continue
      const ttl = await client.pttl(each)
      expect(ttl, each).toBeGreaterThan(0)
      // A day beyond the last expiry: the sample's is in an hour.
      expect(ttl, each).toBeLessThanOrEqual(dayMs + 3_600_000)
    }
  } finally {
    client.disconnect()
    await server.stop()
  }
})

test('each of 100,000 placements costs less than 400 bytes of Redis memory, with all that a takeover needs', async () => {
  const server = await startPrivateRedis()
  const client = new Redis(server.url)
  try {
    const table = await open(server)
    const nodes = Array.from({ length: 50 }, (_, index) =>
      member(`node-${index}`, { incarnation: drawIncarnation() }),
    )
    for (const node of nodes) await table.renew(node, 600_000)
    const used = async () => Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1])
    const before = await used()
    const count = 100_000
    let longest = 0
    for (let start = 0; start < count; start += 50) {
      const { id, incarnation } = nodes[(start / 50) % nodes.length] ?? n1
      const batch = Array.from({ length: 50 }, (_, index) => {
        const ref = { group: 'order-service', instance: drawInstanceName('gw-1') }
        const spec = takeoverSpec(ref)
        longest = Math.max(longest, spec.length)
        const token = Date.now() * 1000 + start + index
        const rest = { expiresAt: Date.now() + 300_000, failover: 'takeover', spec } as const
        return { key: instanceKey(ref), node: id, incarnation, token, ...rest }
      })
      expect(await table.reassert(batch)).toMatchObject({ outcome: 'asserted', lost: [] })
    }
    const bytes = ((await used()) - before) / count
    console.info(`Redis memory for each placement: ${Math.round(bytes)} bytes (spec: up to ${longest})`)
    expect(bytes).toBeLessThan(400)
  } finally {
    client.disconnect()
    await server.stop()
  }
}, 120_000)
