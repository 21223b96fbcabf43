import { Admin } from '@platformatic/kafka'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { OpenKafka } from '../../proxy-node/open-kafka.ts'
import type { FetchedPartition, OffsetAnswer } from '../../proxy-node/ports/kafka-consumer.ts'
import { all, fetchOne, openDriver, readTo, TestMember } from '../support/consumer-driver.ts'
import { KafkaTestCluster } from '../support/kafka-cluster.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { RecordProducer } from '../support/record-producer.ts'
import { uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

/** On three brokers: several leaders in one read, leaders and coordinators that move. */
let kafka: KafkaTestCluster
let driver: OpenKafka
const members: TestMember[] = []
const isolation = 'read_uncommitted'

beforeAll(async () => {
  kafka = await KafkaTestCluster.start()
  driver = openDriver(kafka.addresses, {
    // A fetch at a broker that stands still outlives the reads that end without it, on a slow machine too.
    'kafka.request.timeout.ms': '20000',
    // What the others have must come within it.
    'kafka.reads.answer.grace.ms': '3000',
    // A leader or coordinator that moves on a busy machine.
    'kafka.api.timeout.ms': '90000',
  })
}, 300_000)

afterEach(async () => {
  await Promise.all(members.splice(0).map(({ membership }) => membership.leave()))
})

afterAll(async () => {
  await driver?.stop()
  await kafka?.stop()
})

/** A topic with one partition on each broker; `leaders[i]` leads partition i. */
async function spreadTopic(replicas = 3): Promise<{ topic: string; leaders: number[] }> {
  const topic = uniqueName('t')
  // One that has just started takes no replicas yet.
  await until('all brokers are there', async () => (await driver.cluster.brokers()).length === 3)
  await createTopic(kafka.addresses[0] ?? '', topic, { partitions: 3, replicas })
  // The driver may ask a broker that has not heard of all of it yet.
  const leaders = await until('the leaders are known', async () => {
    driver.cluster.outdated(topic)
    const partitions = (await driver.cluster.topic(topic))?.partitions ?? []
    return partitions.length === 3 && partitions.every(({ leader }) => leader > 0) && partitions
  })
  return { topic, leaders: leaders.map(({ leader }) => leader) }
}

async function produce(topic: string, values: readonly string[], partition = 0): Promise<void> {
  const producer = await RecordProducer.start(kafka.addresses[0] ?? '')
  await producer.send(
    topic,
    values.map(value => ({ value, partition })),
  )
  await producer.stop()
}

function fetchAll(topic: string, offsets: readonly bigint[]): Promise<readonly FetchedPartition[]> {
  return driver.consumers.fetch({
    positions: offsets.map((offset, partition) => ({ topic, partition, offset })),
    maxBytes: 1_000_000,
    minBytes: 1,
    maxWaitMs: 500,
    isolation,
  })
}

describe('several leaders', () => {
  test('one read brings what all of them have', async () => {
    const { topic, leaders } = await spreadTopic()
    expect(new Set(leaders).size).toBe(3)
    for (const partition of [0, 1, 2]) await produce(topic, [`p${partition}`], partition)
    // A leader that is late on a busy machine is left out, so not each read need have all.
    const fetched = await until('one read brings three records', async () => {
      const records = (await fetchAll(topic, [0n, 0n, 0n])).flatMap(each => each.records)
      return records.length === 3 && records
    })
    expect(fetched.map(({ value }) => value?.toString()).sort()).toEqual(['p0', 'p1', 'p2'])
  })

  test('a record at one of them ends the wait, and the next reads leave no waiting fetches behind', async () => {
    const { topic } = await spreadTopic()
    const producer = await RecordProducer.start(kafka.addresses[0] ?? '')
    let offset = 0n
    for (let round = 0; round < 20; round++) {
      const reading = fetchAll(topic, [offset, 0n, 0n])
      await producer.send(topic, [{ value: `r${round}` }])
      const fetched = await reading
      const busy = fetched.find(({ partition }) => partition === 0)
      if (busy?.records.length) offset = busy.nextOffset
      // Two idle leaders hold one fetch each, and the busy one at most a fetch that is about to be answered.
      expect(driver.connections.counts().leased).toBeLessThanOrEqual(4)
    }
    await producer.stop()
    expect(offset).toBeGreaterThan(0n)
    await readTo(driver, { topic, partition: 0, offset }, 20n)
  })
})

describe('a broker that dies', () => {
  test('its leaders move; the others are read on meanwhile, look-ups and commits go on', async () => {
    const { topic, leaders } = await spreadTopic()
    for (const partition of [0, 1, 2]) await produce(topic, ['before'], partition)
    const [dead = 0] = leaders
    // Known, and asked for by nobody when its leader dies.
    const quiet = await spreadTopic()
    const ofDead = quiet.leaders.indexOf(dead)
    await produce(quiet.topic, ['quiet'], ofDead)
    // Without a leader as long as its broker is dead.
    const single = await spreadTopic(1)
    await kafka.kill(dead)
    const fetched = await fetchAll(topic, [0n, 0n, 0n])
    const alive = fetched.filter(({ error }) => error === undefined)
    for (const { error } of fetched) if (error) expect(error).toMatchObject({ retriable: true })
    expect(alive.every(({ records }) => records.length === 1)).toBe(true)
    expect(await readTo(driver, { topic, partition: 0, offset: 0n }, 1n)).toHaveLength(1)
    const positions = [0, 1, 2].map(partition => ({ topic, partition }))
    const ends = await driver.consumers.listOffsets(positions, 'latest', { isolation })
    expect(ends.map(({ offset }) => offset)).toEqual([1n, 1n, 1n])
    expect(
      await until('the dead broker is gone', async () => (await driver.cluster.brokers()).length === 2),
    ).toBe(true)
    await until('the quiet topic is read at its new leader', async () => {
      const fetched = await fetchOne(driver, { topic: quiet.topic, partition: ofDead, offset: 0n })
      if (fetched.error) expect(fetched.error).toMatchObject({ retriable: true })
      return fetched.records.length === 1
    })
    const told: OffsetAnswer[] = []
    await driver.consumers.askOffsets(
      single.leaders.map((_, partition) => ({ topic: single.topic, partition })),
      'latest',
      { isolation, onAnswer: answers => told.push(...answers) },
    )
    expect(told.toSorted((a, b) => a.partition - b.partition)).toMatchObject(
      single.leaders.map((leader, partition) =>
        leader === dead ? { partition, error: { retriable: true } } : { partition, offset: 0n },
      ),
    )
    await kafka.restart(dead)
    await until('it is back', async () => (await driver.cluster.brokers()).length === 3)
  }, 300_000)

  test('the coordinator moves: members keep their partitions and their generation, commits go on', async () => {
    const { topic } = await spreadTopic()
    const group = uniqueName('g')
    const join = (groupInstanceId: string) => {
      const member = new TestMember(driver, {
        group,
        groupInstanceId,
        topics: [topic],
        // Only the coordinator dies.
        sessionTimeoutMs: 60_000,
      })
      members.push(member)
      return member
    }
    const a = join('a')
    await a.untilPartitions(all(topic, 3))
    const b = join('b')
    await b.untilPartitions(`${topic}/2`)
    await a.untilPartitions(all(topic, 2))
    const coordinator = await coordinatorOf(group)
    await kafka.kill(coordinator)
    const offsets = [{ topic, partition: 2, offset: 5n, metadata: '' }]
    await driver.consumers.commit(group, b.membership.member, offsets)
    expect(await driver.consumers.committed(group, offsets)).toEqual(offsets)
    // Both are known to the new coordinator, which reads the group from its log.
    const c = join('c')
    await c.untilPartitions(`${topic}/2`)
    await b.untilPartitions(`${topic}/1`)
    await a.untilPartitions(`${topic}/0`)
    expect([a, b].map(({ fenced }) => fenced)).toEqual([false, false])
    expect([a, b].map(({ events }) => events.filter(event => event.startsWith('revoked')).length)).toEqual([
      2, 1,
    ])
    await kafka.restart(coordinator)
  }, 300_000)
})

describe('a broker that stands still', () => {
  test('what others lead is read meanwhile', async () => {
    const { topic, leaders } = await spreadTopic()
    await produce(topic, ['x'], 1)
    const held = leaders[0] ?? 0
    // Its fetches end before its reads go on without them: the time-out shows, whoever leads by then.
    const impatient = openDriver(kafka.addresses, {
      'kafka.request.timeout.ms': '500',
      'kafka.reads.answer.grace.ms': '30000',
    })
    await until('it knows who leads', async () => {
      impatient.cluster.outdated(topic)
      return (await impatient.cluster.topic(topic))?.partitions[0]?.leader === held
    })
    kafka.signal(held, 'SIGSTOP')
    try {
      const fetched = await fetchOne(driver, { topic, partition: 1, offset: 0n })
      expect(fetched.records).toHaveLength(1)
      const both = await fetchAll(topic, [0n, 0n])
      expect(both.map(({ partition, records }) => ({ partition, count: records.length }))).toEqual([
        { partition: 1, count: 1 },
      ])
      // Positions at the others are found before anything is known of its own.
      const told: OffsetAnswer[] = []
      const enough = new AbortController()
      const looking = driver.consumers.askOffsets(
        [0, 1].map(partition => ({ topic, partition })),
        'latest',
        { isolation, signal: enough.signal, onAnswer: answers => told.push(...answers) },
      )
      const given = expect(looking).rejects.toThrow('enough')
      await until('another leader has answered', () => told.length > 0)
      expect(told).toMatchObject([{ topic, partition: 1, offset: 1n, error: undefined }])
      enough.abort(new Error('enough'))
      await given
      // A read of nothing else is over too, without an answer; the fetch ends by its time-out.
      expect(await fetchAll(topic, [0n])).toEqual([])
      const late = await fetchOne(impatient, { topic, partition: 0, offset: 0n })
      expect(late.error).toMatchObject({ retriable: true })
    } finally {
      kafka.signal(held, 'SIGCONT')
      await impatient.stop()
    }
  }, 300_000)
})

async function coordinatorOf(group: string): Promise<number> {
  const admin = new Admin({ clientId: 'test', bootstrapBrokers: kafka.addresses })
  try {
    const described = await admin.findCoordinator({ keyType: 0, keys: [group] })
    return described[0]?.nodeId ?? -1
  } finally {
    await admin.close()
  }
}
