import { expect, test } from 'vitest'
import { createRing } from '../../gateway/routing/ring.ts'
import type { LocalTier } from '../../infra/local/tier.ts'
import { instanceKey } from '../../shared/ids.ts'
import { ConsumerClient } from '../support/consumer-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { killedAfterEach } from '../support/killed-after-each.ts'
import { newDeployment, startGateway, startNode } from '../support/processes.ts'
import { ProduceLoad } from '../support/produce-load.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'
import { metricOf, ReadyWatch } from '../support/tier-watch.ts'
import { until } from '../support/until.ts'

// Only bounds a failing test: many processes on a busy machine.

/** Which node a gateway takes, on real processes. */

const track = killedAfterEach()

async function untilKnown(gateway: LocalTier, count: number): Promise<void> {
  await until(`${gateway.id} to know ${count} nodes`, async () => {
    return (await metricOf(gateway, 'kafka_rest_gateway_members{state="available"}')) === count
  })
}

const instancesOf = (node: LocalTier) => metricOf(node, 'kafka_rest_node_consumer_instances')

test('a placement that is cached and out of date costs one look-up, and no error', async () => {
  const deployment = newDeployment()
  const first = track(await startNode(deployment, 'node-1'))
  const second = track(await startNode(deployment, 'node-2'))
  const gateway = track(await startGateway(deployment, 'gateway'))
  await untilKnown(gateway, 2)
  const group = uniqueName('g')
  const clients: ConsumerClient[] = []
  for (let index = 0; index < 5; index++)
    clients.push(await ConsumerClient.create(first.url, group, `i-${index}`))
  const lookUps = async () => {
    const sources = ['cache', 'table', 'nodes', 'none', 'unknown'].map(source =>
      metricOf(gateway, `kafka_rest_gateway_placement_lookups_total{source="${source}"}`),
    )
    const [cache, table, ...others] = await Promise.all(sources)
    return { cache, table, others }
  }
  const look = async () => {
    for (const { name, base } of clients) {
      const through = new ConsumerClient(gateway.url, group, name)
      const answer = await through.call('GET', `${base}/subscription`)
      expect([answer.status, answer.text]).toEqual([200, '{"topics":[]}'])
      through.close()
    }
  }
  await look()
  // They move behind the gateway's back: both of their nodes live on.
  for (const [index, client] of clients.entries()) {
    expect((await client.delete()).status).toBe(204)
    client.close()
    clients[index] = await ConsumerClient.create(second.url, group, client.name)
  }
  const before = await lookUps()
  await look()
  expect(await lookUps()).toEqual({
    cache: (before.cache ?? 0) + 5,
    table: (before.table ?? 0) + 5,
    others: before.others,
  })
  await look()
  expect(await lookUps()).toMatchObject({ cache: (before.cache ?? 0) + 10, table: (before.table ?? 0) + 5 })
  for (const client of clients) client.close()
})

test('the own zone is taken first, another one only while the own has no node', async () => {
  const deployment = newDeployment()
  const near = track(await startNode(deployment, 'near', { zone: 'a' }))
  const far = track(await startNode(deployment, 'far', { zone: 'b' }))
  const inA = track(await startGateway(deployment, 'gw-a', { zone: 'a' }))
  const inB = track(await startGateway(deployment, 'gw-b', { zone: 'b' }))
  await Promise.all([inA, inB].map(gateway => untilKnown(gateway, 2)))
  const topic = uniqueName('t')
  await createTopic(kafkaAddress(), topic)
  const served = (gateway: LocalTier, zone: string) =>
    metricOf(gateway, `kafka_rest_gateway_zone_requests_total{zone="${zone}"}`)
  const group = uniqueName('g')
  const create = async (gateway: LocalTier, count: number) => {
    for (let index = 0; index < count; index++)
      (await ConsumerClient.create(gateway.url, group, uniqueName('i'))).close()
  }
  await create(inA, 8)
  await create(inB, 3)
  expect([await instancesOf(near), await instancesOf(far)]).toEqual([8, 3])
  const watch = new ReadyWatch(inA)
  const load = ProduceLoad.start({ topic, url: () => inA.url, clients: 2 })
  await load.progress(50)
  expect(await served(inA, 'own')).toBeGreaterThan(50)
  expect(await served(inA, 'other')).toBe(0)
  // Its own zone loses its only node, in order: no client of the gateway sees it.
  await near.stop()
  await load.progress(50)
  await create(inA, 2)
  expect(await instancesOf(far)).toBe(5)
  expect(await served(inA, 'other')).toBeGreaterThan(0)
  await near.restart()
  await until('the own zone to serve again', async () => {
    const other = await served(inA, 'other')
    await load.progress(20)
    return (await served(inA, 'other')) === other
  })
  await load.stop()
  await watch.stop()
  expect([load.refused, [...load.unanswered]]).toEqual([[], []])
  expect(watch.said.map(({ status }) => status)).toEqual([200])
})

