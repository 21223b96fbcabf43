import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { OpenKafka } from '../../proxy-node/open-kafka.ts'
import type { OffsetAnswer } from '../../proxy-node/ports/kafka-consumer.ts'
import { openDriver, TestMember } from '../support/consumer-driver.ts'
import { createTopic, deleteTopic } from '../support/kafka-topics.ts'
import { RecordProducer } from '../support/record-producer.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'

let driver: OpenKafka
let producer: RecordProducer
const members: TestMember[] = []
const isolation = 'read_uncommitted'

beforeAll(async () => {
  driver = openDriver(kafkaAddress())
  producer = await RecordProducer.start(kafkaAddress())
})

afterEach(async () => {
  for (const { membership } of members.splice(0)) await membership.leave()
})

afterAll(async () => {
  await producer.stop()
  await driver.stop()
})

async function newTopic(partitions = 1): Promise<string> {
  const topic = uniqueName('t')
  await createTopic(kafkaAddress(), topic, { partitions })
  return topic
}

function join(group: string, groupInstanceId: string, topics: string[]): TestMember {
  const member = new TestMember(driver, { group, groupInstanceId, topics })
  members.push(member)
  return member
}

describe('positions', () => {
  test('the start, the end, and the first record at or after a time', async () => {
    const topic = await newTopic(2)
    await producer.send(
      topic,
      [1000, 2000, 3000].map(timestamp => ({ value: 'x', timestamp })),
    )
    const at = (when: Parameters<typeof driver.consumers.listOffsets>[1]) =>
      driver.consumers.listOffsets(
        [0, 1].map(partition => ({ topic, partition })),
        when,
        { isolation },
      )
    const offsets = async (when: Parameters<typeof at>[0]) =>
      (await at(when)).toSorted((a, b) => a.partition - b.partition).map(({ offset }) => offset)
    expect(await offsets('earliest')).toEqual([0n, 0n])
    expect(await offsets('latest')).toEqual([3n, 0n])
    expect(await offsets({ timestampMs: 1500 })).toEqual([1n, undefined])
    expect(await offsets({ timestampMs: 3001 })).toEqual([undefined, undefined])
  })

  test('a topic, a partition or a partition number that does not exist', async () => {
    const topic = await newTopic()
    for (const wrong of [
      { topic: uniqueName('none'), partition: 0 },
      { topic, partition: 1 },
      { topic, partition: -1 },
      { topic, partition: 2 ** 33 },
    ]) {
      await expect(driver.consumers.listOffsets([wrong], 'latest', { isolation })).rejects.toMatchObject({
        kind: 'UNKNOWN_TOPIC_OR_PARTITION',
      })
    }
  })

  test('of each partition on its own: one that does not exist fails alone', async () => {
    const topic = await newTopic()
    await producer.send(topic, [{ value: 'x' }])
    const told: OffsetAnswer[] = []
    await driver.consumers.askOffsets(
      [1, 0].map(partition => ({ topic, partition })),
      'latest',
      { isolation, onAnswer: answers => told.push(...answers) },
    )
    expect(told.toSorted((a, b) => a.partition - b.partition)).toMatchObject([
      { topic, partition: 0, offset: 1n, error: undefined },
      { topic, partition: 1, offset: undefined, error: { kind: 'UNKNOWN_TOPIC_OR_PARTITION' } },
    ])
  })

  test('nothing asked, nothing answered', async () => {
    expect(await driver.consumers.listOffsets([], 'latest', { isolation })).toEqual([])
    expect(await driver.consumers.committed(uniqueName('g'), [])).toEqual([])
    await driver.consumers.commit(uniqueName('g'), undefined, [])
  })
})

