import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { LocalRedis } from '../../infra/local/redis.ts'
import type { LocalTier } from '../../infra/local/tier.ts'
import { systemClock } from '../../shared/clock.ts'
import { instanceKey } from '../../shared/ids.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { standaloneRedis } from '../../shared/routing/redis-client.ts'
import { openRedisRoutingTable } from '../../shared/routing/redis-routing-table.ts'
import { ConsumerClient } from '../support/consumer-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { type Deployment, newDeployment, startGateway, startNode } from '../support/processes.ts'
import { ProduceLoad } from '../support/produce-load.ts'
import { kafkaAddress, startPrivateRedis, uniqueName } from '../support/services.ts'
import { TcpRelay } from '../support/tcp-relay.ts'
import { metricOf, metricSum, ReadyWatch } from '../support/tier-watch.ts'
import { until } from '../support/until.ts'

// Only bounds a failing test: many processes on a busy machine.

const delayMs = 6000
const settings = {
  // Renewed each second; a busy machine may keep a node from it for a few.
  'lease.ms': 6000,
  'redis.timeout.ms': 500,
  'access.log.enable': false,
  // Without the table a node asks the others for a name; one that a busy machine keeps from answering counts as a no.
  'node.question.timeout.ms': 10_000,
}

let redis: LocalRedis
let relay: TcpRelay
let deployment: Deployment
const nodes: LocalTier[] = []
const gateways: LocalTier[] = []
let topic: string

beforeAll(async () => {
  redis = await startPrivateRedis()
  relay = await TcpRelay.start(redis.address)
  deployment = newDeployment({ redisUrl: `redis://127.0.0.1:${relay.port}` })
  nodes.push(...(await Promise.all(['node-1', 'node-2'].map(id => startNode(deployment, id, settings)))))
  gateways.push(...(await Promise.all(['gw-1', 'gw-2'].map(id => startGateway(deployment, id, settings)))))
})

beforeEach(async () => {
  relay.pass()
  topic = uniqueName('t')
  await createTopic(kafkaAddress(), topic)
  await until('both gateways to know both nodes', async () => {
    const known = gateways.map(each => metricOf(each, 'kafka_rest_gateway_members{state="available"}'))
    return (await Promise.all(known)).every(count => count === 2)
  })
})

afterAll(async () => {
  await Promise.all([...gateways, ...nodes].map(tier => tier.kill()))
  await relay?.stop()
  await redis?.stop()
})

/** Six consumers at the end of the topic, created through both gateways. */
async function consumers(prefix: string): Promise<ConsumerClient[]> {
  return Promise.all(
    Array.from({ length: 6 }, async (_, index) => {
      const url = gateways[index % 2]?.url ?? ''
      // Each read is to bring something, and ends as soon as it does.
      const client = await ConsumerClient.create(url, uniqueName('g'), `${prefix}-${index}`, {
        'consumer.request.timeout.ms': 30_000,
      })
      expect((await client.assign([topic, 0])).status).toBe(204)
      return client
    }),
  )
}

/** The same instance through another gateway. */
const through = (gateway: LocalTier | undefined, { group, name }: ConsumerClient) =>
  new ConsumerClient(gateway?.url ?? '', group, name)

/** Reads until something comes: what was written since the last read. */
async function works(client: ConsumerClient): Promise<void> {
  expect((await client.take(1)).length).toBeGreaterThan(0)
  expect((await client.commit()).status).toBe(200)
}

/** Which of the nodes say that they hold the instance, asked directly. */
async function holders({ base, group, name }: ConsumerClient): Promise<string[]> {
  const held = nodes.map(async ({ id, url }) => {
    const direct = new ConsumerClient(url, group, name)
    const { status } = await direct.call('GET', `${base}/subscription`)
    direct.close()
    return status === 200 ? [id] : []
  })
  return (await Promise.all(held)).flat()
}

/** The node of each placement in the table, asked past the relay. */
async function placedAt(clients: readonly ConsumerClient[]): Promise<(string | undefined)[]> {
  const table = await openRedisRoutingTable({
    address: standaloneRedis(redis.url),
    keyPrefix: deployment.keyPrefix,
    timeoutMs: 5000,
    clock: systemClock,
    log: silentLogger,
  })
  const found = clients.map(({ group, name }) => table.find(instanceKey({ group, instance: name })))
  const nodesOf = (await Promise.all(found)).map(({ placement }) => placement?.node)
  await table.stop()
  return nodesOf
}

/** Waits until the table says of every instance what is true: one node holds it, and it is that one. */
async function untilPlaced(clients: readonly ConsumerClient[]): Promise<void> {
  const held = await Promise.all(clients.map(holders))
  expect(held.map(({ length }) => length)).toEqual(clients.map(() => 1))
  await until('the table to know every instance', async () => {
    const placed = await placedAt(clients)
    return placed.every((node, index) => node === held[index]?.[0])
  })
}

