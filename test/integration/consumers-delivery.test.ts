import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { instanceKey } from '../../shared/ids.ts'
import { ConsumerClient, json, type ReadRecord } from '../support/consumer-client.ts'
import { ConsumerNode, internalToken } from '../support/consumer-node.ts'
import { http } from '../support/http-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { RecordProducer } from '../support/record-producer.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

let node: ConsumerNode
let producer: RecordProducer
const clients: ConsumerClient[] = []

beforeAll(async () => {
  node = await ConsumerNode.start({ 'consumer.auto.commit.interval.ms': '100' })
  producer = await RecordProducer.start(kafkaAddress())
})

afterAll(async () => {
  for (const client of clients) client.close()
  await producer.stop()
  await node.stop()
})

/** A client of a new topic with the values 0 to `count` - 1, each `bytes` long at least. */
async function reading(count: number, settings: Record<string, unknown> = {}, bytes = 0, at = node) {
  const topic = uniqueName('t')
  await createTopic(kafkaAddress(), topic)
  for (let from = 0; from < count; from += 20) {
    const values = Array.from({ length: Math.min(20, count - from) }, (_, index) => ({
      value: `{"n":${from + index},"x":"${'x'.repeat(bytes)}"}`,
    }))
    await producer.send(topic, values)
  }
  // A read ends with the first records, however long a busy machine takes to bring them.
  const patient = { 'consumer.request.timeout.ms': 30_000, ...settings }
  const client = await ConsumerClient.create(at.url, uniqueName('g'), uniqueName('i'), patient)
  clients.push(client)
  await client.subscribe(topic)
  return { client, topic }
}

const offsets = (records: readonly ReadRecord[]) => records.map(({ offset }) => offset)
const get = (client: ConsumerClient, query = '') =>
  `GET ${client.base}/records${query} HTTP/1.1\r\nHost: x\r\nAccept: ${json}\r\n\r\n`
const offsetsIn = (text: string) => [...text.matchAll(/"offset":(\d+)/g)].map(match => Number(match[1]))

