import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { OpenKafka } from '../../proxy-node/open-kafka.ts'
import type { FetchedPartition } from '../../proxy-node/ports/kafka-consumer.ts'
import { fetchOne, openDriver, readTo } from '../support/consumer-driver.ts'
import { codecRecords, javaCodecs, writeCodecs, writeTransactions } from '../support/java-writers.ts'
import { createTopic, deleteTopic } from '../support/kafka-topics.ts'
import { RecordProducer } from '../support/record-producer.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

let driver: OpenKafka
let producer: RecordProducer
const opened: OpenKafka[] = []

beforeAll(async () => {
  driver = openDriver(kafkaAddress())
  producer = await RecordProducer.start(kafkaAddress())
})

afterEach(async () => {
  for (const other of opened.splice(0)) await other.stop()
})

afterAll(async () => {
  await producer.stop()
  await driver.stop()
})

function open(settings: Record<string, string>): OpenKafka {
  const other = openDriver(kafkaAddress(), settings)
  opened.push(other)
  return other
}

async function topicWith(values: readonly string[], partitions = 1): Promise<string> {
  const topic = uniqueName('t')
  await createTopic(kafkaAddress(), topic, { partitions })
  // A broker is told in the metadata to lead a partition a little before it does.
  await until(`${topic} can be read`, async () => {
    const fetched = await driver.consumers.fetch({
      positions: Array.from({ length: partitions }, (_, partition) => ({ topic, partition, offset: 0n })),
      maxBytes: 1000,
      minBytes: 1,
      maxWaitMs: 0,
      isolation: 'read_uncommitted',
    })
    return fetched.length === partitions && fetched.every(({ error }) => error === undefined)
  })
  if (values.length > 0)
    await producer.send(
      topic,
      values.map(value => ({ key: 'k', value })),
    )
  return topic
}

/** Long enough that what is to happen while a fetch waits in the broker does, on a busy machine too. */
const lengthy = { maxWaitMs: 3000 }

/** A fetch waits for a few seconds at most: looked at often, so that it is not missed. */
const often = { intervalMs: 5 }

const valuesOf = ({ records }: Pick<FetchedPartition, 'records'>) =>
  records.map(({ value }) => value?.toString() ?? null)

describe('what Java wrote', () => {
  const topic = uniqueName('codecs')

  beforeAll(async () => {
    await createTopic(kafkaAddress(), topic, { partitions: javaCodecs.length })
    await writeCodecs(kafkaAddress(), topic)
  })

  test.each(javaCodecs.map((codec, partition) => ({ codec, partition })))(
    '$codec: every record as it was written',
    async ({ partition }) => {
      const records = await readTo(driver, { topic, partition, offset: 0n }, BigInt(codecRecords))
      const written = Array.from({ length: codecRecords }, (_, i) => ({
        offset: BigInt(i),
        key: i % 7 === 0 ? null : Buffer.from(`key ${i}`),
        value:
          i % 11 === 0
            ? null
            : Buffer.from(`${'v'.repeat(i % 13)} value ${i}${' of a record '.repeat(i % 20)}`),
        timestamp: 1_700_000_000_000n + BigInt(i),
        headers: [
          [Buffer.from('h'), Buffer.from(`header ${i}`)],
          [Buffer.from('null'), null],
        ],
      }))
      expect(records).toEqual(written)
    },
  )

  test('all partitions in one fetch, and again in small ones', async () => {
    const positions = javaCodecs.map((_, partition) => ({ topic, partition, offset: 0n }))
    const whole = await driver.consumers.fetch({
      positions,
      maxBytes: 10_000_000,
      minBytes: 1,
      maxWaitMs: 500,
      isolation: 'read_uncommitted',
    })
    expect(whole.map(({ partition }) => partition).sort()).toEqual([0, 1, 2, 3, 4])
    const small = await readTo(driver, { topic, partition: 4, offset: 0n }, BigInt(codecRecords), {
      maxBytes: 1000,
    })
    expect(small).toHaveLength(codecRecords)
  })
})