async function untilTableIsAway(): Promise<void> {
  const unreachable = () =>
    Promise.all(
      nodes.map(node => metricOf(node, 'kafka_rest_node_lease_renewals_total{outcome="unreachable"}')),
    )
  const before = await unreachable()
  // Seven renewals, one a second: by then every lease has run out.
  await until('the nodes to have noticed', async () =>
    (await unreachable()).every((count, index) => count >= (before[index] ?? 0) + 7),
  )
}

describe('Redis', () => {
  test(`that takes ${delayMs} ms for an answer holds up no request longer than redis.timeout.ms`, async () => {
    const clients = await consumers('slow')
    const load = ProduceLoad.start({ topic, url: () => gateways[0]?.url ?? '', clients: 2 })
    const watches = [...gateways, ...nodes].map(tier => new ReadyWatch(tier))
    await Promise.all(clients.map(works))
    const waits: Record<string, number[]> = { read: [], commit: [], create: [], produce: [] }
    const timed = async <T>(kind: string, work: () => Promise<T>): Promise<T> => {
      const startedAt = performance.now()
      const result = await work()
      waits[kind]?.push(performance.now() - startedAt)
      return result
    }
    const created: ConsumerClient[] = []
    const round = async (name: string) => {
      for (const [index, client] of clients.entries()) {
        for (const gateway of gateways) {
          const other = through(gateway, client)
          const read = await timed('read', () => other.read())
          expect([read.status, read.text === '[]'], read.text).toEqual([200, false])
          expect((await timed('commit', () => other.commit())).status).toBe(200)
          const acknowledged = load.acknowledged.size
          await timed('produce', () => until('a produce', () => load.acknowledged.size > acknowledged))
          other.close()
        }
        const url = gateways[index % 2]?.url ?? ''
        created.push(
          await timed('create', () => ConsumerClient.create(url, uniqueName('g'), `${name}-${index}`)),
        )
      }
    }
    relay.delay(delayMs)
    await round('first')
    await untilTableIsAway()
    await round('later')
    relay.pass()
    await untilPlaced([...clients, ...created])
    await load.stop()
    await Promise.all(watches.map(watch => watch.stop()))
    expect([load.refused, [...load.unanswered]]).toEqual([[], []])
    expect(watches.map(({ said }) => said.map(({ status }) => status))).toEqual(watches.map(() => [200]))
    for (const [kind, times] of Object.entries(waits)) {
      const sorted = times.sort((left, right) => left - right)
      const [median = 0, most = 0] = [sorted[sorted.length >> 1], sorted.at(-1)]
      console.info(
        `Redis takes ${delayMs} ms: ${kind} ${Math.round(median)} ms, at most ${Math.round(most)} ms`,
      )
      // Whoever waits for Redis itself takes longer than Redis does.
      expect(median).toBeLessThan(delayMs)
    }
    for (const client of [...clients, ...created]) {
      expect((await client.delete()).status).toBe(204)
      client.close()
    }
  })

  test('that is gone stops nothing; back and empty, it is told everything again', async () => {
    const clients = await consumers('gone')
    const load = ProduceLoad.start({ topic, url: () => gateways[0]?.url ?? '', clients: 2 })
    const watches = [...gateways, ...nodes].map(tier => new ReadyWatch(tier))
    await Promise.all(clients.map(works))
    await redis.kill()
    await untilTableIsAway()
    await load.progress()
    const list = nodes.map(({ id, url }) => `${id}=${url}`).join(',')
    const late = await startGateway(deployment, 'gw-late', { ...settings, nodes: list })
    try {
      for (const client of clients)
        for (const gateway of [...gateways, late]) {
          const other = through(gateway, client)
          await works(other)
          other.close()
        }
      // The ring decides, and a name that is taken is found with the nodes.
      const created = await Promise.all(
        [...gateways, late].map((gateway, index) =>
          ConsumerClient.create(gateway.url, uniqueName('g'), `meanwhile-${index}`),
        ),
      )
      for (const client of [...clients, ...created]) {
        const again = await createAgain(late, client)
        expect([again.status, again.json()]).toMatchObject([409, { error_code: 40902 }])
      }
      await redis.restart()
      await untilPlaced([...clients, ...created])
      for (const client of clients)
        for (const gateway of [...gateways, late]) {
          const other = through(gateway, client)
          await works(other)
          other.close()
        }
      await untilPlaced([...clients, ...created])
      const held = await Promise.all(nodes.map(node => metricSum(node, 'kafka_rest_node_consumer_instances')))
      expect(held.reduce((sum, count) => sum + count, 0)).toBe(clients.length + created.length)
      for (const client of [...clients, ...created]) {
        expect((await client.delete()).status).toBe(204)
        client.close()
      }
    } finally {
      await late.kill()
      await load.stop()
      await Promise.all(watches.map(watch => watch.stop()))
    }
    expect([load.refused, [...load.unanswered]]).toEqual([[], []])
    // They serve all the while, and so they say.
    expect(watches.map(({ said }) => said.map(({ status }) => status))).toEqual(watches.map(() => [200]))
  })
})

const createAgain = (gateway: LocalTier, { group, name }: ConsumerClient) =>
  new ConsumerClient(gateway.url, group, name).call('POST', `/consumers/${group}`, { name })
