import { createServer } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { freePort } from '../../infra/local/free-port.ts'
import type { OpenKafka } from '../../proxy-node/open-kafka.ts'
import { openDriver } from '../support/consumer-driver.ts'
import { addPartitions, createTopic, deleteTopic } from '../support/kafka-topics.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'
import { TcpRelay } from '../support/tcp-relay.ts'
import { until } from '../support/until.ts'

let driver: OpenKafka
const opened: { stop(): Promise<void> }[] = []

beforeAll(() => {
  driver = openDriver(kafkaAddress())
})

afterEach(async () => {
  vi.restoreAllMocks()
  for (const part of opened.splice(0)) await part.stop()
})

afterAll(() => driver.stop())

function open(addresses: string | string[], settings: Record<string, string> = {}): OpenKafka {
  const other = openDriver(addresses, settings)
  opened.push(other)
  return other
}

describe('topics', () => {
  test('a topic has its partitions, leaders and id, from one request for all who ask', async () => {
    const topic = uniqueName('t')
    await createTopic(kafkaAddress(), topic, { partitions: 3 })
    const calls = vi.spyOn(driver.connections, 'call')
    const answers = await Promise.all([1, 2, 3].map(() => driver.cluster.topic(topic)))
    expect(calls).toHaveBeenCalledTimes(1)
    expect(answers[0]?.partitions.map(({ partition, leader }) => ({ partition, leader }))).toEqual(
      [0, 1, 2].map(partition => ({ partition, leader: 1 })),
    )
    expect(answers[0]?.id).toMatch(/^[0-9a-f]{8}-/)
    expect(await driver.cluster.topic(topic)).toBe(answers[0])
    expect(driver.cluster.cachedTopic(topic)).toBe(answers[0])
    expect(calls).toHaveBeenCalledTimes(1)
  })

  test('what is known to be out of date is asked for again', async () => {
    const topic = uniqueName('t')
    await createTopic(kafkaAddress(), topic)
    await driver.cluster.topic(topic)
    await addPartitions(kafkaAddress(), topic, 4)
    driver.cluster.outdated(topic)
    expect(driver.cluster.cachedTopic(topic)).toBeUndefined()
    await until('the new partitions are known', async () => {
      driver.cluster.outdated(topic)
      return (await driver.cluster.topic(topic))?.partitions.length === 4
    })
  })

  test('a topic that does not exist is asked for several times, and then remembered', async () => {
    const topic = uniqueName('none')
    const doubting = open(kafkaAddress(), { 'kafka.unknown.topic.doubt.ms': '3000' })
    const calls = vi.spyOn(doubting.connections, 'call')
    expect(await doubting.cluster.topic(topic)).toBeUndefined()
    const asked = calls.mock.calls.length
    expect(asked).toBeGreaterThan(2)
    expect(await doubting.cluster.topic(topic)).toBeUndefined()
    expect(calls).toHaveBeenCalledTimes(asked)
  })

  test('a topic that is created while it is doubted is found', async () => {
    const topic = uniqueName('late')
    const doubting = open(kafkaAddress(), { 'kafka.unknown.topic.doubt.ms': '30000' })
    const [found] = await Promise.all([doubting.cluster.topic(topic), createTopic(kafkaAddress(), topic)])
    expect(found?.name).toBe(topic)
  })

  test('a look does not create a topic; produce may', async () => {
    const topic = uniqueName('auto')
    // Long enough for a busy broker to create it. The same driver: what it has just missed must not keep it from that.
    const doubting = open(kafkaAddress(), { 'kafka.unknown.topic.doubt.ms': '10000' })
    expect(await doubting.cluster.topic(topic)).toBeUndefined()
    expect(await doubting.cluster.topic(topic, { autoCreate: true })).toMatchObject({ name: topic })
    expect(await doubting.cluster.topic(topic)).toMatchObject({ name: topic })
  })

  test('a name that no topic can have is refused at once', async () => {
    await expect(driver.cluster.topic('a b')).rejects.toMatchObject({ kind: 'INVALID_TOPIC_EXCEPTION' })
  })

  test('a topic that was deleted is gone', async () => {
    const topic = uniqueName('t')
    await createTopic(kafkaAddress(), topic)
    await driver.cluster.topic(topic)
    await deleteTopic(kafkaAddress(), topic)
    expect(await driver.cluster.topic(topic, { refresh: true })).toBeUndefined()
  })

  test('a caller that leaves does not end the look-up of the others', async () => {
    const topic = uniqueName('none')
    const gone = new AbortController()
    const left = driver.cluster.topic(topic, { signal: gone.signal })
    const stayed = driver.cluster.topic(topic)
    gone.abort(new Error('gone'))
    await expect(left).rejects.toThrow('gone')
    expect(await stayed).toBeUndefined()
  })

  test('the listing has all topics, marks internal ones, and is shared while it is young', async () => {
    const topic = uniqueName('t')
    await createTopic(kafkaAddress(), topic, { partitions: 2 })
    // A look-up of a group makes the broker create its internal topic.
    await driver.consumers.committed(uniqueName('g'), [{ topic, partition: 0 }])
    const listed = await driver.cluster.topics()
    expect(listed.find(({ name }) => name === topic)).toMatchObject({ internal: false })
    expect(listed.find(({ name }) => name === '__consumer_offsets')).toMatchObject({ internal: true })
    const calls = vi.spyOn(driver.connections, 'call')
    expect(await driver.cluster.topics(undefined, 60_000)).toBe(listed)
    expect(calls).not.toHaveBeenCalled()
    expect(await driver.cluster.topics()).not.toBe(listed)
  })
})