describe('positions', () => {
  test('in the middle of a batch: what is below is left out', async () => {
    const topic = await topicWith(['a', 'b', 'c', 'd'])
    const fetched = await fetchOne(driver, { topic, partition: 0, offset: 2n })
    expect(fetched).toMatchObject({ nextOffset: 4n, highWatermark: 4n, logStartOffset: 0n, error: undefined })
    expect(valuesOf(fetched)).toEqual(['c', 'd'])
  })

  test('at the end: nothing, and the position stays', async () => {
    const topic = await topicWith(['a'])
    const fetched = await fetchOne(driver, { topic, partition: 0, offset: 1n }, { maxWaitMs: 100 })
    expect(fetched).toMatchObject({ records: [], nextOffset: 1n, error: undefined })
  })

  test('a record that comes while the fetch waits ends the wait', async () => {
    const topic = await topicWith([])
    const waiting = fetchOne(driver, { topic, partition: 0, offset: 0n }, { maxWaitMs: 10_000 })
    await producer.send(topic, [{ value: 'late' }])
    const fetched = await waiting
    // The fetch may have reached the broker after the record did; either way it brings it.
    expect(valuesOf(fetched)).toEqual(['late'])
  })

  test('out of range is an error of its partition; the others are read', async () => {
    const topic = await topicWith(['a', 'b'], 2)
    const fetched = await driver.consumers.fetch({
      positions: [
        { topic, partition: 0, offset: 0n },
        { topic, partition: 1, offset: 99n },
      ],
      maxBytes: 100_000,
      minBytes: 1,
      maxWaitMs: 500,
      isolation: 'read_uncommitted',
    })
    const [first, second] = fetched.toSorted((a, b) => a.partition - b.partition)
    expect(first && valuesOf(first)).toEqual(['a', 'b'])
    expect(second?.error).toMatchObject({ kind: 'OFFSET_OUT_OF_RANGE', retriable: false })
  })

  test('a topic or partition that does not exist is a retriable error of its partition', async () => {
    const topic = await topicWith(['a'])
    const none = uniqueName('none')
    const fetchAll = () =>
      driver.consumers.fetch({
        positions: [
          { topic, partition: 0, offset: 0n },
          { topic, partition: 5, offset: 0n },
          { topic: none, partition: 0, offset: 0n },
        ],
        maxBytes: 100_000,
        minBytes: 1,
        maxWaitMs: 500,
        isolation: 'read_uncommitted',
      })
    // It takes a while until the missing topic is believed to be missing; the others are read meanwhile.
    expect((await fetchAll()).flatMap(valuesOf)).toEqual(['a'])
    const failed = await until('both are answered', async () => {
      const errors = (await fetchAll()).flatMap(({ error }) => (error ? [error] : []))
      return errors.length === 2 && errors
    })
    for (const error of failed) {
      expect(error).toMatchObject({ kind: 'UNKNOWN_TOPIC_OR_PARTITION', retriable: true })
    }
  })

  test('a topic that was deleted and made anew is not taken for the old one', async () => {
    const topic = await topicWith(['old'])
    expect(valuesOf(await fetchOne(driver, { topic, partition: 0, offset: 0n }))).toEqual(['old'])
    await deleteTopic(kafkaAddress(), topic)
    await until('the name is free again', () =>
      createTopic(kafkaAddress(), topic).then(
        () => true,
        () => false,
      ),
    )
    await producer.send(topic, [{ value: 'new' }])
    const first = await fetchOne(driver, { topic, partition: 0, offset: 0n })
    expect(first).toMatchObject({ records: [], error: { kind: 'UNKNOWN_TOPIC_ID', retriable: true } })
    const second = await until('the new topic is read', async () => {
      const fetched = await fetchOne(driver, { topic, partition: 0, offset: 0n })
      return fetched.error ? undefined : fetched
    })
    expect(valuesOf(second)).toEqual(['new'])
  })
})