test('no node gets more than its share of consumers by the luck of their names, nor more than its own limit', async () => {
  const deployment = newDeployment()
  const starting = [
    startNode(deployment, 'node-1'),
    startNode(deployment, 'node-2'),
    // Smaller than its share will be.
    startNode(deployment, 'small', { 'consumer.instances.max': 10 }),
  ]
  const nodes = (await Promise.all(starting)).map(track)
  const gateway = track(await startGateway(deployment, 'gateway'))
  await untilKnown(gateway, 3)
  const group = uniqueName('g')
  let total = 0
  const ring = createRing(nodes.map(({ id }) => id))
  /** Creates consumers whose names all belong to the first node by the ring: nothing but the bound moves them. */
  const create = async (count: number) => {
    for (let index = 0; index < count; index++) {
      let name = uniqueName('i')
      while (ring.order(instanceKey({ group, instance: name }))[0] !== 'node-1') name = uniqueName('i')
      const client = await ConsumerClient.create(gateway.url, group, name)
      client.close()
      total++
    }
  }
  for (let round = 0; round < 6; round++) {
    await create(20)
    const [first = 0, second = 0, little = 0] = await Promise.all(nodes.map(instancesOf))
    expect(first + second + little).toBe(total)
    expect(little).toBeLessThanOrEqual(10)
    // What the small one cannot take goes to the others, above the bound perhaps: then to the less loaded one. Of the
    // last second or two a gateway knows only what it created itself, and may count it twice: a fifth for that.
    const share = Math.max((1.25 * total) / nodes.length, (total - little) / 2)
    expect(Math.max(first, second)).toBeLessThanOrEqual(Math.ceil(1.2 * share))
  }
  expect((await Promise.all(nodes.map(instancesOf))).at(-1)).toBe(10)
})

test('when every node is full, a consumer is refused with the reason, and room is used at once', async () => {
  const deployment = newDeployment()
  const small = { 'consumer.instances.max': 3 }
  const starting = ['node-1', 'node-2'].map(id => startNode(deployment, id, small))
  const nodes = (await Promise.all(starting)).map(track)
  const gateway = track(await startGateway(deployment, 'gateway'))
  await untilKnown(gateway, 2)
  const group = uniqueName('g')
  const clients = await Promise.all(
    Array.from({ length: 6 }, () => ConsumerClient.create(gateway.url, group, uniqueName('i'))),
  )
  expect(await Promise.all(nodes.map(instancesOf))).toEqual([3, 3])
  const [client] = clients
  const refused = await client?.call('POST', `/consumers/${group}`, { name: 'seventh' })
  expect([refused?.status, refused?.json()]).toMatchObject([
    429,
    { message: expect.stringContaining('instances') },
  ])
  expect((await client?.delete())?.status).toBe(204)
  const seventh = await ConsumerClient.create(gateway.url, group, 'seventh')
  for (const each of [...clients, seventh]) each.close()
})
