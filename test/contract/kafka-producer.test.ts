import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KafkaError } from '../../proxy-node/ports/kafka-error.ts'
import { type ProducerRecord, RecordsRefused } from '../../proxy-node/ports/kafka-producer.ts'
import { TestKafkaDrivers } from '../support/kafka-drivers.ts'
import { createTopic, deleteTopic, readTopic } from '../support/kafka-topics.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'
import { TcpRelay } from '../support/tcp-relay.ts'
import { until } from '../support/until.ts'

/** The contract of the port BatchProducer, on a real broker. */

let drivers: TestKafkaDrivers

beforeAll(async () => {
  drivers = new TestKafkaDrivers(kafkaAddress())
  // A fresh broker still loads the coordinator that gives producer ids, and says so: retriable, but not retried here.
  const topic = uniqueName('warm')
  await createTopic(kafkaAddress(), topic)
  const producer = drivers.producer()
  await until('the broker gives producer ids', () => producer.send(topic, 0, [record(null, 'warm')]))
})

afterAll(() => drivers.stop())

const record = (key: string | null, value: string | null, more: Partial<ProducerRecord> = {}) => ({
  key: key === null ? null : Buffer.from(key),
  value: value === null ? null : Buffer.from(value),
  timestamp: Date.now(),
  headers: [],
  ...more,
})

async function newTopic(options: Parameters<typeof createTopic>[2] = {}): Promise<string> {
  const topic = uniqueName('produce')
  await createTopic(kafkaAddress(), topic, options)
  return topic
}

/** What the promise rejects with. */
async function failureOf(promise: Promise<unknown>): Promise<KafkaError> {
  const failure: unknown = await promise.then(
    () => undefined,
    error => error,
  )
  if (failure instanceof KafkaError) return failure
  throw new Error(`no KafkaError: ${String(failure)}`)
}

describe('what a foreign client reads back', () => {
  test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)('compression %s', async compression => {
    const topic = await newTopic({ partitions: 2 })
    const producer = drivers.producer({ compression })
    const long = 'blue whale '.repeat(7000) // more than two blocks of every codec's framing
    const sent = [
      record('k', 'v', { timestamp: 1_700_000_000_000 }),
      record(null, null, { timestamp: 1_600_000_000_000 }),
      record('', '', { timestamp: 1_650_000_000_123 }),
      record('k', long, {
        headers: [
          ['trace', Buffer.from('ä')],
          ['none', null],
          ['trace', Buffer.from('2')],
        ],
      }),
    ]
    expect(await producer.send(topic, 1, sent)).toEqual({ baseOffset: 0n })
    expect(await producer.send(topic, 1, [record('next', compression)])).toEqual({ baseOffset: 4n })
    const stored = await readTopic(kafkaAddress(), topic)
    expect(stored.map(({ offset }) => offset)).toEqual([0n, 1n, 2n, 3n, 4n])
    expect(
      stored.slice(0, 4).map(({ partition, key, value, timestamp, headers }) => ({
        partition,
        key,
        value,
        timestamp,
        headers,
      })),
    ).toEqual(
      sent.map(({ key, value, timestamp }, index) => ({
        partition: 1,
        key,
        value,
        timestamp,
        headers: index === 3 ? 'trace=ä,none=null,trace=2' : '',
      })),
    )
  })
})

