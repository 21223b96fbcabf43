import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import type { OffsetAnswer } from '../ports/kafka-consumer.ts'
import { brokerCodes } from './broker-codes.ts'
import { brokerError, connectionLost } from './kafka-errors.ts'
import type { CallOptions } from './platformatic-connections.ts'
import { PlatformaticOffsets } from './platformatic-offsets.ts'

const at = (partition: number) => ({ topic: 't', partition })
const isolation = 'read_uncommitted'

type Leader = number | Error

/** Look-ups of `t`, whose partition i is led by `leaders[i]` or has none for a reason; each broker is a function. */
function setUp(leaders: readonly Leader[], brokers: Readonly<Record<number, () => Promise<unknown>>>) {
  const clock = new ManualClock()
  const outdated: string[] = []
  const asked: number[] = []
  const offsets = new PlatformaticOffsets({
    settings: { requestTimeoutMs: 500, apiTimeoutMs: 2000, retryBackoffMs: 100, retryBackoffMaxMs: 1000 },
    connections: {
      call: ({ id }) => {
        asked.push(id)
        return (brokers[id]?.() ?? Promise.reject(away)) as Promise<never>
      },
    },
    cluster: {
      leader: async ({ partition }) => {
        const leader = leaders[partition] ?? away
        if (leader instanceof Error) throw leader
        return { broker: { id: leader, host: 'h', port: 9092 }, topicId: 'x', leaderEpoch: 0 }
      },
      outdated: topic => void outdated.push(topic),
    },
    coordinators: { call: () => Promise.reject(new Error('not asked for here')) },
    clock,
    random: () => 0.5,
  })
  return { clock, offsets, outdated, asked }
}

/** A broker's answer about its partitions: an offset, or an error's number. */
const answers = (partitions: Record<number, { offset?: bigint; errorCode?: number }>) => async () => ({
  topics: [
    {
      name: 't',
      partitions: Object.entries(partitions).map(([partition, { offset = -1n, errorCode = 0 }]) => ({
        partitionIndex: Number(partition),
        errorCode,
        offset,
      })),
    },
  ],
})

const away = brokerError(brokerCodes.leaderNotAvailable, { subject: 't' })

describe('asking each leader once', () => {
  const ask = async (offsets: PlatformaticOffsets, partitions: readonly number[], told: OffsetAnswer[]) =>
    offsets.askOffsets(partitions.map(at), 'latest', {
      isolation,
      onAnswer: list => told.push(...list),
    })

  test('tells of each partition; one without a leader is told of as such', async () => {
    const { offsets, outdated } = setUp([1, away, 1], {
      1: answers({ 0: { offset: 7n }, 2: { errorCode: brokerCodes.notLeaderOrFollower } }),
    })
    const told: OffsetAnswer[] = []
    await ask(offsets, [0, 1, 2], told)
    expect(told.toSorted((a, b) => a.partition - b.partition)).toMatchObject([
      { ...at(0), offset: 7n, error: undefined },
      { ...at(1), offset: undefined, error: { kind: 'LEADER_NOT_AVAILABLE' } },
      { ...at(2), offset: undefined, error: { kind: 'NOT_LEADER_OR_FOLLOWER' } },
    ])
    expect(outdated).toEqual(['t', 't'])
  })

  test('what one leader answers is told while another is silent', async () => {
    const silent = Promise.withResolvers<never>()
    const { offsets, clock } = setUp([1, 2], { 1: answers({ 0: { offset: 7n } }), 2: () => silent.promise })
    const told: OffsetAnswer[] = []
    const asking = ask(offsets, [0, 1], told)
    await clock.advance(0)
    expect(told).toMatchObject([{ ...at(0), offset: 7n }])
    silent.reject(connectionLost('lost'))
    await asking
    expect(told[1]).toMatchObject({ ...at(1), error: { kind: 'CONNECTION_LOST' } })
  })

  test('a final failure is its own partition’s too, and what the caller throws ends it', async () => {
    const { offsets } = setUp([1, 1], { 1: answers({ 0: { errorCode: 29 }, 1: { offset: 3n } }) })
    const told: OffsetAnswer[] = []
    await ask(offsets, [0, 1], told)
    expect(told).toMatchObject([{ error: { kind: 'TOPIC_AUTHORIZATION_FAILED' } }, { offset: 3n }])
    const onAnswer = () => {
      throw new Error('enough')
    }
    await expect(offsets.askOffsets([at(0)], 'latest', { isolation, onAnswer })).rejects.toThrow('enough')
  })
})

describe('finding all', () => {
  test('asks again for what has no leader only, and fails when the time is over', async () => {
    const { offsets, clock, asked } = setUp([1, away], { 1: answers({ 0: { offset: 7n } }) })
    const looking = offsets.listOffsets([at(0), at(1)], 'latest', { isolation })
    const failed = expect(looking).rejects.toMatchObject({ kind: 'LEADER_NOT_AVAILABLE' })
    await clock.advance(3000)
    await failed
    expect(asked).toEqual([1])
  })

  test('answers when the leader is there', async () => {
    const leaders: Leader[] = [1, away]
    const { offsets, clock } = setUp(leaders, {
      1: answers({ 0: { offset: 7n } }),
      2: answers({ 1: { offset: 8n } }),
    })
    const looking = offsets.listOffsets([at(0), at(1)], 'latest', { isolation })
    await clock.advance(0)
    leaders[1] = 2
    await clock.advance(1000)
    expect(await looking).toEqual([
      { ...at(0), offset: 7n },
      { ...at(1), offset: 8n },
    ])
  })

  test('fails at once with what no fresh metadata mend', async () => {
    const unknown = brokerError(brokerCodes.unknownTopicOrPartition, { subject: 't' })
    const { offsets, outdated } = setUp([1, unknown], { 1: () => new Promise(() => undefined) })
    await expect(offsets.listOffsets([at(0), at(1)], 'latest', { isolation })).rejects.toBe(unknown)
    expect(outdated).toEqual([])
  })
})

test('a commit can be called off until it is sent, and a look-up at any time', async () => {
  const calls: CallOptions[] = []
  const offsets = new PlatformaticOffsets({
    settings: { requestTimeoutMs: 1000, apiTimeoutMs: 1000, retryBackoffMs: 100, retryBackoffMaxMs: 100 },
    connections: {
      call: (_broker, options) => {
        calls.push(options)
        return Promise.reject(new Error('not sent here'))
      },
    },
    cluster: {
      leader: () => Promise.reject(new Error('not asked for here')),
      outdated: () => undefined,
    },
    coordinators: { call: (_group, _options, call) => call({ id: 1, host: 'broker', port: 9092 }) },
    clock: new ManualClock(),
    random: () => 0,
  })
  const { signal } = new AbortController()
  const partition = { topic: 't', partition: 0 }
  const commit = offsets.commit('g', undefined, [{ ...partition, offset: 1n, metadata: '' }], signal)
  await expect(commit).rejects.toThrow('not sent here')
  await expect(offsets.committed('g', [partition], signal)).rejects.toThrow('not sent here')
  expect(calls.map(call => [call.what, call.signal, call.finalOnceSent ?? false])).toEqual([
    ['A commit', signal, true],
    ['An offset look-up', signal, false],
  ])
})
