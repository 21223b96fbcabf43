import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { MemoryRoutingTable } from '../../shared/routing/memory-routing-table.ts'
import { ConsumerClient, type ReadRecord } from '../support/consumer-client.ts'
import { ConsumerNode } from '../support/consumer-node.ts'
import { runJava } from '../support/java-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { Kafka, logLevel } from '../support/kafkajs.ts'
import { RecordProducer } from '../support/record-producer.ts'
import { kafkaAddress, startPrivateKafka, uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

let nodes: ConsumerNode[]
let producer: RecordProducer
const clients: ConsumerClient[] = []

beforeAll(async () => {
  const table = new MemoryRoutingTable({ clock: systemClock })
  const settings = { 'consumer.threads': '2', 'consumer.heartbeat.interval.ms': '200' }
  nodes = await Promise.all([0, 1, 2].map(() => ConsumerNode.start(settings, { table })))
  producer = await RecordProducer.start(kafkaAddress())
})

afterAll(async () => {
  for (const client of clients) client.close()
  await producer.stop()
  for (const node of nodes) await node.stop()
})

async function member(node: number, group: string, name: string, settings: Record<string, unknown> = {}) {
  const url = nodes[node]?.url ?? ''
  const client = await ConsumerClient.create(url, group, name, settings)
  clients.push(client)
  return client
}

const partitionsOf = async (client: ConsumerClient) =>
  (
    (await client.call('GET', `${client.base}/assignments`)).json() as {
      partitions: { partition: number }[]
    }
  ).partitions.map(({ partition }) => partition)

const idOf = ({ partition, offset }: ReadRecord) => `${partition}/${offset}`

describe('groups', () => {
  test('two instances on two nodes share the partitions, and one takes over when the other is deleted', async () => {
    const topic = uniqueName('t')
    const group = uniqueName('g')
    await createTopic(kafkaAddress(), topic, { partitions: 4 })
    const [first, second] = [await member(0, group, 'first'), await member(1, group, 'second')]
    await first.subscribe(topic)
    // Soon: on a busy machine subscribing may answer before the first assignment.
    await until('the first has all', async () => (await partitionsOf(first)).join() === '0,1,2,3')
    await second.subscribe(topic)
    await until('the partitions are shared', async () => {
      const [left, right] = [await partitionsOf(first), await partitionsOf(second)]
      return left.length === 2 && right.length === 2 && new Set([...left, ...right]).size === 4
    })
    await producer.send(
      topic,
      [0, 1, 2, 3].map(partition => ({ partition, value: String(partition) })),
    )
    const read = [...(await first.take(2)), ...(await second.take(2))]
    expect(read.map(({ value }) => value).sort()).toEqual([0, 1, 2, 3])
    await Promise.all([first.commit(), second.commit()])
    await second.delete()
    await until('the rest takes over', async () => (await partitionsOf(first)).length === 4)
    expect(await first.records('?timeout=100')).toEqual([])
  })

  test('a rebalance during a read loses nothing, and repeats at most what was not committed', async () => {
    const topic = uniqueName('t')
    const group = uniqueName('g')
    await createTopic(kafkaAddress(), topic, { partitions: 2 })
    const first = await member(0, group, 'first', {
      'fetch.min.bytes': -1,
      'consumer.request.timeout.ms': 3000,
    })
    await first.subscribe(topic)
    const reading = first.records()
    await producer.send(topic, [
      { partition: 0, value: '1' },
      { partition: 1, value: '2' },
    ])
    const second = await member(1, group, 'second')
    await second.subscribe(topic)
    await producer.send(topic, [
      { partition: 0, value: '3' },
      { partition: 1, value: '4' },
    ])
    const seen = new Set((await reading).map(idOf))
    await until('everything was read', async () => {
      for (const client of [first, second])
        for (const record of await client.records('?timeout=200')) seen.add(idOf(record))
      return seen.size === 4
    })
  })

  test('a commit of records that were handed out before a rebalance is 500 / 50002', async () => {
    const topic = uniqueName('t')
    const group = uniqueName('g')
    await createTopic(kafkaAddress(), topic, { partitions: 2 })
    await producer.send(topic, [
      { partition: 0, value: '1' },
      { partition: 1, value: '2' },
    ])
    const first = await member(0, group, 'first')
    await first.subscribe(topic)
    const read = await first.take(2)
    const second = await member(1, group, 'second')
    await second.subscribe(topic)
    await until('the partitions are shared', async () => (await partitionsOf(first)).length === 1)
    const offsets = read.map(({ partition, offset }) => ({ topic, partition, offset }))
    const late = await first.commit({ offsets })
    expect([late.status, late.json()]).toMatchObject([500, { error_code: 50002 }])
    // Both partitions are handed out again, to whoever has them now.
    const again = [...(await first.take(1)), ...(await second.take(1))]
    expect(again.map(idOf).sort()).toEqual(['0/0', '1/0'])
  })

  test('40 consumers on three nodes with two permits each: every record comes once, nobody stalls', async () => {
    const topic = uniqueName('t')
    const group = uniqueName('g')
    const partitions = 40
    await createTopic(kafkaAddress(), topic, { partitions })
    const members = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        member(index % 3, group, `m${index}`, { 'consumer.request.timeout.ms': 500 }),
      ),
    )
    await Promise.all(members.map(client => client.subscribe(topic)))
    await until('each has one partition', async () => {
      const all = await Promise.all(members.map(partitionsOf))
      return all.every(assigned => assigned.length === 1)
    })
    const total = 40 * 50
    for (let partition = 0; partition < partitions; partition++)
      await producer.send(
        topic,
        Array.from({ length: 50 }, (_, index) => ({ partition, value: `"${index}${'x'.repeat(500)}"` })),
      )
    const seen = new Map<string, number>()
    let done = false
    // Only bounds a failing test.
    const deadline = performance.now() + 150_000
    await Promise.all(
      members.map(async client => {
        while (!done && performance.now() < deadline) {
          for (const record of await client.records('?max_bytes=8000'))
            seen.set(idOf(record), (seen.get(idOf(record)) ?? 0) + 1)
          done = seen.size === total
        }
      }),
    )
    expect(seen.size).toBe(total)
    expect([...seen.values()].filter(times => times > 1)).toEqual([])
    await Promise.all(members.map(client => client.delete()))
  }, 300_000)

  test('§9.40: 50 consumers in five groups read on without a bound on threads', async () => {
    const unbounded = await ConsumerNode.start({ 'consumer.threads': '-1' })
    try {
      const topic = uniqueName('t')
      await createTopic(kafkaAddress(), topic, { partitions: 10 })
      const groups = Array.from({ length: 5 }, () => uniqueName('g'))
      const members = await Promise.all(
        groups.flatMap(group =>
          Array.from({ length: 10 }, (_, index) =>
            ConsumerClient.create(unbounded.url, group, `m${index}`, { 'consumer.request.timeout.ms': 300 }),
          ),
        ),
      )
      clients.push(...members)
      await Promise.all(members.map(client => client.subscribe(topic)))
      const seen = new Map(groups.map(group => [group, new Set<string>()]))
      let sent = 0
      const everything = () => [...seen.values()].every(read => read.size === 10 * sent)
      const reading = members.map(async client => {
        while (sent < 5 || !everything())
          for (const record of await client.records()) seen.get(client.group)?.add(idOf(record))
      })
      for (; sent < 5; sent++)
        await producer.send(
          topic,
          Array.from({ length: 10 }, (_, partition) => ({ partition, value: String(sent) })),
        )
      await Promise.all(reading)
      expect(everything()).toBe(true)
    } finally {
      await unbounded.stop()
    }
  })

  test('an instance whose identity another holder joins with is gone for good, and commits nothing', async () => {
    // Two nodes without a common table: only the broker can tell them apart.
    const other = await ConsumerNode.start({ 'consumer.heartbeat.interval.ms': '200' })
    try {
      const topic = uniqueName('t')
      const group = uniqueName('g')
      await createTopic(kafkaAddress(), topic)
      await producer.send(topic, [{ value: '1' }, { value: '2' }])
      const old = await member(0, group, 'same', { 'auto.commit.enable': 'true' })
      await old.subscribe(topic)
      await old.take(2)
      const successor = await ConsumerClient.create(other.url, group, 'same')
      clients.push(successor)
      await successor.subscribe(topic)
      // Before that, another read of the old one would confirm its records, and it might still commit them.
      await until('the successor has the partition', async () => (await partitionsOf(successor)).length === 1)
      await until('the old one is gone', async () => (await old.read('?timeout=1')).status === 404)
      expect((await old.read()).headers['kafka-rest-consumer-gone']).toBe('owner-lost')
      expect((await nodes[0]?.metrics.render())?.text).toMatch(/instances_closed_total\{reason="fenced"\} 1/)
      // Static membership: the successor has its partitions, and the old one's records come again.
      expect((await successor.take(2)).length).toBe(2)
      expect(await successor.committed(topic)).toBeUndefined()
    } finally {
      await other.stop()
    }
  })
})