describe('leaders', () => {
  test('a partition number beyond the count is unknown; it is not wrapped around', async () => {
    const topic = uniqueName('t')
    await createTopic(kafkaAddress(), topic, { partitions: 2 })
    await expect(driver.cluster.leader({ topic, partition: 1 })).resolves.toMatchObject({ broker: { id: 1 } })
    for (const partition of [2, 7, -1, 0.5]) {
      await expect(driver.cluster.leader({ topic, partition })).rejects.toMatchObject({
        kind: 'UNKNOWN_TOPIC_OR_PARTITION',
      })
    }
  })

  test('a partition that was added is found once the metadata is a little old', async () => {
    const young = open(kafkaAddress(), { 'kafka.unknown.topic.cache.ms': '100' })
    const topic = uniqueName('t')
    await createTopic(kafkaAddress(), topic)
    await young.cluster.topic(topic)
    await addPartitions(kafkaAddress(), topic, 2)
    await until('partition 1 has a leader', () => young.cluster.leader({ topic, partition: 1 }))
  })
})

describe('brokers', () => {
  test('those that are alive', async () => {
    expect(await driver.cluster.brokers()).toEqual([1])
    await driver.cluster.ping(5000)
  })

  test('a bootstrap address where nobody listens is passed over', async () => {
    const dead = `127.0.0.1:${await freePort()}`
    expect(await open([dead, kafkaAddress()]).cluster.brokers()).toEqual([1])
  })

  test('no broker anywhere is an error of its own, and no unhandled one', async () => {
    const nowhere = open(`127.0.0.1:${await freePort()}`)
    await expect(nowhere.cluster.brokers()).rejects.toMatchObject({
      kind: 'CONNECTION_LOST',
      retriable: true,
    })
    await expect(nowhere.cluster.ping(5000)).rejects.toMatchObject({ kind: 'CONNECTION_LOST' })
    expect(nowhere.connections.counts()).toEqual({ open: 0, leased: 0, waiting: 0 })
  })

  test('a broker that answers nothing: the ping ends, the connection is not used again', async () => {
    const relay = await TcpRelay.start(kafkaAddress())
    opened.push(relay)
    relay.stall()
    const stalled = open(`127.0.0.1:${relay.port}`, { 'kafka.metadata.timeout.ms': '500' })
    await expect(stalled.cluster.ping(200)).rejects.toMatchObject({ kind: 'TIMED_OUT' })
    await expect(stalled.cluster.brokers()).rejects.toMatchObject({ kind: 'TIMED_OUT' })
    await until('the connection is closed', () => stalled.connections.counts().open === 0)
    relay.pass()
    // On a busy machine the answer may take longer than that.
    expect(await until('the broker answers', () => stalled.cluster.brokers())).toEqual([1])
  })

  test('something that is no broker is an error, and no unhandled one', async () => {
    const server = createServer(socket => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address ? address.port : 0
    const odd = open(`127.0.0.1:${port}`, { 'kafka.metadata.timeout.ms': '500' })
    await expect(odd.cluster.brokers()).rejects.toMatchObject({ retriable: true })
    await new Promise(resolve => server.close(resolve))
  })
})

test('after a stop nothing is opened any more', async () => {
  const stopped = openDriver(kafkaAddress())
  await stopped.cluster.brokers()
  await stopped.stop()
  await expect(stopped.cluster.brokers()).rejects.toMatchObject({ kind: 'STOPPED' })
  expect(stopped.connections.counts().open).toBe(0)
})
