import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { LocalKafka } from '../../infra/local/kafka.ts'
import type { OpenKafka } from '../../proxy-node/open-kafka.ts'
import { all, fetchOne, openDriver, readTo, TestMember } from '../support/consumer-driver.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { RecordProducer } from '../support/record-producer.ts'
import { startPrivateKafka, uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

/** On a broker of its own, which is stopped, killed and held. */
let kafka: LocalKafka
let driver: OpenKafka
const members: TestMember[] = []
const isolation = 'read_uncommitted'

beforeAll(async () => {
  kafka = await startPrivateKafka({
    properties: { 'log.cleaner.backoff.ms': '100', 'group.min.session.timeout.ms': '1000' },
  })
  driver = openDriver(kafka.address, {
    'kafka.request.timeout.ms': '5000',
    // Commits and look-ups wait until the broker has started again.
    'kafka.api.timeout.ms': '120000',
  })
})

afterEach(async () => {
  await Promise.all(members.splice(0).map(({ membership }) => membership.leave()))
})

afterAll(async () => {
  await driver.stop()
  await kafka.stop()
})

async function produce(topic: string, values: readonly string[], key = 'k'): Promise<void> {
  const producer = await RecordProducer.start(kafka.address)
  await producer.send(
    topic,
    values.map(value => ({ key, value })),
  )
  await producer.stop()
}

async function newMember(
  sessionTimeoutMs = 10_000,
): Promise<{ topic: string; group: string; member: TestMember }> {
  const [topic, group] = [uniqueName('t'), uniqueName('g')]
  await createTopic(kafka.address, topic, { partitions: 2 })
  const member = new TestMember(driver, { group, groupInstanceId: 'i', topics: [topic], sessionTimeoutMs })
  members.push(member)
  await member.untilPartitions(all(topic, 2))
  return { topic, group, member }
}

describe('compaction', () => {
  test('reads walk through the gaps and come to the end', async () => {
    const topic = uniqueName('compacted')
    const configs = { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0.01', 'segment.ms': '100' }
    await createTopic(kafka.address, topic, { configs })
    for (let round = 0; round < 20; round++) {
      await produce(topic, [`a ${round}`, `a ${round}, again`], 'a')
      await produce(topic, [`b ${round}`], round < 3 ? 'gone' : 'b')
    }
    await produce(topic, [`gone for good`], 'gone')
    const end = 61n
    const readFrom = async (offset: bigint) => {
      const records = await readTo(driver, { topic, partition: 0, offset }, end, { maxBytes: 200 })
      return records.filter(record => record.offset < end).map(({ value }) => value?.toString())
    }
    const latest = ['a 19, again', 'b 19', 'gone for good']
    await until(
      'only the latest record of each key is left',
      async () => {
        // A write rolls the segment, and only closed segments are compacted.
        await produce(topic, ['roll'], 'roll')
        return (await readFrom(0n)).join() === latest.join()
      },
      { timeoutMs: 60_000, intervalMs: 500 },
    )
    // From inside the gap too.
    expect(await readFrom(10n)).toEqual(latest)
  }, 120_000)
})

describe.each([
  { how: 'stopped', end: () => kafka.stop() },
  { how: 'killed', end: () => kafka.kill() },
])('a broker that is $how and started again', ({ end }) => {
  test('members, reads, look-ups and commits go on', async () => {
    const { topic, group, member } = await newMember(60_000)
    await produce(topic, ['before'])
    expect((await fetchOne(driver, { topic, partition: 0, offset: 0n })).records).toHaveLength(1)
    await end()
    const down = await fetchOne(driver, { topic, partition: 0, offset: 1n })
    expect(down.error).toMatchObject({ retriable: true })
    await expect(driver.cluster.ping(2000)).rejects.toMatchObject({ retriable: true })
    // These two wait for the broker.
    const offsets = [{ topic, partition: 0, offset: 1n, metadata: '' }]
    const committing = driver.consumers.commit(group, member.membership.member, offsets)
    const looking = driver.consumers.listOffsets([{ topic, partition: 0 }], 'latest', { isolation })
    await kafka.restart()
    await committing
    expect(await looking).toMatchObject([{ offset: 1n }])
    await until('the member holds its partitions', () => member.partitions === all(topic, 2))
    expect(member.fenced).toBe(false)
    expect(member.membership.problem).toBeUndefined()
    await produce(topic, ['after'])
    const records = await readTo(driver, { topic, partition: 0, offset: 1n }, 2n)
    expect(records.map(({ value }) => value?.toString())).toEqual(['after'])
    const { membership } = member
    await until('it commits', () =>
      driver.consumers.commit(group, membership.member, offsets).then(() => true),
    )
    await until('nothing is left in use', () => driver.connections.counts().leased === 0)
  }, 300_000)
})

describe('a broker that stands still', () => {
  test('calls time out; a member holds nothing beyond its session, and comes back', async () => {
    const own = openDriver(kafka.address, {
      'kafka.request.timeout.ms': '1000',
      'kafka.api.timeout.ms': '1500',
    })
    try {
      const { topic, member } = await newMember(3000)
      await own.cluster.topic(topic)
      kafka.process.signal('SIGSTOP')
      // A signal takes effect a moment later; a look-up sent before that is answered.
      await until('the broker to stand still', () =>
        / T /.test(readFileSync(`/proc/${kafka.process.pid}/stat`, 'utf8')),
      )
      const look = own.consumers.listOffsets([{ topic, partition: 0 }], 'latest', { isolation })
      await expect(look).rejects.toMatchObject({ kind: 'TIMED_OUT', retriable: true })
      await until('the session is over', () => member.membership.member === undefined)
      expect(member.membership.assignment).toEqual([])
      await until('it was told', () => member.events.at(-1)?.startsWith('revoked'))
      kafka.process.signal('SIGCONT')
      await member.untilPartitions(all(topic, 2))
      expect(member.fenced).toBe(false)
    } finally {
      kafka.process.signal('SIGCONT')
      await own.stop()
    }
  }, 120_000)

  test('leaving is bounded', async () => {
    const own = openDriver(kafka.address, { 'membership.leave.timeout.ms': '500' })
    const topic = uniqueName('t')
    await createTopic(kafka.address, topic)
    const member = new TestMember(own, { group: uniqueName('g'), groupInstanceId: 'i', topics: [topic] })
    await member.untilPartitions(all(topic, 1))
    kafka.process.signal('SIGSTOP')
    try {
      await member.membership.leave()
      await own.stop()
      expect(own.connections.counts().open).toBe(0)
    } finally {
      kafka.process.signal('SIGCONT')
    }
  })
})
