import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../shared/observability/logger.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import type { PartitionMetadata, TopicMetadata } from '../ports/kafka-cluster.ts'
import type { OffsetAnswer } from '../ports/kafka-consumer.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import { Changes } from './changes.ts'
import type { ResetPolicy } from './instance-settings.ts'
import { PositionResolver, type PositionResolverDeps } from './position-resolver.ts'
import { keyOf, Positions } from './positions.ts'

const t0 = { topic: 't', partition: 0 }
const t1 = { topic: 't', partition: 1 }
const member = { memberId: 'm', groupInstanceId: 'i', generation: 1 }

const partition = (number: number): PartitionMetadata => ({
  partition: number,
  leader: 0,
  leaderEpoch: 0,
  replicas: [],
  inSyncReplicas: [],
})
const topic = (name: string): TopicMetadata => ({
  name,
  id: '',
  internal: false,
  partitions: [partition(0), partition(1)],
})

const passing = new KafkaError('CONNECTION_LOST', { code: -1, retriable: true, text: 'lost' })
const final = new KafkaError('GROUP_AUTHORIZATION_FAILED', { code: 30, retriable: false, text: 'no' })

/** A resolver over a broker where t-0 was committed at 7, and t begins at 3 and ends at 9. */
function resolving(policy: ResetPolicy, overrides: Partial<PositionResolverDeps> = {}) {
  const clock = new ManualClock()
  const positions = new Positions()
  const closing = new AbortController()
  const asked: unknown[] = []
  const resolver = new PositionResolver({
    group: 'g',
    consumers: {
      committed: async () => [{ ...t0, offset: 7n, metadata: '' }],
      askOffsets: async (partitions, at, { onAnswer }) => {
        asked.push(at)
        const offset = at === 'earliest' ? 3n : at === 'latest' ? 9n : undefined
        onAnswer(partitions.map(where => ({ ...where, offset, error: undefined })))
      },
    },
    cluster: { topicWith: async ({ topic: name }) => (name === 't' ? topic(name) : undefined) },
    positions,
    changes: new Changes(),
    policy,
    isolation: 'read_committed',
    clock,
    onResolved: () => undefined,
    log: silentLogger,
    closed: closing.signal,
    ...overrides,
  })
  /** Resolves one attempt. */
  const settle = async () => {
    resolver.start()
    await clock.advance(0)
    while (resolver.busy) await clock.advance(0)
  }
  return { clock, positions, resolver, asked, settle, closing }
}

const offsets = (positions: Positions) => positions.readable().map(({ offset }) => offset)

test('the committed offset, else the reset policy', async () => {
  const { positions, settle } = resolving({ from: 'earliest' })
  positions.assignGeneration([t0, t1], member)
  await settle()
  expect(offsets(positions)).toEqual([7n, 3n])
  // Only what the policy found has to be committed.
  expect(positions.uncommitted()).toMatchObject([{ ...t1, offset: 3n }])
})

test('none is a failure for the client, and the committed ones are resolved all the same', async () => {
  const { positions, resolver, settle } = resolving({ from: 'none' })
  positions.assignGeneration([t0, t1], member)
  await settle()
  expect(offsets(positions)).toEqual([7n])
  expect(resolver.failure?.message).toBe('Undefined offset with no reset policy for partitions: [t-1]')
  positions.seek(t1, 0n)
  await settle()
  expect(resolver.failure).toBeUndefined()
})

test('by_duration that finds nothing young enough takes the end', async () => {
  const { positions, asked, settle, clock } = resolving({ from: 'duration', durationMs: 400 })
  positions.assignGeneration([t1], member)
  await settle()
  expect(asked).toEqual([{ timestampMs: clock.now() - 400 }, 'latest'])
  expect(offsets(positions)).toEqual([9n])
})

test('an out-of-range position is found by the policy, not by the commit; an end that was sought is that end', async () => {
  const { positions, settle } = resolving({ from: 'latest' })
  positions.assignGeneration([t0, t1], member)
  await settle()
  const [first] = positions.readable()
  if (first) positions.reset(first)
  positions.seekTo(t1, 'earliest')
  await settle()
  expect(offsets(positions)).toEqual([9n, 3n])
})

test('what can be no topic or partition is not asked for', async () => {
  const looked: unknown[] = []
  const topicWith: PositionResolverDeps['cluster']['topicWith'] = async where => {
    looked.push(where)
    return topic('t')
  }
  const { positions, settle } = resolving({ from: 'earliest' }, { cluster: { topicWith } })
  positions.assignManually([t0, { topic: 'x'.repeat(40_000), partition: 0 }, { topic: 'u', partition: -1 }])
  await settle()
  expect([looked, offsets(positions)]).toEqual([[t0], [7n]])
})

