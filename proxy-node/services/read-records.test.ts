import { describe, expect, test } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { jsonFormat } from '../formats/json.ts'
import type { TopicPartition } from '../ports/kafka-cluster.ts'
import type { FetchedPartition, FetchedRecord, FetchRequest } from '../ports/kafka-consumer.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import { Changes } from './changes.ts'
import { InstanceGone } from './instance-gone.ts'
import type { PositionResolver } from './position-resolver.ts'
import { Positions } from './positions.ts'
import { ReadBudget } from './read-budget.ts'
import { type ReadLimits, type ReadSource, RecordRead } from './read-records.ts'
import { RecordRenderer } from './record-renderer.ts'

const t0 = { topic: 't', partition: 0 }
const t1 = { topic: 't', partition: 1 }
const member = { memberId: 'm', groupInstanceId: 'i', generation: 1 }

const record = (offset: bigint, value: string): FetchedRecord => ({
  offset,
  key: null,
  value: Buffer.from(value),
  timestamp: 0n,
  headers: [],
})

const fetched = (
  at: TopicPartition,
  records: readonly FetchedRecord[],
  rest: Partial<FetchedPartition> = {},
): FetchedPartition => ({
  ...at,
  records,
  nextOffset: (records.at(-1)?.offset ?? -1n) + 1n,
  highWatermark: 0n,
  logStartOffset: 0n,
  error: undefined,
  ...rest,
})

const failure = (kind: string, retriable: boolean) =>
  new KafkaError(kind, { code: 1, retriable, text: `${kind} happened` })

/** A read over scripted fetches: what a real broker cannot be made to do at a given moment. */
function scripted(
  fetches: ((request: FetchRequest) => readonly FetchedPartition[] | Promise<readonly FetchedPartition[]>)[],
  overrides: Partial<ReadSource> = {},
) {
  const positions = new Positions()
  positions.assignGeneration([t0, t1], member)
  for (const asked of positions.unresolved()) positions.resolve(asked, 0n, true)
  const requests: FetchRequest[] = []
  const resolver: Pick<PositionResolver, 'failure' | 'rechecking' | 'start' | 'lookAgain'> = {
    rechecking: false,
    failure: undefined,
    start: () => undefined,
    lookAgain: () => undefined,
  }
  const source: ReadSource = {
    positions,
    resolver: resolver as PositionResolver,
    changes: new Changes(),
    consumers: {
      fetch: async request => {
        requests.push(request)
        return (fetches.shift() ?? (() => []))(request)
      },
    },
    renderer: new RecordRenderer(jsonFormat, {
      cached: () => undefined,
      load: () => Promise.reject(new Error('no schemas')),
    }),
    isolation: 'read_uncommitted',
    resetsOutOfRange: true,
    memory: new ReadBudget(1_000_000, systemClock),
    permits: new ReadBudget(10, systemClock),
    sliceBytes: 100_000,
    mayServe: async () => true,
    gone: () => new InstanceGone('lost'),
    touch: () => undefined,
    clock: systemClock,
    ...overrides,
  }
  const read = (limits: Partial<ReadLimits> = {}, signal = new AbortController().signal) =>
    new RecordRead(
      source,
      {
        deadline: systemClock.monotonic() + 60,
        maxBytes: 1000,
        minBytes: -1,
        stuckOn: undefined,
        ...limits,
      },
      signal,
    )
  return { source, positions, requests, read }
}

/** The offsets of all records that a read hands out. */
async function offsetsOf(read: RecordRead): Promise<number[]> {
  let text = ''
  for await (const chunk of read.chunks()) text += chunk.toString()
  if (text === '') return []
  return (JSON.parse(`${text}]`) as { offset: number }[]).map(({ offset }) => offset)
}

const offsetAt = (positions: Positions, { partition }: TopicPartition) =>
  positions.readable().find(position => position.partition === partition)?.offset

