import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConsumerClient } from '../support/consumer-client.ts'
import { ConsumerNode } from '../support/consumer-node.ts'
import { createTopic, deleteTopic } from '../support/kafka-topics.ts'
import { RecordProducer } from '../support/record-producer.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

let node: ConsumerNode
let producer: RecordProducer
const clients: ConsumerClient[] = []

beforeAll(async () => {
  node = await ConsumerNode.start({
    'consumer.metadata.max.age.ms': '1000',
    'membership.topics.watch.interval.ms': '300',
  })
  producer = await RecordProducer.start(kafkaAddress())
})

afterAll(async () => {
  for (const client of clients) client.close()
  await producer.stop()
  await node.stop()
})

async function newClient(settings: Record<string, unknown> = {}, group = uniqueName('g')) {
  const client = await ConsumerClient.create(node.url, group, uniqueName('i'), settings)
  clients.push(client)
  return client
}

async function newTopic(partitions = 1): Promise<string> {
  const topic = uniqueName('t')
  await createTopic(kafkaAddress(), topic, { partitions })
  return topic
}

const topicsOf = async (client: ConsumerClient) =>
  ((await client.call('GET', `${client.base}/subscription`)).json() as { topics: string[] }).topics
const partitionsOf = async (client: ConsumerClient) =>
  (await client.call('GET', `${client.base}/assignments`)).json()
const pattern = (client: ConsumerClient, topic_pattern: unknown) =>
  client.call('POST', `${client.base}/subscription`, { topic_pattern })
const unsubscribe = (client: ConsumerClient) => client.call('DELETE', `${client.base}/subscription`)

const exclusive = {
  error_code: 40903,
  message: 'Illegal state: Subscription to topics, partitions and pattern are mutually exclusive',
}

