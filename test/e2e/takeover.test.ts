import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LocalTier } from '../../infra/local/tier.ts'
import { ConsumerClient } from '../support/consumer-client.ts'
import { groupGeneration } from '../support/group-generation.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { newDeployment, startGateway, startNode } from '../support/processes.ts'
import { RecordProducer } from '../support/record-producer.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

/** A node that a busy machine keeps from answering a question would make a gateway say 503. */
const patient = { 'node.question.timeout.ms': 10_000 }
const settings = {
  ...patient,
  'failover.mode': 'takeover',
  'consumer.auto.commit.interval.ms': '300',
  // Subscribing answers with the assignment, so that what is produced after it is not missed.
  'subscription.wait.ms': 30_000,
}
const gatewaySettings = { ...patient, 'takeover.timeout.ms': 30_000 }
const nodes = new Map<string, LocalTier>()
let gateways: LocalTier[]
let producer: RecordProducer

beforeAll(async () => {
  const deployment = newDeployment()
  for (const id of ['node-1', 'node-2', 'node-3']) nodes.set(id, await startNode(deployment, id, settings))
  gateways = await Promise.all(
    ['gateway-1', 'gateway-2'].map(id => startGateway(deployment, id, gatewaySettings)),
  )
  producer = await RecordProducer.start(kafkaAddress())
})

afterAll(async () => {
  await producer?.stop()
  await Promise.all((gateways ?? []).map(gateway => gateway.stop()))
  await Promise.all([...nodes.values()].map(node => node.stop()))
})

const gatewayUrl = (index = 0): string => gateways[index]?.url ?? ''

/** The node that holds an instance: the one that answers for it directly. */
async function holderOf({ base, group, name }: ConsumerClient): Promise<LocalTier> {
  for (const node of nodes.values()) {
    if (!node.process.running) continue
    const direct = new ConsumerClient(node.url, group, name)
    const { status } = await direct.call('GET', `${base}/subscription`)
    direct.close()
    if (status === 200) return node
  }
  throw new Error(`nobody holds ${base}`)
}

/** What an instance reads until a record says that it is the last. */
async function valuesUntil(client: ConsumerClient, last: number): Promise<unknown[]> {
  const values: unknown[] = []
  await until(`the record ${last}`, async () => {
    // 503 while nobody has it: the condition counts as not met.
    values.push(...(await client.records('?timeout=500')).map(({ value }) => value))
    return values.includes(last)
  })
  return values
}

const records = (first: number, count: number) =>
  Array.from({ length: count }, (_, index) => ({ value: String(first + index) }))

async function topicOf(partitions: number): Promise<string> {
  const topic = uniqueName('t')
  await createTopic(kafkaAddress(), topic, { partitions })
  return topic
}

describe('a node that stops hands its consumers over', () => {
  test('its clients see no error, nothing is repeated or lost, and no group rebalances', async () => {
    const topic = await topicOf(4)
    const group = uniqueName('g')
    const clients = await Promise.all(
      Array.from({ length: 4 }, (_, index) =>
        ConsumerClient.create(gatewayUrl(index % 2), group, `c-${index}`, {
          'auto.offset.reset': 'latest',
          'auto.commit.enable': 'true',
        }),
      ),
    )
    // Together: each answers when the group has settled.
    const subscribed = await Promise.all(clients.map(client => client.subscribe(topic)))
    expect(subscribed.map(({ status }) => status)).toEqual([204, 204, 204, 204])
    await until('each to have its partition', async () => {
      const assigned = await Promise.all(
        clients.map(client => client.call('GET', `${client.base}/assignments`)),
      )
      return assigned.every(({ status, text }) => status === 200 && JSON.parse(text).partitions.length === 1)
    })
    const generation = await groupGeneration(kafkaAddress(), group)
    const seen: unknown[] = []
    for (const [round, id] of ['node-1', 'node-2', 'node-3'].entries()) {
      const node = nodes.get(id)
      await producer.send(topic, records(round * 1000, 40))
      // Some of it is read before the node stops and confirmed by nobody, the rest after.
      for (const client of clients)
        seen.push(...(await client.records('?max_bytes=40&timeout=200')).map(({ value }) => value))
      const restarted = node?.restart()
      const reading = clients.map(async client => {
        while (seen.length < (round + 1) * 40)
          seen.push(...(await client.records('?timeout=300')).map(({ value }) => value))
      })
      await Promise.all([restarted, ...reading])
    }
    const expected = [0, 1, 2].flatMap(round => Array.from({ length: 40 }, (_, i) => round * 1000 + i))
    expect(seen.sort((left, right) => Number(left) - Number(right))).toEqual(expected)
    expect(await groupGeneration(kafkaAddress(), group)).toBe(generation)
    for (const client of clients) expect((await client.delete()).status).toBe(204)
    for (const client of clients) client.close()
  })

  test('a manual assignment goes on where it was, also after a seek that nothing has confirmed', async () => {
    const topic = await topicOf(1)
    await producer.send(topic, records(0, 20))
    const client = await ConsumerClient.create(gatewayUrl(), uniqueName('g'), 'one')
    await client.assign([topic, 0])
    expect((await client.take(20)).length).toBe(20)
    await client.seek({ offsets: [{ topic, partition: 0, offset: 7 }] })
    const holder = await holderOf(client)
    await holder.restart()
    expect((await client.take(13)).map(({ value }) => value)).toEqual(
      records(7, 13).map(r => Number(r.value)),
    )
    expect((await client.delete()).status).toBe(204)
    client.close()
  })
})

