import { afterAll, expect, test } from 'vitest'
import type { LocalTier } from '../../infra/local/tier.ts'
import { ConsumerClient } from '../support/consumer-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { newDeployment, startGateway, startNode } from '../support/processes.ts'
import { kafkaAddress, startPrivateRedis, uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

const stops: (() => Promise<unknown>)[] = []

afterAll(async () => {
  for (const stop of stops.reverse()) await stop()
})

test('what a gateway found by asking nodes, while Redis was away, is taken over all the same when its node dies', async () => {
  // It comes back with its data.
  const redis = await startPrivateRedis({ config: ['appendonly yes', 'appendfsync always'] })
  stops.push(() => redis.stop())
  const deployment = newDeployment({ redisUrl: redis.url })
  const settings = { 'failover.mode': 'takeover' }
  const nodes = await Promise.all(['node-1', 'node-2'].map(id => startNode(deployment, id, settings)))
  const gateways = await Promise.all(['gw-1', 'gw-2'].map(id => startGateway(deployment, id)))
  for (const tier of [...nodes, ...gateways]) stops.push(() => tier.kill())
  const topic = uniqueName('t')
  await createTopic(kafkaAddress(), topic)
  const first = await ConsumerClient.create(gateways[0]?.url ?? '', uniqueName('g'), 'one')
  expect((await first.subscribe(topic)).status).toBe(204)
  const holder = await holderOf(nodes, first)
  await redis.kill()
  const client = new ConsumerClient(gateways[1]?.url ?? '', first.group, 'one')
  await until('the other gateway to find it', async () => (await client.read('?timeout=100')).status === 200)
  await redis.restart()
  const restartedAt = performance.now()
  // The members of before stay while Redis is away: only their age tells that they were read since.
  await until('the other gateway to see Redis again', async () => {
    const { text } = (await gateways[1]?.admin('/metrics')) ?? { text: '' }
    const age = /^kafka_rest_gateway_members_age_seconds (\S+)$/m.exec(text)?.[1]
    return age !== undefined && Number(age) * 1000 < performance.now() - restartedAt
  })
  await holder.kill()
  const statuses = new Set<number>()
  await until('another node to go on with it', async () => {
    const { status } = await client.read('?timeout=100')
    statuses.add(status)
    return status === 200
  })
  expect([...statuses]).not.toContain(404)
  first.close()
  client.close()
})

/** The node that answers for the instance directly. */
async function holderOf(nodes: readonly LocalTier[], { base, group, name }: ConsumerClient) {
  for (const node of nodes) {
    const direct = new ConsumerClient(node.url, group, name)
    const { status } = await direct.call('GET', `${base}/subscription`)
    direct.close()
    if (status === 200) return node
  }
  throw new Error(`nobody holds ${base}`)
}