describe('subscription - contract v2 §2.11', () => {
  test('§9.8: subscribe is 204, and the first read of an empty topic is []', async () => {
    const client = await newClient()
    const topic = await newTopic()
    const subscribed = await client.subscribe(topic)
    expect([subscribed.status, subscribed.text]).toEqual([204, ''])
    expect(await topicsOf(client)).toEqual([topic])
    expect((await client.read()).text).toBe('[]')
  })

  test('the assignment is known when subscribe answers, and shown', async () => {
    const client = await newClient()
    const topic = await newTopic(2)
    await client.subscribe(topic)
    expect(await partitionsOf(client)).toEqual({
      partitions: [
        { topic, partition: 0 },
        { topic, partition: 1 },
      ],
    })
  })

  test('§9.14: with latest, everything produced after subscribe has answered is read', async () => {
    const client = await newClient({ 'auto.offset.reset': 'latest' })
    const topic = await newTopic()
    await producer.send(topic, [{ value: '"before"' }])
    await client.subscribe(topic)
    await producer.send(topic, [{ value: '"after"' }])
    expect((await client.take(1)).map(record => record.value)).toEqual(['after'])
  })

  test('another list replaces the first', async () => {
    const client = await newClient()
    const [first, second] = [await newTopic(), await newTopic()]
    await producer.send(first, [{ value: '1' }])
    await producer.send(second, [{ value: '2' }])
    await client.subscribe(first)
    await client.take(1)
    expect((await client.subscribe(second)).status).toBe(204)
    expect(await topicsOf(client)).toEqual([second])
    expect((await client.take(1)).map(record => record.value)).toEqual([2])
  })

  test('an empty list unsubscribes; so does DELETE, again and again; {} does nothing', async () => {
    const client = await newClient()
    const topic = await newTopic()
    await client.subscribe(topic)
    expect((await client.call('POST', `${client.base}/subscription`, {})).status).toBe(204)
    expect(await topicsOf(client)).toEqual([topic])
    expect((await client.subscribe()).status).toBe(204)
    expect(await topicsOf(client)).toEqual([])
    expect(await partitionsOf(client)).toEqual({ partitions: [] })
    await client.subscribe(topic)
    expect((await unsubscribe(client)).status).toBe(204)
    expect((await unsubscribe(client)).status).toBe(204)
    const read = await client.read()
    expect([read.status, read.json()]).toMatchObject([409, { error_code: 40903 }])
  })

  test('topics, pattern and partitions exclude each other until unsubscribed', async () => {
    const client = await newClient()
    const topic = await newTopic()
    await client.subscribe(topic)
    expect((await pattern(client, 'x.*')).json()).toEqual(exclusive)
    expect((await client.assign([topic, 0])).json()).toEqual(exclusive)
    // Assigning nothing silently cancels the subscription.
    expect((await client.assign()).status).toBe(204)
    expect(await topicsOf(client)).toEqual([])
    expect((await client.assign([topic, 0])).status).toBe(204)
    expect((await client.subscribe(topic)).json()).toEqual(exclusive)
    expect((await pattern(client, 'x.*')).json()).toEqual(exclusive)
    expect((await client.subscribe()).status).toBe(204)
    expect((await pattern(client, `${topic}`)).status).toBe(204)
    expect((await client.subscribe(topic)).json()).toEqual(exclusive)
    expect((await client.assign([topic, 0])).json()).toEqual(exclusive)
  })

  test('both given: topics win', async () => {
    const client = await newClient()
    const topic = await newTopic()
    const body = { topics: [topic], topic_pattern: '(' }
    expect((await client.call('POST', `${client.base}/subscription`, body)).status).toBe(204)
    expect(await topicsOf(client)).toEqual([topic])
  })

  test.each([
    ['', 'subscribe.arg3 must not be null (was null)'],
    [{ topics: [''] }, 'subscribe.arg3.topics[0] must not be blank (was )'],
    [{ topic_pattern: '' }, 'subscribe.arg3.topic_pattern must not be empty (was )'],
  ])('%j is 422 and names the field', async (body, message) => {
    const client = await newClient()
    const answer = await client.call('POST', `${client.base}/subscription`, body)
    expect([answer.status, answer.json()]).toEqual([422, { error_code: 422, message }])
  })

  test('a pattern that no engine of linear time can run is 422', async () => {
    const client = await newClient()
    expect([(await pattern(client, '(a)\\1')).status, (await pattern(client, '(')).status]).toEqual([
      422, 422,
    ])
  })

  test('an invalid name is accepted, and reads answer 400 / 40002', async () => {
    const client = await newClient()
    const topic = await newTopic()
    expect((await client.subscribe('a b', topic)).status).toBe(204)
    const read = await client.read()
    expect([read.status, read.json()]).toEqual([400, { error_code: 40002, message: 'Invalid topics: [a b]' }])
    await client.subscribe(topic)
    expect((await client.read()).status).toBe(200)
  })

  test('a topic that is created by subscribing, if the broker does that, is read from its first record', async () => {
    const client = await newClient({ 'auto.offset.reset': 'latest' })
    const topic = uniqueName('created')
    await client.subscribe(topic)
    await producer.send(topic, [{ value: '1' }])
    expect((await client.take(1)).map(record => record.value)).toEqual([1])
  })
})

