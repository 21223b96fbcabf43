import { afterAll, beforeAll, expect, test } from 'vitest'
import { ConsumerClient } from '../support/consumer-client.ts'
import { ConsumerNode } from '../support/consumer-node.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { RecordProducer } from '../support/record-producer.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'

const groups = 5
const consumersOfGroup = 10
const recordCount = 500

let node: ConsumerNode
let producer: RecordProducer
const clients: ConsumerClient[] = []

beforeAll(async () => {
  node = await ConsumerNode.start({ 'consumer.threads': '-1' })
  producer = await RecordProducer.start(kafkaAddress())
})

afterAll(async () => {
  for (const client of clients) client.close()
  await producer.stop()
  await node.stop()
})

test('§9.40: 50 consumers in 5 groups read continuously with consumer.threads=-1, and each group gets every record', async () => {
  const topic = uniqueName('t')
  await createTopic(kafkaAddress(), topic, { partitions: consumersOfGroup })
  const names = Array.from({ length: groups }, () => uniqueName('g'))
  const members = names.flatMap(group =>
    Array.from({ length: consumersOfGroup }, (_, index) => ({ group, index })),
  )
  await Promise.all(
    members.map(async ({ group, index }) => {
      const client = await ConsumerClient.create(node.url, group, `c${index}`)
      clients.push(client)
      await client.subscribe(topic)
    }),
  )
  const values = Array.from({ length: recordCount }, (_, index) => index)
  await producer.send(
    topic,
    values.map(value => ({ partition: value % consumersOfGroup, value: String(value) })),
  )
  const seen = new Map(names.map(group => [group, new Set<string>()]))
  const isDone = () => [...seen.values()].every(set => set.size === recordCount)
  await Promise.all(
    clients.map(async client => {
      while (!isDone()) {
        for (const { partition, offset } of await client.records())
          seen.get(client.group)?.add(`${partition}/${offset}`)
      }
    }),
  )
  expect([...seen.values()].map(set => set.size)).toEqual(names.map(() => recordCount))
})