describe('RecordRead', () => {
  test('first a small fetch that waits, then large ones that do not, until nothing comes', async () => {
    const { read, requests } = scripted([
      () => [fetched(t0, [record(0n, '1')])],
      () => [fetched(t0, [record(1n, '2')])],
      () => [],
    ])
    expect(await offsetsOf(read({ maxBytes: 1_000_000 }))).toEqual([0, 1])
    const [first, second, third, fourth] = requests
    expect(first?.maxBytes).toBe(16384)
    expect(first?.maxWaitMs).toBeGreaterThan(0)
    expect([second?.maxBytes, second?.maxWaitMs]).toEqual([100_000, 0])
    expect([third?.maxBytes, third?.maxWaitMs]).toEqual([100_000, 0])
    expect(fourth?.maxBytes).toBe(16384)
  })

  test('positions move with the chunks, past what is compacted away too', async () => {
    const { read, positions } = scripted([
      () => [fetched(t0, [record(3n, '1')], { nextOffset: 9n }), fetched(t1, [], { nextOffset: 5n })],
    ])
    expect(await offsetsOf(read({ minBytes: 0 }))).toEqual([3])
    expect(offsetAt(positions, t0)).toBe(9n)
    expect(offsetAt(positions, t1)).toBe(5n)
  })

  test('positions move past batches without any record', async () => {
    const { read, positions } = scripted([() => [fetched(t0, [], { nextOffset: 7n })]])
    expect(await offsetsOf(read())).toEqual([])
    expect(offsetAt(positions, t0)).toBe(7n)
  })

  test('records of a partition that is revoked while they are fetched are not handed out', async () => {
    const { read, positions } = scripted([
      () => {
        positions.revoke()
        positions.assignGeneration([t1], { ...member, generation: 2 })
        for (const asked of positions.unresolved()) positions.resolve(asked, 5n, true)
        return [fetched(t0, [record(0n, '1')]), fetched(t1, [record(0n, '2')])]
      },
      () => [fetched(t1, [record(5n, '3')])],
    ])
    expect(await offsetsOf(read())).toEqual([5])
  })

  test('a client that takes its time holds memory and permit; they are given back with the last chunk', async () => {
    const { read, source } = scripted([() => [fetched(t0, [record(0n, '1')])]])
    const chunks = read({ minBytes: 0 }).chunks()
    await chunks.next()
    expect([source.memory.used > 0, source.permits.used]).toEqual([true, 1])
    await chunks.return()
    expect([source.memory.used, source.permits.used]).toEqual([0, 0])
  })

  test('one partition that fails in a way that may pass does not keep the others back', async () => {
    const error = failure('NOT_LEADER_OR_FOLLOWER', true)
    const { read } = scripted([
      () => [fetched(t0, [], { error }), fetched(t1, [record(0n, '1')])],
      () => [fetched(t0, [record(0n, '1')])],
    ])
    expect(await offsetsOf(read())).toEqual([0, 0])
  })

  test('a fetch that fails in a way that may pass is tried again until the time is over', async () => {
    const { read } = scripted([
      () => Promise.reject(failure('CONNECTION_LOST', true)),
      () => [fetched(t0, [record(0n, '1')])],
    ])
    expect(await offsetsOf(read({ minBytes: 0, deadline: systemClock.monotonic() + 5000 }))).toEqual([0])
  })

  test('what does not pass comes after the good records', async () => {
    const error = failure('TOPIC_AUTHORIZATION_FAILED', false)
    const { read } = scripted([() => [fetched(t0, [], { error }), fetched(t1, [record(0n, '1')])]])
    const chunks = read().chunks()
    expect(String((await chunks.next()).value)).toMatch(/"offset":0/)
    await expect(chunks.next()).rejects.toBe(error)
  })

  test('an offset out of range is found anew, or is an error with the policy none', async () => {
    const error = failure('OFFSET_OUT_OF_RANGE', false)
    const lenient = scripted([() => [fetched(t0, [], { error })]])
    expect(await offsetsOf(lenient.read())).toEqual([])
    expect(lenient.positions.unresolved()).toMatchObject([{ ...t0, target: 'reset' }])
    const strict = scripted([() => [fetched(t0, [], { error })]], { resetsOutOfRange: false })
    await expect(offsetsOf(strict.read())).rejects.toMatchObject({
      kind: 'OFFSET_OUT_OF_RANGE',
      message: 'Fetch position 0 is out of range for partition t-0',
    })
  })

  test('no room until the time-out: 429 when nothing was fetched, else what there is', async () => {
    const { read, source } = scripted([() => [fetched(t0, [record(0n, '1')])]])
    const others = await source.memory.take(1_000_000, 0)
    await expect(offsetsOf(read())).rejects.toMatchObject({ status: 429, errorCode: 42914 })
    others?.release()
    expect(await offsetsOf(read())).toEqual([0])
  })

  test('no permit until the time-out: the read ends with nothing, and the records come later', async () => {
    const { read, source } = scripted(Array(9).fill(() => [fetched(t0, [record(0n, '1')])]))
    const permits = await source.permits.take(10, 0)
    expect(await offsetsOf(read())).toEqual([])
    permits?.release()
    expect(await offsetsOf(read({ minBytes: 0 }))).toEqual([0])
  })

  test('nothing is handed out by a node that does not hold the instance any more', async () => {
    const { read, positions } = scripted([() => [fetched(t0, [record(0n, '1')])]], {
      mayServe: async () => false,
    })
    await expect(offsetsOf(read())).rejects.toBeInstanceOf(InstanceGone)
    expect(offsetAt(positions, t0)).toBe(0n)
  })

  test('an aborted read hands out nothing of what it has fetched', async () => {
    const aborting = new AbortController()
    const { read, positions } = scripted([
      () => {
        aborting.abort(new Error('closed'))
        return [fetched(t0, [record(0n, '1')])]
      },
    ])
    await expect(offsetsOf(read({}, aborting.signal))).rejects.toThrow('closed')
    expect(offsetAt(positions, t0)).toBe(0n)
  })

  test('§9.33: the whole slice is handed out once the minimum is exceeded, and no other is fetched', async () => {
    const { read, requests } = scripted([
      () => [fetched(t0, [record(0n, '1111'), record(1n, '2222'), record(2n, '3333')])],
      () => [fetched(t0, [record(3n, '4444')])],
    ])
    expect(await offsetsOf(read({ minBytes: 3 }))).toEqual([0, 1, 2])
    expect(requests).toHaveLength(1)
  })

  test('consumers that read in turn get all their partitions, though no answer has room for two', async () => {
    // As a broker that fills its answer with whoever was asked for first.
    const full = ({ positions: [first] }: FetchRequest) =>
      first?.offset === undefined ? [] : [fetched(first, [record(first.offset, '1')])]
    const consumers = [scripted(Array(8).fill(full)), scripted(Array(8).fill(full))]
    for (let turn = 0; turn < 4; turn++)
      for (const { read } of consumers) await offsetsOf(read({ minBytes: 0 }))
    for (const { positions } of consumers)
      expect([offsetAt(positions, t0), offsetAt(positions, t1)]).toEqual([2n, 2n])
  })

  test('a record that does not decode stops the read on it, after the good ones', async () => {
    const { read, positions } = scripted([
      () => [fetched(t0, [record(0n, '1'), record(4n, '{'), record(5n, '2')])],
      () => [fetched(t0, [record(4n, '{'), record(5n, '2')])],
    ])
    const chunks = read().chunks()
    expect(String((await chunks.next()).value)).toMatch(/"offset":0/)
    await expect(chunks.next()).rejects.toMatchObject({ errorCode: 40801, at: { ...t0, offset: 4n } })
    expect(offsetAt(positions, t0)).toBe(4n)
    // The next read looks at that partition alone, so that no other one's records hide the failure.
    const again = read({ stuckOn: t0 })
    await expect(offsetsOf(again)).rejects.toMatchObject({ errorCode: 40801 })
  })

  test('a large slice is written in several chunks', async () => {
    const big = `"${'x'.repeat(60_000)}"`
    const { read } = scripted([
      () => [fetched(t0, [record(0n, big), record(1n, big), record(2n, big), record(3n, big)])],
    ])
    const chunks: string[] = []
    for await (const chunk of read({ minBytes: 0, maxBytes: 10_000_000 }).chunks())
      chunks.push(chunk.toString())
    expect(chunks.length).toBeGreaterThan(1)
    expect(JSON.parse(`${chunks.join('')}]`)).toHaveLength(4)
  })
})
