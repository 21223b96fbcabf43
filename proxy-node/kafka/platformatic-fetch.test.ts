import { expect, test } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import type { FetchAnswer } from './fetch-answer.ts'
import { connectionLost } from './kafka-errors.ts'
import { PlatformaticFetcher } from './platformatic-fetch.ts'

const settings = {
  requestTimeoutMs: 30_000,
  partitionBytesMax: 1000,
  batchBytesMax: 1000,
  checkCrcs: true,
  answerGraceMs: 500,
  saturatedWaitMs: 100,
}

const answerOf = (topicId: string, partition: number): FetchAnswer => ({
  throttleTimeMs: 0,
  errorCode: 0,
  partitions: [
    {
      topicId,
      partition,
      errorCode: 0,
      highWatermark: 0n,
      lastStableOffset: 0n,
      logStartOffset: 0n,
      abortedTransactions: [],
      data: Buffer.alloc(0),
    },
  ],
})

/** A fetcher whose only leader answers no call until `call` is settled. */
function setUp() {
  const clock = new ManualClock()
  const outdated: string[] = []
  const call = Promise.withResolvers<never>()
  const state = { calls: 0 }
  const fetcher = new PlatformaticFetcher({
    settings,
    connections: {
      call: () => {
        state.calls += 1
        return call.promise
      },
      readsSaturated: () => false,
    },
    cluster: {
      leader: async () => ({
        broker: { id: 1, host: 'gone', port: 9092 },
        topicId: 'a4ba3c45-1c3e-4d0d-8f61-7a6d9a1e2b3c',
        leaderEpoch: 0,
      }),
      outdated: topic => void outdated.push(topic),
    },
    clock,
  })
  const read = () =>
    fetcher.fetch({
      positions: [{ topic: 't', partition: 0, offset: 0n }],
      maxBytes: 1000,
      minBytes: 1,
      maxWaitMs: 1000,
      isolation: 'read_uncommitted',
    })
  return { clock, outdated, call, state, read }
}

test('a leader that is lost after the read went on without it is looked for anew', async () => {
  const { clock, outdated, call, state, read } = setUp()
  const first = read()
  await clock.advance(1500)
  expect(await first).toEqual([])
  call.reject(connectionLost('lost'))
  await clock.advance(0)
  expect([state.calls, outdated]).toEqual([1, ['t']])
})

test('a read joins the fetch of an earlier one that is still under way, and shares its failure', async () => {
  const { clock, call, state, read } = setUp()
  const first = read()
  await clock.advance(1500)
  expect(await first).toEqual([])
  const second = read()
  await clock.advance(0)
  call.reject(connectionLost('lost'))
  expect(await second).toMatchObject([
    { topic: 't', partition: 0, records: [], error: { kind: 'CONNECTION_LOST' } },
  ])
  expect(state.calls).toBe(1)
})

test('who is asked for first comes first, whichever leader answers first', async () => {
  const topicId = 'a4ba3c45-1c3e-4d0d-8f61-7a6d9a1e2b3c'
  const sent: number[] = []
  const calls: ((partition: number) => void)[] = []
  const fetcher = new PlatformaticFetcher({
    settings,
    connections: {
      call: ({ id }) => {
        sent.push(id)
        return new Promise(resolve => {
          calls.push(partition => resolve(answerOf(topicId, partition) as never))
        })
      },
      readsSaturated: () => false,
    },
    cluster: {
      leader: async ({ partition }) => ({
        broker: { id: partition, host: 'h', port: 9092 },
        topicId,
        leaderEpoch: 0,
      }),
      outdated: () => undefined,
    },
    clock: new ManualClock(),
  })
  for (let times = 0; times < 2; times++) {
    const reading = fetcher.fetch({
      positions: [2, 1].map(partition => ({ topic: 't', partition, offset: 0n })),
      maxBytes: 1000,
      minBytes: 1,
      maxWaitMs: 0,
      isolation: 'read_uncommitted',
    })
    await new Promise(resolve => setImmediate(resolve))
    expect(sent.splice(0)).toEqual([2, 1])
    const [second, first] = calls.splice(0)
    first?.(1)
    second?.(2)
    expect((await reading).map(({ partition }) => partition)).toEqual([2, 1])
  }
})