test('partitions that do not exist stay open and hold back nothing', async () => {
  const { positions, settle } = resolving({ from: 'earliest' })
  positions.assignManually([t0, { topic: 't', partition: 5 }, { topic: 'missing', partition: 0 }])
  await settle()
  expect(offsets(positions)).toEqual([7n])
  expect(positions.unresolved()).toHaveLength(2)
})

test('a failure that may pass is tried again by itself', async () => {
  let tries = 0
  const { positions, resolver, clock, settle } = resolving(
    { from: 'earliest' },
    {
      consumers: {
        committed: async () => {
          tries++
          if (tries === 1) throw passing
          return []
        },
        askOffsets: async (partitions, _at, { onAnswer }) =>
          onAnswer(partitions.map(where => ({ ...where, offset: 1n, error: undefined }))),
      },
    },
  )
  positions.assignGeneration([t0], member)
  await settle()
  expect([offsets(positions), resolver.failure]).toEqual([[], undefined])
  await clock.advance(1000)
  await clock.advance(0)
  expect(offsets(positions)).toEqual([1n])
})

test('a failure that does not pass is kept for the client until another attempt', async () => {
  const { positions, resolver, settle } = resolving(
    { from: 'earliest' },
    { consumers: { committed: () => Promise.reject(final), askOffsets: async () => undefined } },
  )
  positions.assignGeneration([t0], member)
  await settle()
  expect(resolver.failure).toBe(final)
})

test('an instance that is closed looks for nothing', async () => {
  const { positions, resolver, closing, settle } = resolving({ from: 'earliest' })
  positions.assignGeneration([t0], member)
  closing.abort()
  await settle()
  expect([offsets(positions), resolver.busy]).toEqual([[], false])
})

test('what was just looked for in vain is not looked for again at once by a read', async () => {
  let looks = 0
  const { positions, resolver, clock, settle } = resolving(
    { from: 'earliest' },
    {
      cluster: {
        topicWith: async () => {
          looks += 1
          return topic('t')
        },
      },
    },
  )
  positions.assignManually([{ topic: 't', partition: 9 }])
  await settle()
  expect(looks).toBe(1)
  resolver.lookAgain()
  expect(resolver.busy).toBe(false)
  await clock.advance(100)
  resolver.lookAgain()
  await clock.advance(0)
  expect(looks).toBe(2)
})

test('only positions that were found are told, and failures that follow each other leave one retry', async () => {
  let told = 0
  let tries = 0
  const { positions, resolver, clock, settle } = resolving(
    { from: 'earliest' },
    {
      cluster: {
        topicWith: async ({ topic: name }) => {
          tries += 1
          if (tries <= 3) throw passing
          return name === 't' ? topic(name) : undefined
        },
      },
      onResolved: () => {
        told += 1
      },
    },
  )
  positions.assignManually([{ topic: 'missing', partition: 0 }])
  for (let round = 0; round < 3; round++) await settle()
  await clock.advance(1000)
  while (resolver.busy) await clock.advance(0)
  expect([tries, told]).toEqual([4, 0])
  positions.assignManually([t0])
  await settle()
  expect(told).toBe(1)
})

test('the metadata of a topic has to know its highest partition', async () => {
  const asked: unknown[] = []
  const { positions, settle } = resolving(
    { from: 'earliest' },
    {
      cluster: {
        topicWith: async wanted => {
          asked.push(wanted)
          return topic(wanted.topic)
        },
      },
    },
  )
  positions.assignManually([t1, t0])
  await settle()
  expect(asked).toEqual([t1])
})