describe('refusals', () => {
  test('a partition beyond the count and a topic that does not exist are refused, not resolved', async () => {
    const topic = await newTopic({ partitions: 2 })
    const producer = drivers.producer()
    for (const send of [
      producer.send(topic, 2, [record('k', 'v')]),
      producer.send(uniqueName('no'), 0, [record('k', 'v')]),
    ]) {
      expect(await failureOf(send)).toMatchObject({ kind: 'NOT_PRESENT_IN_METADATA', retriable: true })
    }
  })

  test('the culprits of a refused batch are named with the broker’s words, and nothing of it is written', async () => {
    const topic = await newTopic({ configs: { 'cleanup.policy': 'compact' } })
    const producer = drivers.producer()
    const batch = [record('k', 'a'), record(null, 'b'), record('k', 'c'), record(null, 'd')]
    const failure = await failureOf(producer.send(topic, 0, batch))
    expect(failure).toBeInstanceOf(RecordsRefused)
    const text = `Compacted topic cannot accept message without key in topic partition ${topic}-0`
    expect(failure).toMatchObject({
      kind: 'INVALID_RECORD',
      retriable: false,
      refused: new Map([
        [1, text],
        [3, text],
      ]),
    })
    expect(await producer.send(topic, 0, [record('k', 'e')])).toEqual({ baseOffset: 0n })
  })

  test('a batch larger than the topic takes', async () => {
    const topic = await newTopic({ configs: { 'max.message.bytes': '1000' } })
    const batch = [record('k', 'a'.repeat(600)), record('k', 'b'.repeat(600))]
    const failure = await failureOf(drivers.producer().send(topic, 0, batch))
    expect(failure).toMatchObject({ kind: 'MESSAGE_TOO_LARGE', retriable: false })
    expect(failure).not.toBeInstanceOf(RecordsRefused)
  })

  test('partitions that share a request each get their own answer', async () => {
    const good = await newTopic({ partitions: 8 })
    const bad = await newTopic({ configs: { 'max.message.bytes': '100' } })
    const producer = drivers.producer()
    // First alone, so that the connection is open and the rest leaves in one turn.
    await producer.send(good, 0, [record('k', 'v')])
    const sends = Array.from({ length: 8 }, (_, partition) =>
      producer.send(good, partition, [record('k', `${partition}`)]),
    )
    const refused = failureOf(producer.send(bad, 0, [record('k', 'x'.repeat(500))]))
    const offsets = (await Promise.all(sends)).map(answer => answer.baseOffset)
    expect(offsets).toEqual([1n, 0n, 0n, 0n, 0n, 0n, 0n, 0n])
    expect(await refused).toMatchObject({ kind: 'MESSAGE_TOO_LARGE' })
    const stored = (await readTopic(kafkaAddress(), good)).map(
      ({ partition, value }) => `${partition}=${value}`,
    )
    expect(stored.sort()).toEqual(['0=0', '0=v', '1=1', '2=2', '3=3', '4=4', '5=5', '6=6', '7=7'])
  })

  test('a topic that is deleted harms no other', async () => {
    const [kept, deleted] = [await newTopic(), await newTopic()]
    const producer = drivers.producer()
    await producer.send(kept, 0, [record('k', '1')])
    await producer.send(deleted, 0, [record('k', '1')])
    await deleteTopic(kafkaAddress(), deleted)
    const gone = failureOf(producer.send(deleted, 0, [record('k', '2')]))
    expect(await producer.send(kept, 0, [record('k', '2')])).toEqual({ baseOffset: 1n })
    expect(await gone).toMatchObject({ retriable: true })
    // With fresh metadata of everything, too: kafkajs's own producer fails for all topics here.
    drivers.cluster.outdated(kept)
    expect(await producer.send(kept, 0, [record('k', '3')])).toEqual({ baseOffset: 2n })
  })
})

describe('acks', () => {
  test('0: there is no offset, and the record arrives', async () => {
    const topic = await newTopic()
    const producer = drivers.producer({ acks: 0 })
    expect(await producer.send(topic, 0, [record('k', 'v')])).toEqual({ baseOffset: -1n })
    // On the same connection, so the broker has worked on the first when it answers the second.
    const confirmed = drivers.producer({ acks: 1 })
    await until('the record is stored', async () => {
      const { baseOffset } = await confirmed.send(topic, 0, [record('k', 'after')])
      return (
        baseOffset >= 1n && (await readTopic(kafkaAddress(), topic)).some(({ value }) => `${value}` === 'v')
      )
    })
  })
})

test('a first leader that is gone for good does not keep the producer from getting its id at the next', async () => {
  const topic = await newTopic()
  const metadata = (await drivers.cluster.topic(topic)) ?? expect.fail()
  const [host = '', port] = kafkaAddress().split(':')
  let leader = 1
  const outdated: string[] = []
  const producer = drivers.producer(
    {},
    {
      cachedTopic: () => undefined,
      topic: async () => ({
        ...metadata,
        partitions: metadata.partitions.map(each => ({ ...each, leader })),
      }),
      outdated: name => outdated.push(name),
      // Nobody listens on port 1.
      addressOf: async (_, id) => (id === 1 ? { host, port: 1 } : { host, port: Number(port) }),
    },
  )
  const batch = [record('k', 'v')]
  expect(await failureOf(producer.send(topic, 0, batch))).toMatchObject({ retriable: true })
  expect(outdated).toEqual([topic])
  leader = 2
  expect(await producer.send(topic, 0, batch)).toEqual({ baseOffset: 0n })
})

