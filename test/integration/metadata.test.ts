import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDriver } from '../support/consumer-driver.ts'
import { createTopic, deleteTopic } from '../support/kafka-topics.ts'
import { ProduceNode, v2 } from '../support/produce-node.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'

/** Contract v2 §2.1–2.7 on a real broker, without a gateway. */

let node: ProduceNode

beforeAll(async () => {
  node = await ProduceNode.start()
})

afterAll(() => node.stop())

const get = (path: string) => node.request('GET', path)

async function newTopic(options: Parameters<typeof createTopic>[2] = {}): Promise<string> {
  const topic = uniqueName('metadata')
  await createTopic(kafkaAddress(), topic, options)
  return topic
}

/** What the broker itself marks as internal: the topic of offsets, which it makes when a group is first looked up. */
async function internalTopics(): Promise<string[]> {
  const driver = openDriver(kafkaAddress())
  try {
    await driver.consumers.committed(uniqueName('g'), [{ topic: 'any', partition: 0 }])
    return (await driver.cluster.topics()).filter(({ internal }) => internal).map(({ name }) => name)
  } finally {
    await driver.stop()
  }
}

test('root', async () => {
  const answer = await get('/')
  expect([answer.status, answer.text, answer.headers['content-type']]).toEqual([200, '{}', v2])
  const headers = { 'Content-Type': v2 }
  for (const body of ['', 'null', '{}', '{"a":"b","c":1}'])
    expect((await node.request('POST', '/', { headers, body })).text).toBe('{}')
  expect((await node.request('POST', '/', { headers, body: '[]' })).status).toBe(400)
  expect((await node.request('POST', '/', { headers, body: '{"a":{}}' })).status).toBe(400)
})

test('brokers', async () => {
  const answer = await node.request('GET', '/brokers', { headers: { 'Content-Type': 'text/plain' } })
  expect([answer.status, answer.text]).toEqual([200, '{"brokers":[1]}'])
})

describe('topics', () => {
  test('the list has names, without internal topics', async () => {
    const topic = await newTopic()
    const answer = await get('/topics')
    const names = answer.json() as string[]
    expect(names).toContain(topic)
    const internal = await internalTopics()
    // Those that brokers mark as internal; a client's own topic may begin with underscores.
    expect(internal).toContain('__consumer_offsets')
    expect(names.filter(name => internal.includes(name))).toEqual([])
    expect(names).toEqual([...names].sort())
  })

  test('one topic: partitions, and all effective configs as strings', async () => {
    const topic = await newTopic({ partitions: 2, configs: { 'retention.ms': '12345' } })
    const answer = await get(`/topics/${topic}`)
    expect(answer.status).toBe(200)
    const { name, configs, partitions } = answer.json() as {
      name: string
      configs: Record<string, string | null>
      partitions: unknown
    }
    expect(Object.keys(answer.json() as object)).toEqual(['name', 'configs', 'partitions'])
    expect(name).toBe(topic)
    expect(configs).toMatchObject({
      'retention.ms': '12345',
      'cleanup.policy': 'delete',
      'min.insync.replicas': '1',
    })
    expect(Object.values(configs).every(value => value === null || typeof value === 'string')).toBe(true)
    expect(partitions).toEqual(
      [0, 1].map(partition => ({
        partition,
        leader: 1,
        replicas: [{ broker: 1, leader: true, in_sync: true }],
      })),
    )
    expect((await get(`/topics/${topic}/`)).text).toBe(answer.text)
  })

  test('§9 23: a topic that does not exist is 40403, and a name that is none 40002', async () => {
    const topic = uniqueName('none')
    for (const path of [
      `/topics/${topic}`,
      `/topics/${topic}/partitions`,
      `/topics/${topic}/partitions/0`,
      `/topics/${topic}/partitions/0/offsets`,
    ]) {
      const answer = await get(path)
      expect(answer.status).toBe(404)
      expect(answer.headers['content-type']).toBe(v2)
      expect(answer.json()).toEqual({
        error_code: 40403,
        message: 'This server does not host this topic-partition.',
      })
    }
    // Asking creates nothing, although the broker would create it for a producer.
    expect((await get('/topics')).json()).not.toContain(topic)
    for (const name of ['a%20b', 'x'.repeat(250), '%2e%2e']) {
      const answer = await get(`/topics/${name}`)
      expect(answer.status).toBe(400)
      expect(answer.json()).toEqual({
        error_code: 40002,
        message: 'The request attempted to perform an operation on an invalid topic.',
      })
    }
  })

  test('a topic that was deleted is gone at once', async () => {
    const topic = await newTopic()
    expect((await get(`/topics/${topic}`)).status).toBe(200)
    await deleteTopic(kafkaAddress(), topic)
    expect((await get(`/topics/${topic}`)).status).toBe(404)
  })
})

describe('partitions', () => {
  test('list and one', async () => {
    const topic = await newTopic({ partitions: 2 })
    const body = (partition: number) => ({
      partition,
      leader: 1,
      replicas: [{ broker: 1, leader: true, in_sync: true }],
    })
    expect((await get(`/topics/${topic}/partitions`)).json()).toEqual([body(0), body(1)])
    expect((await get(`/topics/${topic}/partitions/1`)).json()).toEqual(body(1))
  })

  test('§9 24: a partition that does not exist, and one that is no number', async () => {
    const topic = await newTopic()
    for (const partition of ['1', '-1', '2147483647']) {
      for (const path of [
        `/topics/${topic}/partitions/${partition}`,
        `/topics/${topic}/partitions/${partition}/offsets`,
      ]) {
        const answer = await get(path)
        expect(answer.status).toBe(404)
        expect(answer.json()).toEqual({ error_code: 40402, message: 'Partition not found.' })
      }
    }
    for (const partition of ['x', '1.5', '99999999999', '1e3']) {
      const answer = await get(`/topics/${topic}/partitions/${partition}`)
      expect(answer.status).toBe(404)
      expect(answer.json()).toEqual({ error_code: 404, message: 'HTTP 404 Not Found' })
    }
  })

  test('§9 32: offsets, with the exact body', async () => {
    const topic = await newTopic({ partitions: 2 })
    const records = Array.from({ length: 3 }, () => ({ value: 1 }))
    await node.produce(`/topics/${topic}/partitions/1`, { records })
    expect((await get(`/topics/${topic}/partitions/0/offsets`)).text).toBe(
      '{"beginning_offset":0,"end_offset":0}',
    )
    expect((await get(`/topics/${topic}/partitions/1/offsets`)).text).toBe(
      '{"beginning_offset":0,"end_offset":3}',
    )
  })
})