describe('a node that was killed', () => {
  test('another one goes on: nothing that was committed comes again, nothing is lost', async () => {
    const topic = await topicOf(1)
    const group = uniqueName('g')
    const client = await ConsumerClient.create(gatewayUrl(), group, 'one')
    await client.subscribe(topic)
    await producer.send(topic, records(0, 10))
    expect((await client.take(10)).length).toBe(10)
    expect((await client.commit()).status).toBe(200)
    await producer.send(topic, records(10, 5))
    // Handed out and confirmed by nobody: it comes again.
    expect((await client.take(5)).length).toBe(5)
    const holder = await holderOf(client)
    await holder.kill()
    const startedAt = performance.now()
    let waited = 0
    const first = await until('the next read to succeed', async () => {
      const answer = await client.read('?timeout=500')
      waited = performance.now() - startedAt
      return answer.status === 200 && answer.text !== '[]' ? answer : undefined
    })
    console.info(`a read succeeded ${Math.round(waited)} ms after its node was killed`)
    expect((first.json() as { value: number }[]).map(({ value }) => value)).toEqual([10, 11, 12, 13, 14])
    await holder.restart()
    await client.delete()
    client.close()
  })

  test('what its client commits afterwards is not handed out again, though the commit is all that tells of it', async () => {
    const topic = await topicOf(1)
    const client = await ConsumerClient.create(gatewayUrl(), uniqueName('g'), 'one')
    await client.subscribe(topic)
    await producer.send(topic, records(0, 10))
    expect((await client.take(10)).length).toBe(10)
    const holder = await holderOf(client)
    await holder.kill()
    await until('the commit to be accepted', async () => {
      return (await client.commit({ offsets: [{ topic, partition: 0, offset: 9 }] })).status === 200
    })
    await producer.send(topic, records(10, 1))
    expect((await client.take(1)).map(({ value }) => value)).toEqual([10])
    await holder.restart()
    await client.delete()
    client.close()
  })

  test('an instance that began at the end and committed nothing misses nothing', async () => {
    const topic = await topicOf(1)
    await producer.send(topic, records(0, 5))
    const client = await ConsumerClient.create(gatewayUrl(), uniqueName('g'), 'one', {
      'auto.offset.reset': 'latest',
    })
    await client.subscribe(topic)
    const holder = await holderOf(client)
    await holder.kill()
    await producer.send(topic, records(100, 5))
    expect(await valuesUntil(client, 104)).toEqual([100, 101, 102, 103, 104])
    await holder.restart()
    await client.delete()
    client.close()
  })

  test('its name stays taken: to create it again takes it over, and says that it exists', async () => {
    const client = await ConsumerClient.create(gatewayUrl(), uniqueName('g'), 'one')
    const holder = await holderOf(client)
    await holder.kill()
    const again = await until('an answer', async () => {
      const answer = await client.call('POST', `/consumers/${client.group}`, { name: 'one' })
      return answer.status === 503 ? undefined : answer
    })
    expect([again.status, again.json()]).toMatchObject([409, { error_code: 40902 }])
    expect((await client.call('GET', `${client.base}/subscription`)).status).toBe(200)
    await holder.restart()
    expect((await client.delete()).status).toBe(204)
    client.close()
  })
})

test('a node that was stopped for longer than its lease finds its instance taken, and commits nothing over it', async () => {
  const topic = await topicOf(1)
  const group = uniqueName('g')
  const client = await ConsumerClient.create(gatewayUrl(), group, 'one')
  await client.subscribe(topic)
  await producer.send(topic, records(0, 10))
  expect((await client.take(10)).length).toBe(10)
  const holder = await holderOf(client)
  holder.pause()
  const again = await until('another node to go on', async () => {
    const answer = await client
      .read('?timeout=500', { signal: AbortSignal.timeout(8000) })
      .catch(() => undefined)
    return answer?.status === 200 && answer.text !== '[]' ? answer : undefined
  })
  expect(again.json()).toHaveLength(10)
  expect((await client.commit()).status).toBe(200)
  holder.continue()
  await until('the former holder to have let go', async () => {
    const direct = new ConsumerClient(holder.url, group, 'one')
    const { status } = await direct.call('GET', `${client.base}/subscription`)
    direct.close()
    return status === 404
  })
  expect(await client.committed(topic)).toBe(10)
  expect((await client.delete()).status).toBe(204)
  client.close()
})
