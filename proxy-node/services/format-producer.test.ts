import { beforeEach, describe, expect, test } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import type { TopicMetadata } from '../ports/kafka-cluster.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import { type BatchProducer, type ProducerRecord, RecordsRefused } from '../ports/kafka-producer.ts'
import { FormatProducer, type FormatProducerSettings } from './format-producer.ts'
import type { RecordOutcome } from './format-producer-batch.ts'

/** Faults that a healthy broker does not show on demand; the real one is in test/integration/produce.test.ts. */

interface Sent {
  readonly topic: string
  readonly partition: number
  readonly values: readonly string[]
  readonly records: readonly ProducerRecord[]
  readonly resolve: (baseOffset: bigint) => void
  readonly reject: (error: Error) => void
}

/** Holds what it is given until the test answers, and watches the port's rule of one batch a partition. */
class FakeBatches implements BatchProducer {
  readonly sent: Sent[] = []
  readonly #underWay = new Set<string>()
  stopped = false

  async send(topic: string, partition: number, records: readonly ProducerRecord[]) {
    const name = `${topic}/${partition}`
    if (this.#underWay.has(name)) throw new Error(`two batches of ${name} at once`)
    this.#underWay.add(name)
    const { promise, resolve, reject } = Promise.withResolvers<bigint>()
    const values = records.map(({ value }) => `${value}`)
    this.sent.push({ topic, partition, values, records, resolve, reject })
    try {
      return { baseOffset: await promise }
    } finally {
      this.#underWay.delete(name)
    }
  }

  async stop() {
    this.stopped = true
    for (const sent of this.sent)
      sent.reject(new KafkaError('STOPPED', { code: -1, retriable: false, text: '' }))
  }

  /** The next batch, once it is there. */
  async next(): Promise<Sent> {
    for (let turn = 0; turn < 100 && this.#taken >= this.sent.length; turn++) await Promise.resolve()
    const sent = this.sent[this.#taken++]
    if (!sent) throw new Error('no batch was sent')
    return sent
  }

  #taken = 0
}

const settings: FormatProducerSettings = {
  batchBytesMax: 16384,
  lingerMs: 0,
  deliveryTimeoutMs: 120_000,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 1000,
  bufferBytesMax: 1_000_000,
  maxBlockMs: 60_000,
  recordBytesMax: 1_048_576,
  stopTimeoutMs: 5000,
}

const metadata = (name: string, partitions = 1): TopicMetadata => ({
  name,
  id: '',
  internal: false,
  partitions: Array.from({ length: partitions }, (_, partition) => ({
    partition,
    leader: 1,
    leaderEpoch: 0,
    replicas: [1],
    inSyncReplicas: [1],
  })),
})

let clock: ManualClock
let batches: FakeBatches
let counted: string[]
const never = new AbortController().signal

beforeEach(() => {
  clock = new ManualClock()
  batches = new FakeBatches()
  counted = []
})

function open(
  overrides: Partial<FormatProducerSettings> = {},
  topic: (name: string) => Promise<TopicMetadata | undefined> = async name => metadata(name, 4),
): FormatProducer {
  return new FormatProducer({
    settings: { ...settings, ...overrides },
    cluster: { cachedTopic: () => undefined, topic },
    batches,
    clock,
    random: () => 0.5,
    metrics: {
      sent: records => counted.push(`sent ${records}`),
      retried: () => counted.push('retried'),
      failed: (kind, records) => counted.push(`failed ${kind} ${records}`),
    },
  })
}

const on = (partition: number, ...values: string[]) =>
  values.map(value => ({ key: null, value: Buffer.from(value), partition }))

const shown = (outcomes: readonly RecordOutcome[]) =>
  outcomes.map(outcome =>
    'error' in outcome ? outcome.error.message : `${outcome.partition}@${outcome.offset}`,
  )

const failure = (kind: string, retriable: boolean, text = kind) =>
  new KafkaError(kind, { code: 1, retriable, text })

/** Lets everything that is ready go on. */
const settled = async () => {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve()
}

describe('batches', () => {
  test('requests share a batch while one is under way, each gets its own offsets', async () => {
    const producer = open()
    const first = producer.produce('t', on(0, 'a'), never)
    const sent = await batches.next()
    const second = producer.produce('t', on(0, 'b', 'c'), never)
    const third = producer.produce('t', on(0, 'd'), never)
    await settled()
    expect(batches.sent).toHaveLength(1)
    sent.resolve(7n)
    const shared = await batches.next()
    expect(shared.values).toEqual(['b', 'c', 'd'])
    shared.resolve(8n)
    expect(shown(await first)).toEqual(['0@7'])
    expect(shown(await second)).toEqual(['0@8', '0@9'])
    expect(shown(await third)).toEqual(['0@10'])
    expect(counted).toEqual(['sent 1', 'sent 3'])
    expect(producer.bufferedBytes).toBe(0)
  })

  test('a full batch is closed, and a record larger than a batch goes alone', async () => {
    const producer = open({ batchBytesMax: 200 })
    const result = producer.produce('t', on(0, 'a', 'x'.repeat(500), 'b', 'c', 'd'.repeat(90)), never)
    for (const [size, offset] of [
      [1, 0n],
      [1, 1n],
      [2, 2n],
      [1, 4n],
    ] as const) {
      const sent = await batches.next()
      expect(sent.values).toHaveLength(size)
      sent.resolve(offset)
    }
    expect(shown(await result)).toEqual(['0@0', '0@1', '0@2', '0@3', '0@4'])
  })

  test('linger.ms: a batch waits for more records, but not when it is full', async () => {
    const producer = open({ lingerMs: 50, batchBytesMax: 200 })
    const first = producer.produce('t', on(0, 'a'), never)
    await settled()
    await clock.advance(30)
    const second = producer.produce('t', on(0, 'b'), never)
    await settled()
    expect(batches.sent).toEqual([])
    await clock.advance(20)
    const sent = await batches.next()
    expect(sent.values).toEqual(['a', 'b'])
    sent.resolve(0n)
    await Promise.all([first, second])
    void producer.produce('t', on(0, 'x'.repeat(300)), never)
    expect((await batches.next()).values).toHaveLength(1)
  })

  test('a slow partition holds up no other', async () => {
    const producer = open()
    const slow = producer.produce('t', on(0, 'slow'), never)
    const stuck = await batches.next()
    const other = producer.produce('t', on(1, 'quick'), never)
    ;(await batches.next()).resolve(3n)
    expect(shown(await other)).toEqual(['1@3'])
    stuck.resolve(0n)
    await slow
  })

  test('records without a key fill one partition’s batch, then move on; keys decide for themselves', async () => {
    const producer = open({ batchBytesMax: 130 })
    const plain = (value: string, key: string | null = null) => ({
      key: key === null ? null : Buffer.from(key),
      value: Buffer.from(value),
      partition: null,
    })
    void producer.produce('t', [plain('a'), plain('b'), plain('c'), plain('d', '21')], never)
    const sent = [await batches.next(), await batches.next(), await batches.next()]
    const where = new Map(sent.map(({ values, partition }) => [values.join(), partition]))
    expect([...where.keys()].sort()).toEqual(['a,b', 'c', 'd'])
    expect(where.get('a,b')).not.toBe(where.get('c'))
    expect(where.get('d')).toBe((-973932308 & 0x7fffffff) % 4)
  })

  test('acks=0: the offset is −1 for every record', async () => {
    const result = open().produce('t', on(0, 'a', 'b'), never)
    ;(await batches.next()).resolve(-1n)
    expect(shown(await result)).toEqual(['0@-1', '0@-1'])
  })
})

describe('retries', () => {
  test('the same array goes again after a pause that grows, and later records keep their order', async () => {
    const producer = open()
    const first = producer.produce('t', on(0, 'a'), never)
    const sent = await batches.next()
    const second = producer.produce('t', on(0, 'b'), never)
    sent.reject(failure('NOT_LEADER_OR_FOLLOWER', true))
    await settled()
    expect(batches.sent).toHaveLength(1)
    await clock.advance(100)
    const again = await batches.next()
    expect(again.records).toBe(sent.records)
    again.reject(failure('CONNECTION_LOST', true))
    await settled()
    await clock.advance(150)
    await settled()
    expect(batches.sent).toHaveLength(2)
    await clock.advance(50)
    ;(await batches.next()).resolve(5n)
    ;(await batches.next()).resolve(6n)
    expect(shown([...(await first), ...(await second)])).toEqual(['0@5', '0@6'])
    expect(counted).toEqual(['retried', 'retried', 'sent 1', 'sent 1'])
  })

  test('after delivery.timeout.ms a record fails, and so does the batch behind it when its own is over', async () => {
    const producer = open({ deliveryTimeoutMs: 1000, retryBackoffMs: 400, retryBackoffMaxMs: 400 })
    const first = producer.produce('t', on(0, 'a', 'b'), never)
    ;(await batches.next()).reject(failure('NOT_ENOUGH_REPLICAS', true))
    await clock.advance(100)
    const second = producer.produce('t', on(0, 'c'), never)
    await settled()
    for (const stepMs of [300, 400]) {
      await clock.advance(stepMs)
      ;(await batches.next()).reject(failure('NOT_ENOUGH_REPLICAS', true))
      await settled()
    }
    await clock.advance(200)
    const outcomes = await first
    expect(shown(outcomes)).toEqual(
      Array(2).fill('Expiring 2 record(s) for t-0:1000 ms has passed since batch creation'),
    )
    expect(outcomes[0]).toMatchObject({ error: { kind: 'TIMED_OUT', retriable: true } })
    const last = await batches.next()
    expect(last.values).toEqual(['c'])
    last.reject(failure('NOT_ENOUGH_REPLICAS', true))
    await settled()
    await clock.advance(100)
    expect(shown(await second)).toEqual([
      'Expiring 1 record(s) for t-0:1000 ms has passed since batch creation',
    ])
    expect(producer.bufferedBytes).toBe(0)
  })

  test('what a retry does not mend fails at once, with the broker’s error', async () => {
    const result = open().produce('t', on(0, 'a'), never)
    ;(await batches.next()).reject(
      failure('TOPIC_AUTHORIZATION_FAILED', false, 'Not authorized to access topics: [t]'),
    )
    expect(shown(await result)).toEqual(['Not authorized to access topics: [t]'])
    expect(counted).toEqual(['failed TOPIC_AUTHORIZATION_FAILED 1'])
  })

  test('a topic that vanished is not waited for', async () => {
    const result = open().produce('t', on(0, 'a'), never)
    ;(await batches.next()).reject(failure('NOT_PRESENT_IN_METADATA', true))
    expect(shown(await result)).toEqual(['NOT_PRESENT_IN_METADATA'])
  })

  test('an error of ours fails the batch and not the process', async () => {
    const result = open().produce('t', on(0, 'a'), never)
    ;(await batches.next()).reject(new TypeError('bug'))
    expect(await result).toMatchObject([{ error: { kind: 'UNEXPECTED' } }])
  })
})

describe('one client’s poison does not fail others', () => {
  /** Three requests whose records share one batch, behind one that is under way. */
  async function shared(producer: FormatProducer) {
    const ahead = producer.produce('t', on(0, 'ahead'), never)
    const sent = await batches.next()
    const results = [on(0, 'a', 'b'), on(0, 'poison'), on(0, 'c', 'd')].map(records =>
      producer.produce('t', records, never),
    )
    await settled()
    sent.resolve(0n)
    await ahead
    return results
  }

  test('culprits that the broker names are taken out', async () => {
    const results = await shared(open())
    const batch = await batches.next()
    expect(batch.values).toEqual(['a', 'b', 'poison', 'c', 'd'])
    batch.reject(new RecordsRefused(failure('INVALID_RECORD', false), new Map([[2, 'no key']])))
    const rest = await batches.next()
    expect(rest.values).toEqual(['a', 'b', 'c', 'd'])
    rest.resolve(1n)
    expect((await Promise.all(results)).map(shown)).toEqual([['0@1', '0@2'], ['no key'], ['0@3', '0@4']])
    expect(counted).toEqual(['sent 1', 'failed INVALID_RECORD 1', 'sent 4'])
  })

  test('culprits that it does not name are found by halving, in order', async () => {
    const producer = open()
    const results = await shared(producer)
    let offset = 1n
    for (let turn = 0; turn < 20 && producer.bufferedBytes > 0; turn++) {
      const batch = await batches.next()
      if (batch.values.includes('poison')) batch.reject(failure('MESSAGE_TOO_LARGE', false))
      else {
        batch.resolve(offset)
        offset += BigInt(batch.values.length)
      }
      await settled()
    }
    expect((await Promise.all(results)).map(shown)).toEqual([
      ['0@1', '0@2'],
      ['MESSAGE_TOO_LARGE'],
      ['0@3', '0@4'],
    ])
  })
})

describe('bounds', () => {
  test('a full buffer: the request waits for room, in order of arrival, then goes on', async () => {
    const producer = open({ bufferBytesMax: 1000 })
    const first = producer.produce('t', on(0, 'x'.repeat(400)), never)
    const sent = await batches.next()
    const large = producer.produce('t', on(1, 'y'.repeat(600)), never)
    const small = producer.produce('t', on(2, 'z'), never)
    await settled()
    expect(producer.waitingRequests).toBe(2)
    expect(batches.sent).toHaveLength(1)
    sent.resolve(0n)
    await first
    expect((await batches.next()).partition).toBe(1)
    expect(producer.waitingRequests).toBe(1)
    batches.sent[1]?.resolve(0n)
    await large
    ;(await batches.next()).resolve(0n)
    await small
    expect(producer.bufferedBytes).toBe(0)
  })

  test('a request with nothing to send does not wait for room', async () => {
    const producer = open({ bufferBytesMax: 1000 })
    void producer.produce('t', on(0, 'x'.repeat(600)), never)
    const sent = await batches.next()
    const waiting = producer.produce('t', on(1, 'y'.repeat(600)), never)
    await settled()
    const [outcome] = await producer.produce('t', on(2, 'z'.repeat(1_100_000)), never)
    expect(outcome).toMatchObject({ error: { message: expect.stringContaining('max.request.size') } })
    expect(producer.waitingRequests).toBe(1)
    sent.resolve(0n)
    ;(await batches.next()).resolve(0n)
    await waiting
  })

  test('after max.block.ms the whole request is refused, and nothing of it was queued', async () => {
    const producer = open({ bufferBytesMax: 1000, maxBlockMs: 500 })
    void producer.produce('t', on(0, 'x'.repeat(600)), never)
    await batches.next()
    const refused = producer.produce('t', on(1, 'a', 'b'), never)
    const caught = expect(refused).rejects.toMatchObject({ row: 'producerBufferFull', status: 429 })
    await settled()
    await clock.advance(500)
    await caught
    expect(batches.sent).toHaveLength(1)
    expect(producer.waitingRequests).toBe(0)
  })

  test('a client that leaves while it waits leaves nothing behind', async () => {
    const producer = open({ bufferBytesMax: 1000 })
    void producer.produce('t', on(0, 'x'.repeat(400)), never)
    const sent = await batches.next()
    const client = new AbortController()
    const left = producer.produce('t', on(1, 'a'.repeat(600)), client.signal)
    const caught = expect(left).rejects.toThrow('gone')
    const behind = producer.produce('t', on(2, 'b'), never)
    await settled()
    client.abort(new Error('gone'))
    await caught
    ;(await batches.next()).resolve(0n)
    expect(shown(await behind)).toEqual(['2@0'])
    sent.resolve(0n)
    await settled()
    expect(producer.bufferedBytes).toBe(0)
  })

  test('a request larger than the buffer has it alone', async () => {
    const producer = open({ bufferBytesMax: 1000, batchBytesMax: 1 })
    const large = producer.produce('t', on(0, ...Array(10).fill('x'.repeat(300))), never)
    const next = producer.produce('t', on(1, 'y'.repeat(500)), never)
    for (let offset = 0n; offset < 10n; offset++) {
      const sent = await batches.next()
      expect(sent.partition).toBe(0)
      sent.resolve(offset)
    }
    expect((await large).length).toBe(10)
    ;(await batches.next()).resolve(0n)
    await next
    expect(producer.bufferedBytes).toBe(0)
  })

  test('a record over max.request.size fails alone, with Java’s text', async () => {
    const result = open().produce('t', on(0, 'a', 'x'.repeat(1_100_000), 'b'), never)
    ;(await batches.next()).resolve(0n)
    expect(shown(await result)).toEqual([
      '0@0',
      'The message is 1100088 bytes when serialized which is larger than 1048576, which is the value of the max.request.size configuration.',
      '0@1',
    ])
  })
})

describe('metadata', () => {
  test('a topic that does not exist', async () => {
    const result = open({}, async () => {
      await clock.advance(1004)
      return undefined
    }).produce('nope', on(0, 'a', 'b'), never)
    const outcomes = await result
    expect(shown(outcomes)).toEqual(Array(2).fill('Topic nope not present in metadata after 1004 ms.'))
    expect(outcomes[0]).toMatchObject({ error: { retriable: true } })
  })

  test('a partition beyond the count is looked for once more, then refused alone', async () => {
    const asked: unknown[] = []
    const producer = new FormatProducer({
      settings,
      cluster: {
        cachedTopic: name => metadata(name, 2),
        topic: async (name, options) => {
          asked.push(options?.refresh ?? false)
          return metadata(name, options?.refresh ? 3 : 2)
        },
      },
      batches,
      clock,
      random: () => 0,
      metrics: { sent: () => {}, retried: () => {}, failed: () => {} },
    })
    const result = producer.produce('t', [...on(2, 'a'), ...on(3, 'b')], never)
    ;(await batches.next()).resolve(0n)
    expect(shown(await result)).toEqual([
      '2@0',
      'Partition 3 of topic t with partition count 3 is not present in metadata after 0 ms.',
    ])
    expect(asked).toEqual([false, true])
  })

  test('no broker answers: waited for up to max.block.ms', async () => {
    const producer = open({ maxBlockMs: 3000 }, async () => {
      throw failure('CONNECTION_LOST', true)
    })
    const result = producer.produce('t', on(0, 'a'), never)
    for (const stepMs of [100, 200, 400, 800, 1000, 500]) {
      await settled()
      await clock.advance(stepMs)
    }
    expect(shown(await result)).toEqual(['Topic t not present in metadata after 3000 ms.'])
  })

  test('a name that is none, and a topic that may not be seen', async () => {
    const invalid = open({}, async () => {
      throw failure('INVALID_TOPIC_EXCEPTION', false)
    })
    expect(shown(await invalid.produce('a b', on(0, 'a'), never))).toEqual(['Invalid topics: [a b]'])
    const denied = open({}, async () => {
      throw failure('TOPIC_AUTHORIZATION_FAILED', false, 'denied')
    })
    expect(shown(await denied.produce('t', on(0, 'a'), never))).toEqual(['denied'])
  })
})

describe('stop', () => {
  test('what was accepted is finished, without lingering; nothing else is accepted', async () => {
    const producer = open({ lingerMs: 60_000 })
    const result = producer.produce('t', on(0, 'a'), never)
    await settled()
    expect(batches.sent).toEqual([])
    const stopped = producer.stop()
    await expect(producer.produce('t', on(0, 'b'), never)).rejects.toMatchObject({ row: 'draining' })
    ;(await batches.next()).resolve(4n)
    expect(shown(await result)).toEqual(['0@4'])
    await stopped
    expect(batches.stopped).toBe(true)
  })

  test('what is left after the time-out fails', async () => {
    const producer = open({ stopTimeoutMs: 1000 })
    const result = producer.produce('t', on(0, 'a'), never)
    const waiting = producer.produce('t', on(0, 'b'), never)
    ;(await batches.next()).reject(failure('NOT_ENOUGH_REPLICAS', true))
    const stopped = producer.stop()
    await settled()
    for (let elapsedMs = 0; elapsedMs < 1000; elapsedMs += 50) {
      await clock.advance(50)
      await settled()
      batches.sent.at(-1)?.reject(failure('NOT_ENOUGH_REPLICAS', true))
      await settled()
    }
    const text = 'The producer was closed before the record was acknowledged.'
    expect(shown([...(await result), ...(await waiting)])).toEqual([text, text])
    await stopped
  })
})