describe('a client that comes directly', () => {
  test('the next request on the same connection confirms; so does an orderly end of the connection', async () => {
    const { client, topic } = await reading(3)
    expect(offsets(await client.records('?max_bytes=20'))).toEqual([0])
    expect(offsets(await client.records('?max_bytes=20'))).toEqual([1])
    await client.commit()
    expect(await client.committed(topic)).toBe(2)
    // One connection for each request, as curl has it: closed in order after each answer.
    const { status, text } = await http({
      base: node.url,
      path: `${client.base}/records?max_bytes=20`,
      headers: { Accept: json },
    })
    expect([status, offsetsIn(text)]).toEqual([200, [2]])
    await http({ base: node.url, path: `${client.base}/offsets`, method: 'POST' })
    expect(await client.committed(topic)).toBe(3)
  })

  test('an answer that was cut off by a reset is handed out again', async () => {
    const { client } = await reading(3)
    const connection = await RawConnection.open(node.url)
    connection.send(get(client))
    await connection.receive(/\]\r\n0\r\n\r\n$/)
    connection.reset()
    expect(offsets(await client.take(3))).toEqual([0, 1, 2])
  })

  test('a client that vanishes in mid-answer gets the whole read again, and nothing of it is committed', async () => {
    const { client, topic } = await reading(
      400,
      { 'fetch.min.bytes': -1, 'auto.commit.enable': 'true' },
      20_000,
    )
    const connection = await RawConnection.open(node.url)
    connection.send(get(client))
    await connection.receive(/"offset":5\}/)
    connection.reset()
    // This one takes its whole time, also with all records.
    const again = await client.take(400, '?timeout=3000')
    expect(offsets(again)).toEqual(Array.from({ length: 400 }, (_, index) => index))
    await until('the put-back is counted', async () =>
      /^kafka_rest_node_reads_put_back_total [1-9]/m.test((await node.metrics.render()).text),
    )
    await client.delete()
    const next = await ConsumerClient.create(node.url, client.group, 'next')
    clients.push(next)
    expect(await next.committed(topic)).toBe(400)
  })

  test('a client that never reads its answer and then resets has not got it, though it was written', async () => {
    const { client, topic } = await reading(2, { 'auto.commit.enable': 'true' })
    const connection = await RawConnection.open(node.url)
    connection.socket.pause()
    connection.send(get(client))
    // The answer is small: it is with the operating system although nobody reads it.
    await until('the read is over', async () => {
      const instance = await node.instances.find({ group: client.group, instance: client.name })
      return instance && instance.idleMs > 0
    })
    connection.reset()
    expect(await client.committed(topic)).not.toBe(2)
    expect(offsets(await client.take(2))).toEqual([0, 1])
  })

  test('a client that leaves a read that waits holds up nobody', async () => {
    const { client } = await reading(0, { 'consumer.request.timeout.ms': 60_000 })
    const leaving = await RawConnection.open(node.url)
    leaving.send(get(client))
    const instance = () => node.instances.find({ group: client.group, instance: client.name })
    await until('the read waits', async () => (await instance())?.idleMs === 0)
    leaving.reset()
    // It would wait a minute for its turn otherwise.
    expect((await client.commit()).status).toBe(200)
  })

  test('another connection waits for the outcome; a connection that stays silent counts as lost', async () => {
    const { client } = await reading(2)
    const silent = await RawConnection.open(node.url)
    silent.send(get(client))
    await silent.receive(/\]\r\n0\r\n\r\n$/)
    expect(offsets(await client.records())).toEqual([0, 1])
    silent.end()
  })

  test('when the node ends an idle connection, a client that is there has read its answer, and one that is silent has not', async () => {
    const hasty = await ConsumerNode.start(
      { 'response.write.timeout.ms': '1000' },
      { keepAliveTimeoutMs: 200 },
    )
    try {
      const { client } = await reading(2, {}, 0, hasty)
      const there = await RawConnection.open(hasty.url)
      there.send(get(client, '?max_bytes=20'))
      await there.receive(/\]\r\n0\r\n\r\n$/)
      await there.ended()
      expect(offsetsIn(there.received)).toEqual([0])
      const silent = await RawConnection.open(hasty.url)
      silent.send(get(client))
      await silent.receive(/\]\r\n0\r\n\r\n$/)
      expect(offsetsIn(silent.received)).toEqual([1])
      // It answers nothing to the end, as a host that lost its power.
      silent.socket.allowHalfOpen = true
      await until('the node to have given it up', () => hasty.connections === 0)
      expect(offsets(await client.records())).toEqual([1])
    } finally {
      await hasty.stop()
    }
  })

  test('a connection that has sent something else meanwhile has read its answer', async () => {
    const { client } = await reading(2)
    const busy = await RawConnection.open(node.url)
    busy.send(get(client))
    await busy.receive(/\]\r\n0\r\n\r\n$/)
    busy.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await busy.receive(/\]\r\n0\r\n\r\nHTTP\/1\.1 /)
    expect(await client.records('?timeout=1')).toEqual([])
    busy.end()
  })

  test('a connection that is closed after the answer, as HTTP/1.0 does, has delivered it', async () => {
    const { client } = await reading(2)
    const connection = await RawConnection.open(node.url)
    connection.send(`GET ${client.base}/records HTTP/1.0\r\nAccept: ${json}\r\n\r\n`)
    await connection.receive(/\]/)
    await connection.ended()
    expect(offsetsIn(connection.received)).toEqual([0, 1])
    expect(await client.records('?timeout=1')).toEqual([])
  })

  test('reads and commits of two connections take turns, and no record is lost', async () => {
    const { client } = await reading(300)
    const readers = [client, client.another(), client.another()]
    clients.push(...readers)
    const seen = new Set<number>()
    await Promise.all(
      readers.map(async reader => {
        for (let idle = 0; idle < 3 && seen.size < 300; ) {
          // The last read of each finds nothing any more.
          const records = await reader.records('?max_bytes=500&timeout=3000')
          idle = records.length === 0 ? idle + 1 : 0
          for (const { offset } of records) seen.add(offset)
        }
      }),
    )
    expect(seen.size).toBe(300)
  })
})