describe('topics that come and go', () => {
  test('a topic that is missing does not hold back the others, and is read once it is there', async () => {
    const manual = await ConsumerNode.start({
      'consumer.metadata.max.age.ms': '1000',
      'membership.topics.watch.interval.ms': '300',
      'kafka.unknown.topic.cache.ms': '300',
      'consumer.allow.auto.create.topics': 'false',
    })
    try {
      const client = await ConsumerClient.create(manual.url, uniqueName('g'), 'i')
      clients.push(client)
      const there = await newTopic()
      const missing = uniqueName('missing')
      await producer.send(there, [{ value: '1' }])
      await client.subscribe(there, missing)
      expect((await client.take(1)).map(record => record.value)).toEqual([1])
      await createTopic(kafkaAddress(), missing)
      await producer.send(missing, [{ value: '2' }])
      await until('the new topic is read', async () => {
        const records = await client.records()
        return records.some(record => record.value === 2)
      })
    } finally {
      await manual.stop()
    }
  })

  test('a deleted topic ends no read and no membership (contract v2 §4.3)', async () => {
    const client = await newClient()
    const [kept, doomed] = [await newTopic(), await newTopic()]
    await client.subscribe(kept, doomed)
    await client.records('?timeout=100')
    await deleteTopic(kafkaAddress(), doomed)
    // Reads go on while the group, which this instance leads, finds out.
    await until('the topic is out of the assignment', async () => {
      expect((await client.read('?timeout=100')).text).toBe('[]')
      return !JSON.stringify(await partitionsOf(client)).includes(doomed)
    })
    await producer.send(kept, [{ value: '1' }])
    expect((await client.take(1)).map(record => record.value)).toEqual([1])
    expect((await client.read('?timeout=300')).text).toBe('[]')
    await producer.send(kept, [{ value: '2' }])
    expect((await client.take(1)).map(record => record.value)).toEqual([2])
  })

  test('a pattern matches whole names, no internal ones, and picks up new topics', async () => {
    const client = await newClient()
    const prefix = uniqueName('p')
    await createTopic(kafkaAddress(), `${prefix}-a`)
    await createTopic(kafkaAddress(), `x-${prefix}-a`)
    await pattern(client, `${prefix}-.*|__consumer_offsets`)
    // Soon: it may have joined another instance's listing of topics that began before these were there.
    await until('the first topic matches', async () => (await topicsOf(client)).length > 0)
    expect(await topicsOf(client)).toEqual([`${prefix}-a`])
    await createTopic(kafkaAddress(), `${prefix}-b`)
    await producer.send(`${prefix}-b`, [{ value: '"new"' }])
    await until('the new topic matches', async () => (await topicsOf(client)).length === 2)
    await until('the new topic is read', async () => {
      const records = await client.records()
      return records.some(record => record.topic === `${prefix}-b` && record.value === 'new')
    })
  })
})

describe('assignments - contract v2 §2.12', () => {
  test('partitions of the client’s choice, without the group; partitions that stay keep their positions', async () => {
    const client = await newClient()
    const topic = await newTopic(2)
    await producer.send(topic, [{ value: '1' }, { value: '2' }, { value: '3', partition: 1 }])
    expect((await client.assign([topic, 0])).status).toBe(204)
    expect((await client.take(2)).map(record => record.value)).toEqual([1, 2])
    await client.assign([topic, 0], [topic, 1])
    expect((await client.take(1)).map(record => record.value)).toEqual([3])
    expect(await partitionsOf(client)).toEqual({
      partitions: [
        { topic, partition: 0 },
        { topic, partition: 1 },
      ],
    })
    // No member of the group: another instance gets every partition.
    const member = await newClient({}, client.group)
    await member.subscribe(topic)
    expect((await member.take(3)).length).toBe(3)
  })

  test('partitions that do not exist are accepted and never yield records', async () => {
    const client = await newClient()
    const topic = await newTopic()
    await producer.send(topic, [{ value: '1' }])
    const assigned = await client.assign([topic, 0], [topic, 9], [topic, -1], [topic, 2147483647])
    expect(assigned.status).toBe(204)
    expect((await client.take(1)).map(record => record.value)).toEqual([1])
    expect((await client.read('?timeout=100')).text).toBe('[]')
  })

  test('a read that has nothing else to wait for than a partition that does not exist leaves the node to others', async () => {
    const client = await newClient()
    await client.assign([await newTopic(), 9])
    let others = 0
    const timer = setInterval(() => {
      others += 1
    }, 10)
    expect((await client.read('?timeout=1000')).text).toBe('[]')
    clearInterval(timer)
    expect(others).toBeGreaterThan(3)
  })

  test.each([
    [{}, 'assign.arg3.partitions must not be null (was null)'],
    [{ partitions: [{ topic: 't' }] }, 'assign.arg3.partitions[0].partition must not be null (was null)'],
    [
      { partitions: [{ topic: '', partition: 0 }] },
      'assign.arg3.partitions[0].topic must not be empty (was )',
    ],
  ])('%j is 422 and names the field', async (body, message) => {
    const client = await newClient()
    const answer = await client.call('POST', `${client.base}/assignments`, body)
    expect([answer.status, answer.json()]).toEqual([422, { error_code: 422, message }])
  })
})