describe('a lost answer', () => {
  /** A producer whose connections go through a relay. */
  async function relayed(options: Parameters<TestKafkaDrivers['producer']>[0] = {}) {
    const relay = await TcpRelay.start(kafkaAddress())
    const addressOf = async () => ({ host: '127.0.0.1', port: relay.port })
    return { relay, producer: drivers.producer(options, { addressOf }) }
  }

  test('the batch is sent again, and written once', async () => {
    const topic = await newTopic()
    const { relay, producer } = await relayed()
    await producer.send(topic, 0, [record('k', 'first')])
    const batch = [record('k', 'a'), record('k', 'b')]
    relay.swallowNextAnswer()
    expect(await failureOf(producer.send(topic, 0, batch))).toMatchObject({
      kind: 'CONNECTION_LOST',
      retriable: true,
    })
    expect(await producer.send(topic, 0, batch)).toEqual({ baseOffset: 1n })
    expect(await producer.send(topic, 0, [record('k', 'last')])).toEqual({ baseOffset: 3n })
    await relay.stop()
  })

  test('a batch that was given up does not swallow the next one of the same size', async () => {
    const topic = await newTopic()
    const { relay, producer } = await relayed()
    await producer.send(topic, 0, [record('k', 'first')])
    relay.swallowNextAnswer()
    await failureOf(producer.send(topic, 0, [record('k', 'given up')]))
    expect(await producer.send(topic, 0, [record('k', 'next')])).toEqual({ baseOffset: 2n })
    const values = (await readTopic(kafkaAddress(), topic)).map(({ value }) => `${value}`)
    expect(values).toEqual(['first', 'given up', 'next'])
    await relay.stop()
  })

  test('without idempotence the batch is written twice', async () => {
    const topic = await newTopic()
    const { relay, producer } = await relayed({ idempotence: false })
    await producer.send(topic, 0, [record('k', 'first')])
    const batch = [record('k', 'a')]
    relay.swallowNextAnswer()
    await failureOf(producer.send(topic, 0, batch))
    expect(await producer.send(topic, 0, batch)).toEqual({ baseOffset: 2n })
    await relay.stop()
  })

  test('a broker that falls silent: time-out, and the next send goes over a new connection', async () => {
    const topic = await newTopic()
    const { relay, producer } = await relayed({ requestTimeoutMs: 5000 })
    const batch = [record('k', 'v')]
    await producer.send(topic, 0, [record('k', 'first')])
    relay.stall()
    expect(await failureOf(producer.send(topic, 0, batch))).toMatchObject({
      kind: 'TIMED_OUT',
      retriable: true,
    })
    relay.pass()
    expect(await producer.send(topic, 0, batch)).toEqual({ baseOffset: 1n })
    await relay.stop()
  })
})

test('stop ends what is under way', async () => {
  const topic = await newTopic()
  const producer = drivers.producer()
  await producer.send(topic, 0, [record('k', 'v')])
  const under = failureOf(producer.send(topic, 0, [record('k', 'v')]))
  await producer.stop()
  expect(await under).toMatchObject({ kind: 'STOPPED' })
})

test('kafkajs makes no timers with negative delays, which Node warns of', async () => {
  const topic = await newTopic()
  const script = `
    import { TestKafkaDrivers } from './test/support/kafka-drivers.ts'
    const drivers = new TestKafkaDrivers('${kafkaAddress()}')
    const record = { key: null, value: Buffer.from('v'), timestamp: Date.now(), headers: [] }
    const { baseOffset } = await drivers.producer().send('${topic}', 0, [record])
    console.log('offset', baseOffset)
    await drivers.stop()`
  const args = ['--input-type=module-typescript', '--eval', script]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args)
  expect(stdout).toBe('offset 0n\n')
  expect(stderr).toBe('')
})
