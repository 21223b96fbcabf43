import { afterAll, beforeAll, expect, test } from 'vitest'
import type { LocalTier } from '../../infra/local/tier.ts'
import { ConsumerClient } from '../support/consumer-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { newDeployment, startGateway, startNode } from '../support/processes.ts'
import { RecordProducer } from '../support/record-producer.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

// A node that a busy machine keeps from answering a question would make a gateway say 503.
const patient = { 'node.question.timeout.ms': 10_000 }
const tiers: LocalTier[] = []
let gateway: LocalTier
let producer: RecordProducer

beforeAll(async () => {
  const deployment = newDeployment()
  for (const id of ['node-1', 'node-2', 'node-3']) tiers.push(await startNode(deployment, id, patient))
  gateway = await startGateway(deployment, 'gateway', patient)
  producer = await RecordProducer.start(kafkaAddress())
})

afterAll(async () => {
  await producer?.stop()
  await gateway?.stop()
  await Promise.all(tiers.map(tier => tier.stop()))
})

const values = Array.from({ length: 10 }, (_, index) => ({ value: String(index) }))

test('a consumer whose node was killed is recreated by its name, joins without waiting for the dead member, and reads on', async () => {
  const topic = uniqueName('t')
  const group = uniqueName('g')
  await createTopic(kafkaAddress(), topic)
  await producer.send(topic, values)
  const client = await ConsumerClient.create(gateway.url, group, 'one')
  await client.subscribe(topic)
  // The whole of the first read that brings anything.
  expect((await client.take(1, '?max_bytes=5')).map(({ value }) => value)).toEqual([0, 1, 2, 3])
  await client.commit()
  expect((await client.take(1, '?max_bytes=3')).map(({ value }) => value)).toEqual([4, 5])
  // Which node holds it is nobody's business, so find it: the one that answers directly.
  const asked = await Promise.all(
    tiers.map(tier => new ConsumerClient(tier.url, group, 'one').call('GET', `${client.base}/subscription`)),
  )
  const holder = tiers[asked.findIndex(({ status }) => status === 200)]
  await holder?.kill()
  await until('the instance is gone', async () => {
    const { status, headers } = await client.read('?timeout=1')
    return status === 404 && headers['kafka-rest-consumer-gone'] === 'owner-lost'
  })
  const again = await ConsumerClient.create(gateway.url, group, 'one')
  await again.subscribe(topic)
  // The dead member would keep its partitions for the session time-out of 45 s: this answers at once.
  expect((await again.take(6)).map(({ value }) => value)).toEqual([4, 5, 6, 7, 8, 9])
  await again.delete()
  client.close()
  again.close()
})