describe('transactions', () => {
  test('read_committed hides aborted records and what is still open; read_uncommitted shows them', async () => {
    const topic = uniqueName('t')
    await createTopic(kafkaAddress(), topic)
    const client = new Kafka({ brokers: [kafkaAddress()], logLevel: logLevel.NOTHING })
    const transactional = client.producer({
      transactionalId: uniqueName('tx'),
      idempotent: true,
      maxInFlightRequests: 1,
    })
    await transactional.connect()
    const run = async (value: string, end: 'commit' | 'abort' | 'open') => {
      const transaction = await transactional.transaction()
      await transaction.send({ topic, messages: [{ value }] })
      if (end === 'commit') await transaction.commit()
      if (end === 'abort') await transaction.abort()
      return transaction
    }
    const strict = await ConsumerNode.start({ 'consumer.isolation.level': 'read_committed' })
    try {
      await run('1', 'commit')
      await run('2', 'abort')
      await run('3', 'commit')
      const open = await run('4', 'open')
      const committed = await ConsumerClient.create(strict.url, uniqueName('g'), 'i')
      const all = await member(0, uniqueName('g'), 'i')
      clients.push(committed)
      await Promise.all([committed.subscribe(topic), all.subscribe(topic)])
      const values = (records: readonly ReadRecord[]) => records.map(({ value }) => value)
      expect(values(await committed.take(2))).toEqual([1, 3])
      expect(await committed.records('?timeout=300')).toEqual([])
      expect(values(await all.take(4))).toEqual([1, 2, 3, 4])
      await open.commit()
      expect(values(await committed.take(1))).toEqual([4])
      // Past the markers: a body-less commit stands at the end.
      await committed.records('?timeout=300')
      await committed.commit()
      expect(await committed.committed(topic)).toBeGreaterThanOrEqual(7)
    } finally {
      await transactional.disconnect()
      await strict.stop()
    }
  })
})