describe('transactions of Java', () => {
  const topic = uniqueName('transactions')
  let written: ReadonlyMap<bigint, string>
  const offsetOf = (wanted: string) => [...written].find(([, value]) => value === wanted)?.[0] ?? -1n

  beforeAll(async () => {
    await createTopic(kafkaAddress(), topic)
    written = await writeTransactions(kafkaAddress(), topic)
  })

  test('read_committed: only what is committed, up to the transaction that is open', async () => {
    const end = offsetOf('o-1')
    const records = await readTo(driver, { topic, partition: 0, offset: 0n }, end, {
      isolation: 'read_committed',
    })
    expect(valuesOf({ records })).toEqual(['d-1', 'p-1', 'c-1', 'd-2', 'p-2'])
    const stable = await fetchOne(
      driver,
      { topic, partition: 0, offset: end },
      { isolation: 'read_committed', maxWaitMs: 100 },
    )
    expect(stable).toMatchObject({ records: [], nextOffset: end, error: undefined })
  })

  test('read_committed from any offset shows the same records', async () => {
    const end = offsetOf('o-1')
    const shown = (offset: bigint) =>
      readTo(driver, { topic, partition: 0, offset }, end, { isolation: 'read_committed' })
    const whole = await shown(0n)
    for (let from = 1n; from < end; from++) {
      expect(await shown(from)).toEqual(whole.filter(({ offset }) => offset >= from))
    }
  })

  test('read_uncommitted: every record, and no marker', async () => {
    const records = await readTo(driver, { topic, partition: 0, offset: 0n }, offsetOf('p-3') + 1n)
    expect(records.map(({ offset, value }) => [offset, value?.toString()])).toEqual([...written])
  })

  test('the end of the log is the last stable offset or the high watermark', async () => {
    const at = (isolation: 'read_committed' | 'read_uncommitted') =>
      driver.consumers.listOffsets([{ topic, partition: 0 }], 'latest', { isolation })
    expect(await at('read_committed')).toEqual([{ topic, partition: 0, offset: offsetOf('o-1') }])
    expect(await at('read_uncommitted')).toEqual([{ topic, partition: 0, offset: offsetOf('p-3') + 1n }])
  })
})

describe('bounds', () => {
  test('a record over maxBytes comes alone', async () => {
    const topic = await topicWith([])
    await producer.send(topic, [{ value: 'x'.repeat(200_000) }])
    await producer.send(topic, [{ value: 'small' }])
    const fetched = await fetchOne(driver, { topic, partition: 0, offset: 0n }, { maxBytes: 1000 })
    expect(fetched.records).toHaveLength(1)
    expect(fetched.nextOffset).toBe(1n)
  })

  test('who is asked for first is served when an answer has no room for all, whoever else fetches', async () => {
    const partitions = [0, 1, 2, 3]
    const topic = await topicWith([], partitions.length)
    const value = 'x'.repeat(20_000)
    for (const partition of partitions) await producer.send(topic, [{ value, partition }])
    const fetchFrom = async (order: readonly number[]) => {
      const fetched = await driver.consumers.fetch({
        positions: order.map(partition => ({ topic, partition, offset: 0n })),
        maxBytes: 1000,
        minBytes: 1,
        maxWaitMs: 500,
        isolation: 'read_uncommitted',
      })
      return fetched.filter(({ records }) => records.length > 0).map(({ partition }) => partition)
    }
    for (const first of partitions)
      for (let times = 0; times < 2; times++)
        expect(await fetchFrom([first, ...partitions.filter(other => other !== first)])).toEqual([first])
  })

  test('a batch that would be too large when decompressed is an error, until it is sought past', async () => {
    const topic = uniqueName('bomb')
    await createTopic(kafkaAddress(), topic, { partitions: javaCodecs.length })
    await writeCodecs(kafkaAddress(), topic)
    const small = open({ 'kafka.batch.decompressed.bytes.max': '2000' })
    for (const [partition, codec] of javaCodecs.entries()) {
      // The first batches may be small ones: they are read.
      let offset = 0n
      let error: Error | undefined
      while (offset < BigInt(codecRecords) && error === undefined) {
        const fetched = await fetchOne(small, { topic, partition, offset })
        error = fetched.error
        offset = fetched.nextOffset
      }
      if (codec === 'none') expect(error).toBeUndefined()
      else expect(error).toMatchObject({ kind: 'BATCH_TOO_LARGE', retriable: false })
    }
  })
})