describe('what confirms and what does not', () => {
  test('GET subscription, assignments and offsets confirm nothing', async () => {
    const { client, topic } = await reading(2, { 'auto.commit.enable': 'true' })
    await client.take(2)
    for (const path of ['subscription', 'assignments']) await client.call('GET', `${client.base}/${path}`)
    for (let look = 0; look < 5; look++) {
      await new Promise(resolve => setTimeout(resolve, 100))
      expect(await client.committed(topic)).not.toBe(2)
    }
    // The next read does, and the timer commits it without another request.
    await client.records('?timeout=1')
    await until('auto-commit', async () => (await client.another().committed(topic)) === 2)
  })

  test.each([
    ['POST', 'positions', {}],
    ['POST', 'positions/end', { partitions: [] }],
    ['POST', 'offsets', { offsets: [] }],
    ['POST', 'subscription', {}],
    ['DELETE', 'subscription', undefined],
    ['DELETE', '', undefined],
  ])('%s %s confirms', async (method, path, body) => {
    const { client, topic } = await reading(2, { 'auto.commit.enable': 'true' })
    await client.take(2)
    await client.call(method, path === '' ? client.base : `${client.base}/${path}`, body)
    const watcher = await ConsumerClient.create(node.url, client.group, 'watcher')
    clients.push(watcher)
    await until('the commit', async () => (await watcher.committed(topic)) === 2)
  })

  test('without auto-commit nothing is ever committed by itself', async () => {
    const { client, topic } = await reading(2)
    await client.take(2)
    await client.records('?timeout=1')
    await client.delete()
    const watcher = await ConsumerClient.create(node.url, client.group, 'watcher')
    clients.push(watcher)
    expect(await watcher.committed(topic)).toBeUndefined()
  })

  test('with latest and auto-commit the start position is committed, so that nothing in between is lost', async () => {
    const { client, topic } = await reading(2, {
      'auto.commit.enable': 'true',
      'auto.offset.reset': 'latest',
    })
    await until('auto-commit', async () => (await client.committed(topic)) === 2)
  })
})

describe('through gateways', () => {
  const headers = (gateway: string) => ({
    Accept: json,
    'kafka-rest-internal-token': internalToken,
    'kafka-rest-gateway-run': gateway,
    'kafka-rest-public-base': 'http://public',
  })

  const readBy = async (client: ConsumerClient, gateway: string, query = '') => {
    const answer = await http({
      base: node.url,
      path: `${client.base}/records${query}`,
      headers: headers(gateway),
    })
    return { offsets: offsetsIn(answer.text), readId: String(answer.headers['kafka-rest-read-id']) }
  }
  const report = (client: ConsumerClient, readId: string, delivered: boolean) => {
    const key = instanceKey({ group: client.group, instance: client.name })
    node.instances.applyReadOutcomes([{ key, readId, delivered }])
  }

  test('the gateway of the last read needs no report', async () => {
    const { client } = await reading(2)
    expect((await readBy(client, 'a', '?max_bytes=20')).offsets).toEqual([0])
    expect((await readBy(client, 'a')).offsets).toEqual([1])
  })

  test('a failed delivery that is reported is handed out again, to any gateway', async () => {
    const { client } = await reading(2)
    const first = await readBy(client, 'a')
    report(client, first.readId, false)
    expect((await readBy(client, 'a')).offsets).toEqual([0, 1])
    const second = await readBy(client, 'a', '?timeout=1')
    expect(second.offsets).toEqual([])
  })

  test('another gateway waits for the report, and takes silence for a loss', async () => {
    const { client } = await reading(2)
    const first = await readBy(client, 'a', '?max_bytes=20')
    const other = readBy(client, 'b', '?max_bytes=20')
    report(client, first.readId, true)
    expect((await other).offsets).toEqual([1])
    expect((await readBy(client, 'a')).offsets).toEqual([1])
  })

  test('a report that comes after a later operation is past', async () => {
    const { client } = await reading(3)
    const first = await readBy(client, 'a', '?max_bytes=20')
    const second = await readBy(client, 'a', '?max_bytes=20')
    report(client, first.readId, false)
    report(client, 'unknown', false)
    expect(second.offsets).toEqual([1])
    expect((await readBy(client, 'a')).offsets).toEqual([2])
  })

  test('clients of a node are told no read id', async () => {
    const { client } = await reading(1)
    expect((await client.read()).headers['kafka-rest-read-id']).toBeUndefined()
  })
})