describe('commits of a group without members', () => {
  test('come back with their metadata, up to the largest offset; what has none is left out', async () => {
    const topic = await newTopic(3)
    const group = uniqueName('g')
    const largest = 2n ** 63n - 1n
    await driver.consumers.commit(group, undefined, [
      { topic, partition: 0, offset: 7n, metadata: 'müsli' },
      { topic, partition: 1, offset: largest, metadata: '' },
    ])
    const asked = [0, 1, 2, 99, -1, 2 ** 33].map(partition => ({ topic, partition }))
    const committed = await driver.consumers.committed(group, [
      ...asked,
      { topic: uniqueName('none'), partition: 0 },
    ])
    expect(committed.toSorted((a, b) => a.partition - b.partition)).toEqual([
      { topic, partition: 0, offset: 7n, metadata: 'müsli' },
      { topic, partition: 1, offset: largest, metadata: '' },
    ])
  })

  test('of one group need one look-up of its coordinator', async () => {
    const topic = await newTopic()
    const group = uniqueName('g')
    const calls = vi.spyOn(driver.connections, 'call')
    await Promise.all([1, 2, 3].map(() => driver.consumers.committed(group, [{ topic, partition: 0 }])))
    await driver.consumers.commit(group, undefined, [{ topic, partition: 0, offset: 1n, metadata: '' }])
    const asked = calls.mock.calls.map(([, { what }]) => what)
    calls.mockRestore()
    expect(asked.filter(what => what.includes('coordinator'))).toHaveLength(1)
  })

  test('may go back', async () => {
    const topic = await newTopic()
    const group = uniqueName('g')
    for (const offset of [10n, 3n]) {
      await driver.consumers.commit(group, undefined, [{ topic, partition: 0, offset, metadata: '' }])
    }
    expect(await driver.consumers.committed(group, [{ topic, partition: 0 }])).toMatchObject([{ offset: 3n }])
  })

  test('a topic or partition that does not exist is refused', async () => {
    const topic = await newTopic()
    for (const wrong of [
      { topic: uniqueName('none'), partition: 0 },
      { topic, partition: 9 },
      { topic, partition: -1 },
    ]) {
      const commit = driver.consumers.commit(uniqueName('g'), undefined, [
        { ...wrong, offset: 1n, metadata: '' },
      ])
      await expect(commit).rejects.toMatchObject({ kind: 'UNKNOWN_TOPIC_OR_PARTITION' })
    }
  })

  test('metadata over the broker’s bound is refused', async () => {
    const topic = await newTopic()
    const commit = driver.consumers.commit(uniqueName('g'), undefined, [
      { topic, partition: 0, offset: 1n, metadata: 'x'.repeat(5000) },
    ])
    await expect(commit).rejects.toMatchObject({ kind: 'OFFSET_METADATA_TOO_LARGE' })
  })
})

describe('commits of a member', () => {
  test('carry its identity; without one the group refuses', async () => {
    const topic = await newTopic()
    const group = uniqueName('g')
    const { membership, ...member } = join(group, 'i', [topic])
    await membership.settled(20_000)
    const offsets = [{ topic, partition: 0, offset: 5n, metadata: '' }]
    await driver.consumers.commit(group, membership.member, offsets)
    expect(await driver.consumers.committed(group, offsets)).toEqual(offsets)
    await expect(driver.consumers.commit(group, undefined, offsets)).rejects.toMatchObject({
      kind: 'UNKNOWN_MEMBER_ID',
    })
    expect(member.fenced).toBe(false)
  })

  test('of an older generation are refused, and nothing is moved or joined', async () => {
    const topic = await newTopic(2)
    const group = uniqueName('g')
    const first = join(group, 'i1', [topic])
    await first.membership.settled(20_000)
    const stale = first.membership.member
    const second = join(group, 'i2', [topic])
    await first.untilPartitions(`${topic}/0`)
    await second.untilPartitions(`${topic}/1`)
    await driver.consumers.commit(group, second.membership.member, [
      { topic, partition: 1, offset: 100n, metadata: '' },
    ])
    const late = driver.consumers.commit(group, stale, [{ topic, partition: 1, offset: 10n, metadata: '' }])
    await expect(late).rejects.toMatchObject({ kind: 'ILLEGAL_GENERATION', retriable: false })
    expect(await driver.consumers.committed(group, [{ topic, partition: 1 }])).toMatchObject([
      { offset: 100n },
    ])
    expect(first.membership.member?.generation).toBe(second.membership.member?.generation)
  })

  test('of a member that another has taken over are refused as fenced', async () => {
    const topic = await newTopic()
    const group = uniqueName('g')
    const first = join(group, 'i', [topic])
    await first.membership.settled(20_000)
    const old = first.membership.member
    const successor = join(group, 'i', [topic])
    await successor.membership.settled(20_000)
    const offsets = [{ topic, partition: 0, offset: 9n, metadata: '' }]
    await expect(driver.consumers.commit(group, old, offsets)).rejects.toMatchObject({
      kind: 'FENCED_INSTANCE_ID',
    })
    await driver.consumers.commit(group, successor.membership.member, offsets)
  })

  test('of a topic that was deleted are refused; the member lives on', async () => {
    const [kept, gone] = [await newTopic(), await newTopic()]
    const group = uniqueName('g')
    const { membership } = join(group, 'i', [kept, gone])
    await membership.settled(20_000)
    await deleteTopic(kafkaAddress(), gone)
    const commit = driver.consumers.commit(group, membership.member, [
      { topic: gone, partition: 0, offset: 1n, metadata: '' },
    ])
    await expect(commit).rejects.toMatchObject({
      kind: expect.stringMatching(/UNKNOWN_TOPIC|GENERATION|REBALANCE/),
    })
    await membership.settled(20_000)
    expect(membership.problem).toBeUndefined()
  })
})