describe('without rights - §9.25', () => {
  test('create and subscribe succeed, the read is 403 / 40301', async () => {
    const kafka = await startPrivateKafka({
      properties: {
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'allow.everyone.if.no.acl.found': 'true',
      },
    })
    // There will be no assignment that subscribing could wait for.
    const node = await ConsumerNode.start({ 'subscription.wait.ms': '1000' }, { bootstrap: kafka.address })
    try {
      const topic = uniqueName('forbidden')
      await createTopic(kafka.address, topic)
      await runJava('DenyTopic', denyTopic, { args: [kafka.address, topic] })
      const client = await ConsumerClient.create(node.url, uniqueName('g'), 'i')
      clients.push(client)
      expect((await client.subscribe(topic)).status).toBe(204)
      // The broker may learn of the ACL only now, and the consumer hears of it in the background.
      const read = await until('the broker’s refusal', async () => {
        const answer = await client.read()
        return answer.status === 200 ? undefined : answer
      })
      expect([read.status, read.json()]).toEqual([
        403,
        { error_code: 40301, message: `Not authorized to access topics: [${topic}]` },
      ])
    } finally {
      await node.stop()
      await kafka.stop()
    }
  })
})

const denyTopic = `
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.resource.*;
public class DenyTopic {
  public static void main(String[] args) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
      admin.createAcls(List.of(new AclBinding(
          new ResourcePattern(ResourceType.TOPIC, args[1], PatternType.LITERAL),
          new AccessControlEntry("User:ANONYMOUS", "*", AclOperation.ALL, AclPermissionType.DENY)))).all().get();
    }
  }
}
`
