import { expect, test } from 'vitest'
import { silentLogger } from '../../shared/observability/logger.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import type { PartitionMetadata, TopicMetadata } from '../ports/kafka-cluster.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import { Changes } from './changes.ts'
import type { ResetPolicy } from './instance-settings.ts'
import { PositionResolver, type PositionResolverDeps } from './position-resolver.ts'
import { Positions } from './positions.ts'

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
      listOffsets: async (partitions, at) => {
        asked.push(at)
        const offset = at === 'earliest' ? 3n : at === 'latest' ? 9n : undefined
        return partitions.map(where => ({ ...where, offset }))
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
        listOffsets: async partitions => partitions.map(where => ({ ...where, offset: 1n })),
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
    { consumers: { committed: () => Promise.reject(final), listOffsets: async () => [] } },
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