describe('connections', () => {
  test('fetches that wait hold up no look-up', async () => {
    const topic = await topicWith([])
    const order: string[] = []
    const fetchSlices = async () => {
      for (let slice = 0; slice < 6; slice++)
        await fetchOne(driver, { topic, partition: 0, offset: 0n }, { maxWaitMs: 2000 })
      order.push('fetches')
    }
    const waiting = fetchSlices()
    await until('the fetch waits in the broker', () => driver.connections.counts().leased > 0, often)
    await driver.consumers.listOffsets([{ topic, partition: 0 }], 'latest', { isolation: 'read_uncommitted' })
    await driver.cluster.brokers()
    order.push('look-ups')
    await waiting
    expect(order).toEqual(['look-ups', 'fetches'])
  })

  test('an aborted fetch rejects at once, and its connection serves again', async () => {
    const own = open({})
    const topic = await topicWith([])
    const gone = new AbortController()
    const options = { ...lengthy, signal: gone.signal }
    const fetching = fetchOne(own, { topic, partition: 0, offset: 0n }, options)
    await until('the fetch waits in the broker', () => own.connections.counts().leased === 1, often)
    gone.abort(new Error('gone'))
    await expect(fetching).rejects.toThrow('gone')
    // The answer is still to come, and is dropped.
    expect(own.connections.counts().leased).toBe(1)
    await until('it came', () => own.connections.counts().leased === 0)
    const { open: before } = own.connections.counts()
    await fetchOne(own, { topic, partition: 0, offset: 0n }, { maxWaitMs: 50 })
    expect(own.connections.counts().open).toBe(before)
  })

  test('a fetch of the same positions joins the one that waits already', async () => {
    const own = open({})
    const topic = await topicWith([])
    const both = [1, 2].map(() => fetchOne(own, { topic, partition: 0, offset: 0n }, { maxWaitMs: 10_000 }))
    await until('one waits', () => own.connections.counts().leased > 0, often)
    expect(own.connections.counts().leased).toBe(1)
    await producer.send(topic, [{ value: 'a' }])
    for (const fetched of await Promise.all(both)) expect(valuesOf(fetched)).toEqual(['a'])
  })

  test('idle connections are closed, down to the one that stays', async () => {
    const own = open({ 'kafka.connections.idle.ms': '200' })
    const topic = await topicWith(['a'])
    await fetchOne(own, { topic, partition: 0, offset: 0n })
    expect(own.connections.counts().open).toBe(2)
    await until('the other is closed', () => own.connections.counts().open === 1)
    expect(valuesOf(await fetchOne(own, { topic, partition: 0, offset: 0n }))).toEqual(['a'])
  })

  test('more reads than connections: they queue, wait less long, and all are answered', async () => {
    // Reads that queue come to their turn later than they asked for: none may be given up for that.
    const own = open({ 'kafka.reads.per.broker.max': '2', 'kafka.reads.answer.grace.ms': '30000' })
    const topic = await topicWith([], 8)
    const reads = Array.from({ length: 8 }, (_, partition) =>
      fetchOne(own, { topic, partition, offset: 0n }, lengthy),
    )
    await until('reads queue', () => own.connections.counts().waiting > 0, often)
    expect(own.connections.counts().leased).toBeLessThanOrEqual(2)
    for (const fetched of await Promise.all(reads)) expect(fetched.error).toBeUndefined()
    expect(own.connections.counts()).toMatchObject({ leased: 0, waiting: 0 })
  })

  test('a read that is aborted while it queues leaves the queue', async () => {
    const own = open({ 'kafka.reads.per.broker.max': '1' })
    const topic = await topicWith([], 2)
    const first = fetchOne(own, { topic, partition: 0, offset: 0n }, lengthy)
    await until('the first waits', () => own.connections.counts().leased === 1, often)
    const gone = new AbortController()
    const second = own.consumers.listOffsets([{ topic, partition: 1 }], 'latest', {
      isolation: 'read_uncommitted',
      signal: gone.signal,
    })
    await until('the second queues', () => own.connections.counts().waiting === 1, often)
    gone.abort(new Error('gone'))
    await expect(second).rejects.toThrow('gone')
    expect(own.connections.counts().waiting).toBe(0)
    await first
    expect(
      (await fetchOne(own, { topic, partition: 0, offset: 0n }, { maxWaitMs: 50 })).error,
    ).toBeUndefined()
  })
})