describe('a partition whose leader is away', () => {
  const other: PositionResolverDeps['cluster'] = { topicWith: async ({ topic: name }) => topic(name) }

  /** A resolver over two leaders: what is asked of t-1 is answered when the test does, of the others at once. */
  function withSilentLeader(policy: ResetPolicy, overrides: Partial<PositionResolverDeps> = {}) {
    const silent: ((answer: Pick<OffsetAnswer, 'offset' | 'error'>) => void)[] = []
    const found: string[] = []
    const rig = resolving(policy, {
      cluster: other,
      consumers: {
        committed: async () => [],
        askOffsets: async (partitions, at, { onAnswer }) => {
          const isSilent = ({ topic: name, partition }: typeof t0) => name === 't' && partition === 1
          const [late] = partitions.filter(isSilent)
          const offset = at === 'earliest' ? 3n : 9n
          onAnswer(
            partitions.filter(one => !isSilent(one)).map(one => ({ ...one, offset, error: undefined })),
          )
          if (late === undefined) return
          const { promise, resolve } = Promise.withResolvers<Pick<OffsetAnswer, 'offset' | 'error'>>()
          silent.push(resolve)
          onAnswer([{ ...late, ...(await promise) }])
        },
      },
      onResolved: () => found.push(rig.positions.readable().map(keyOf).join(' ')),
      ...overrides,
    })
    const start = async () => {
      rig.resolver.start()
      await rig.clock.advance(0)
    }
    return { ...rig, silent, found, start }
  }

  test('holds up no other: what is found counts at once', async () => {
    const { positions, found, start } = withSilentLeader({ from: 'latest' })
    positions.assignGeneration([t0, t1], member)
    await start()
    expect([offsets(positions), found]).toEqual([[9n], ['t/0']])
  })

  test('holds up no seek and no new partition, and is not asked twice', async () => {
    const { positions, silent, start, clock } = withSilentLeader({ from: 'latest' })
    positions.assignManually([t0, t1])
    await start()
    positions.seekTo(t0, 'earliest')
    await start()
    expect(offsets(positions)).toEqual([3n])
    positions.assignManually([t0, t1, { topic: 'u', partition: 0 }])
    await start()
    expect(offsets(positions)).toEqual([3n, 9n])
    expect(silent).toHaveLength(1)
    silent[0]?.({ offset: 5n, error: undefined })
    await clock.advance(0)
    expect(positions.unresolved()).toEqual([])
  })

  test('is tried again alone', async () => {
    const { positions, silent, start, clock, resolver } = withSilentLeader({ from: 'earliest' })
    positions.assignGeneration([t0, t1], member)
    await start()
    silent[0]?.({ offset: undefined, error: passing })
    await clock.advance(0)
    expect([resolver.busy, resolver.failure]).toEqual([false, undefined])
    await start()
    expect(silent).toHaveLength(1)
    await clock.advance(1000)
    expect(silent).toHaveLength(2)
    silent[1]?.({ offset: 4n, error: undefined })
    await clock.advance(0)
    expect(offsets(positions)).toEqual([3n, 4n])
  })

  test('and was sought meanwhile is looked for where it was sought to, when the older look-up has ended', async () => {
    let looks = 0
    const topicWith = async ({ topic: name }: typeof t0) => {
      looks += 1
      return name === 't' ? topic(name) : undefined
    }
    const { positions, silent, start, clock } = withSilentLeader(
      { from: 'latest' },
      { cluster: { topicWith } },
    )
    positions.assignManually([t1, { topic: 'missing', partition: 0 }])
    positions.seekTo(t1, 'latest')
    await start()
    for (let times = 0; times < 3; times++) {
      positions.seekTo(t1, 'latest')
      await start()
    }
    expect(silent).toHaveLength(1)
    // Of both topics, then of the one that does not exist at each start: nothing goes on by itself.
    expect(looks).toBe(5)
    silent[0]?.({ offset: 5n, error: undefined })
    await clock.advance(0)
    expect([offsets(positions), silent.length]).toEqual([[], 2])
    silent[1]?.({ offset: 6n, error: undefined })
    await clock.advance(0)
    expect(offsets(positions)).toEqual([6n])
  })

  test('does not hide what another one failed with, nor that this is over', async () => {
    const { positions, resolver, start } = withSilentLeader({ from: 'none' })
    positions.assignManually([t0, t1])
    positions.seekTo(t1, 'latest')
    await start()
    await start()
    expect([resolver.busy, resolver.rechecking]).toEqual([true, false])
    expect(resolver.failure?.message).toBe('Undefined offset with no reset policy for partitions: [t-0]')
    positions.seek(t0, 1n)
    expect(resolver.failure).toBeUndefined()
  })

  test('does not keep others from falling back to the end', async () => {
    const { positions, resolver, clock } = resolving(
      { from: 'duration', durationMs: 5 },
      {
        consumers: {
          committed: async () => [],
          askOffsets: async (partitions, at, { onAnswer }) => {
            onAnswer([{ ...t0, offset: at === 'latest' ? 9n : undefined, error: undefined }])
            if (partitions.length > 1) await new Promise(() => undefined)
          },
        },
      },
    )
    positions.assignManually([t0, t1])
    resolver.start()
    await clock.advance(0)
    expect(offsets(positions)).toEqual([9n])
  })

  test('a topic that cannot be looked at now holds up no other, and neither does one that does not exist', async () => {
    const there = new Set(['t'])
    const { positions, silent, start } = withSilentLeader(
      { from: 'latest' },
      {
        cluster: {
          topicWith: async ({ topic: name }) => {
            if (name === 'away') throw passing
            return there.has(name) ? topic(name) : undefined
          },
        },
      },
    )
    positions.assignManually([{ topic: 'away', partition: 0 }, { topic: 'u', partition: 0 }, t0, t1])
    await start()
    expect(offsets(positions)).toEqual([9n])
    there.add('u')
    await start()
    expect(offsets(positions)).toEqual([9n, 9n])
    expect(silent).toHaveLength(1)
  })
})
