import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { binary, ConsumerClient, json, type ReadRecord, v2 } from '../support/consumer-client.ts'
import { ConsumerNode } from '../support/consumer-node.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { RecordProducer, type TestRecord } from '../support/record-producer.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

let node: ConsumerNode
let producer: RecordProducer
const clients: ConsumerClient[] = []

beforeAll(async () => {
  node = await ConsumerNode.start()
  producer = await RecordProducer.start(kafkaAddress())
})

afterAll(async () => {
  for (const client of clients) client.close()
  await producer.stop()
  await node.stop()
})

/** A client of a new topic with these records. */
async function reading(
  records: readonly TestRecord[],
  settings: Record<string, unknown> = {},
  partitions = 1,
): Promise<{ client: ConsumerClient; topic: string }> {
  const topic = uniqueName('t')
  await createTopic(kafkaAddress(), topic, { partitions })
  if (records.length > 0) await producer.send(topic, records)
  const client = await ConsumerClient.create(node.url, uniqueName('g'), uniqueName('i'), settings)
  clients.push(client)
  await client.subscribe(topic)
  // On a busy machine subscribing may answer before the first assignment.
  await until('its partitions are assigned', async () => {
    const answer = await client.call('GET', `${client.base}/assignments`)
    return (answer.json() as { partitions: unknown[] }).partitions.length === partitions
  })
  return { client, topic }
}

/** For single reads that must bring records: they answer as soon as there are any, however slow the machine is. */
const patient = { 'consumer.request.timeout.ms': 30_000 }

const values = (records: readonly ReadRecord[]) => records.map(record => record.value)
const numbers = (count: number) => Array.from({ length: count }, (_, index) => ({ value: String(index) }))
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)

describe('records - contract v2 §2.14', () => {
  test('§9.12: JSON text as it is stored, nulls as null, five keys in order', async () => {
    const { client, topic } = await reading(
      [
        { key: '{"2":1,"1":2}', value: '{"b":1.10,"a":[-0,1e3,12345678901234567890,null],"a":2}' },
        { key: null, value: null },
        { key: '"ключ 🔑"', value: '"\\u0000\\ud83d\\ude00 𝄞"' },
      ],
      patient,
    )
    const answer = await client.read()
    expect(answer.headers['content-type']).toBe(json)
    expect(answer.text).toBe(
      `[{"topic":"${topic}","key":{"2":1,"1":2},"value":{"b":1.10,"a":[-0,1e3,12345678901234567890,null],"a":2},"partition":0,"offset":0},` +
        `{"topic":"${topic}","key":null,"value":null,"partition":0,"offset":1},` +
        `{"topic":"${topic}","key":"ключ 🔑","value":"\\u0000\\ud83d\\ude00 𝄞","partition":0,"offset":2}]`,
    )
  })

  test('binary: base64 with padding, empty bytes, null; §9.1 the type for */* is binary', async () => {
    const { client } = await reading(
      [
        { key: 'k', value: Buffer.from([0, 255]) },
        { key: Buffer.alloc(0), value: null },
      ],
      { ...patient, format: 'BINARY' },
    )
    const answer = await client.read('', { headers: { Accept: '*/*' } })
    expect(answer.headers['content-type']).toBe(binary)
    expect((answer.json() as ReadRecord[]).map(({ key, value }) => [key, value])).toEqual([
      ['aw==', 'AP8='],
      ['', null],
    ])
  })

  test.each([
    ['', binary, 200, binary],
    ['', v2, 200, v2],
    ['', json, 406, json],
    ['json', json, 200, json],
    ['json', '*/*', 406, binary],
    ['json', v2, 406, v2],
    ['json', `${json};q=0.9, */*;q=0.8`, 200, json],
    ['json', `${json}; charset=utf-8`, 200, `${json};charset=utf-8`],
    ['json', 'application/vnd.kafka.avro.v2+json', 406, 'application/vnd.kafka.avro.v2+json'],
  ])('an instance of %j read as %s is %d', async (format, accept, status, type) => {
    const { client } = await reading([], { format: format === '' ? 'binary' : format })
    const answer = await client.read('?timeout=1', { headers: { Accept: accept } })
    expect([answer.status, answer.headers['content-type']]).toEqual([status, type])
    if (status === 406)
      expect(answer.json()).toEqual({
        error_code: 40601,
        message:
          'The requested embedded data format does not match the deserializer for this consumer instance',
      })
  })

  test('a read before subscribing is 409 / 40903 (a deviation: 500 / 500)', async () => {
    const client = await ConsumerClient.create(node.url, uniqueName('g'), 'i')
    clients.push(client)
    const answer = await client.read()
    expect([answer.status, answer.json()]).toEqual([
      409,
      {
        error_code: 40903,
        message: 'Illegal state: Consumer is not subscribed to any topics or assigned any partitions',
      },
    ])
  })

  test.each(['?timeout=x', '?timeout=1.5', '?max_bytes=1e3', '?timeout=9223372036854775808'])(
    '%s is 404',
    async query => {
      const { client } = await reading([])
      const answer = await client.read(query)
      expect([answer.status, answer.json()]).toEqual([
        404,
        { error_code: 404, message: 'HTTP 404 Not Found' },
      ])
    },
  )

  test('blank and unknown parameters are passed over; values up to 0 mean none', async () => {
    const { client } = await reading(numbers(2))
    expect(values(await client.take(2, '?timeout=&max_bytes=&foo=bar'))).toEqual([0, 1])
    expect((await client.read('?timeout=0&max_bytes=-5')).status).toBe(200)
    expect((await client.read('?timeout=%2B5&max_bytes=9223372036854775807')).status).toBe(200)
  })

  test('HEAD reads nothing', async () => {
    const { client } = await reading(numbers(1))
    const head = await client.call('HEAD', `${client.base}/records`, undefined, { headers: { Accept: json } })
    expect([head.status, head.headers['content-type']]).toEqual([200, json])
    expect(values(await client.take(1))).toEqual([0])
  })

  test('auto.offset.reset=none without a commit is 500 / 50002, until the client seeks', async () => {
    const { client, topic } = await reading(numbers(3), { ...patient, 'auto.offset.reset': 'none' })
    for (let read = 0; read < 2; read++) {
      const answer = await client.read()
      expect([answer.status, answer.json()]).toEqual([
        500,
        {
          error_code: 50002,
          message: `Undefined offset with no reset policy for partitions: [${topic}-0]`,
        },
      ])
    }
    await client.seek({ offsets: [{ topic, partition: 0, offset: 1 }] })
    expect(values(await client.take(2))).toEqual([1, 2])
  })

  test('by_duration starts with the first record that is young enough', async () => {
    const now = Date.now()
    const { client } = await reading(
      [
        { value: '"old"', timestamp: now - 7_200_000 },
        { value: '"young"', timestamp: now - 60_000 },
      ],
      { 'auto.offset.reset': 'by_duration:PT1H' },
    )
    expect(values(await client.take(1))).toEqual(['young'])
  })

  test('an offset out of range follows auto.offset.reset; with none it is an error', async () => {
    const { client, topic } = await reading(numbers(3))
    await client.seek({ offsets: [{ topic, partition: 0, offset: 99 }] })
    expect(values(await client.take(3))).toEqual([0, 1, 2])
    const strict = await reading(numbers(3), { ...patient, 'auto.offset.reset': 'none' })
    await strict.client.seek({ offsets: [{ topic: strict.topic, partition: 0, offset: 99 }] })
    const answer = await strict.client.read()
    expect([answer.status, answer.json()]).toEqual([
      500,
      {
        error_code: 50002,
        message: `Fetch position 99 is out of range for partition ${strict.topic}-0`,
      },
    ])
  })
})

describe('how much and how long - contract v2 §4.2', () => {
  test('§9.33: once the minimum is exceeded the answer goes out, without waiting for the time-out', async () => {
    const { client } = await reading(numbers(5), {
      'fetch.min.bytes': 1,
      'consumer.request.timeout.ms': 60_000,
    })
    // It would take a minute otherwise: the test's own time-out is the proof.
    expect(values(await client.take(5))).toEqual([0, 1, 2, 3, 4])
  })

  test('§9.7: by default a read takes its whole time, also with records', async () => {
    const { client } = await reading(numbers(2), {
      'fetch.min.bytes': -1,
      // Long enough to bring both records on a busy machine.
      'consumer.request.timeout.ms': 3000,
    })
    const before = performance.now()
    const answer = await client.read()
    const took = performance.now() - before
    expect(values(answer.json() as ReadRecord[])).toEqual([0, 1])
    expect(took).toBeGreaterThanOrEqual(2990)
    const lengthened = performance.now()
    expect((await client.read('?timeout=600000')).text).toBe('[]')
    expect(performance.now() - lengthened).toBeGreaterThanOrEqual(2990)
  })

  test('the query can shorten the wait, never lengthen it', async () => {
    const { client } = await reading([], { 'fetch.min.bytes': -1, 'consumer.request.timeout.ms': 600_000 })
    // It would take ten minutes otherwise: the test's own time-out is the proof, here and above.
    expect((await client.read('?timeout=50')).text).toBe('[]')
  })

  test('records that come during the wait are in the answer', async () => {
    const { client, topic } = await reading([], {
      'fetch.min.bytes': -1,
      // Long enough for both records on a busy machine.
      'consumer.request.timeout.ms': 10_000,
    })
    const read = client.read()
    await producer.send(topic, [{ value: '1' }])
    await producer.send(topic, [{ value: '2' }])
    expect(values((await read).json() as ReadRecord[])).toEqual([1, 2])
  })

  test('the head goes out with the first record, the rest as it comes', async () => {
    const { client, topic } = await reading([], {
      'fetch.min.bytes': -1,
      'consumer.request.timeout.ms': 30_000,
    })
    const connection = await RawConnection.open(node.url)
    connection.send(`GET ${client.base}/records HTTP/1.1\r\nHost: x\r\nAccept: ${json}\r\n\r\n`)
    await producer.send(topic, [{ value: '1' }])
    await connection.receive(/\[\{[^}]*"value":1,/)
    expect(connection.received).toMatch(/^HTTP\/1\.1 200 OK/)
    expect(connection.received).not.toContain(']')
    await producer.send(topic, [{ value: '2' }])
    await connection.receive(/,\{[^}]*"value":2,/)
    const other = client.another()
    clients.push(other)
    await other.delete()
    // Ended by DELETE after the head: the array is closed and the answer ends properly.
    await connection.receive(/\]\r\n0\r\n\r\n$/)
    connection.end()
  })

  test('max_bytes counts keys and values, and must stay above what is taken', async () => {
    const records = range(0, 6).map(() => ({ key: 'kk', value: '1234567890' }))
    const { client } = await reading(records, { ...patient, format: 'binary' })
    expect((await client.records('?max_bytes=25')).map(({ offset }) => offset)).toEqual([0, 1])
    // 24 bytes in all would reach the budget of 24.
    expect((await client.records('?max_bytes=24')).map(({ offset }) => offset)).toEqual([2])
    expect((await client.records('?max_bytes=1000')).map(({ offset }) => offset)).toEqual([3, 4, 5])
  })

  test('a record that alone reaches max_bytes is handed out alone (a deviation: [] for ever)', async () => {
    const { client } = await reading(
      [{ value: '1' }, { value: `"${'x'.repeat(5000)}"` }, { value: '2' }],
      patient,
    )
    expect((await client.records('?max_bytes=10')).map(({ offset }) => offset)).toEqual([0])
    expect((await client.records('?max_bytes=10')).map(({ offset }) => offset)).toEqual([1])
    expect((await client.records('?max_bytes=1')).map(({ offset }) => offset)).toEqual([2])
  })

  test('a backlog of many batches comes in order and whole', async () => {
    const { client, topic } = await reading([])
    for (let batch = 0; batch < 40; batch++) {
      await producer.send(
        topic,
        range(0, 50).map(index => ({ value: `"${batch * 50 + index}-${'x'.repeat(2000)}"` })),
      )
    }
    const taken = await client.take(2000)
    expect(taken.map(({ offset }) => offset)).toEqual(range(0, 2000))
  })

  test('no partition starves another', async () => {
    const { client } = await reading(
      range(0, 4).flatMap(partition =>
        range(0, 300).map(index => ({ partition, value: `"${index}${'x'.repeat(1000)}"` })),
      ),
      {},
      4,
    )
    const taken = await client.take(1200, '?max_bytes=40000')
    for (const partition of range(0, 4)) {
      expect(taken.filter(record => record.partition === partition).map(({ offset }) => offset)).toEqual(
        range(0, 300),
      )
    }
    const half = taken.slice(0, 600)
    for (const partition of range(0, 4))
      expect(half.filter(record => record.partition === partition).length).toBeGreaterThan(0)
  })
})

describe('a record that does not decode', () => {
  test('ends the read before it, then is reported until it is sought past; the others are read', async () => {
    const { client, topic } = await reading(
      // Of two bytes: a record of one does not end a read (contract v2 §4.2).
      [{ value: '10' }, { value: 'not json' }, { value: '12' }, { value: '13', partition: 1 }],
      patient,
      2,
    )
    const good: ReadRecord[] = []
    let answer = await client.read()
    while (answer.status === 200) {
      good.push(...(answer.json() as ReadRecord[]))
      answer = await client.read()
    }
    expect(good.filter(({ partition }) => partition === 0).map(({ value }) => value)).toEqual([10])
    for (let read = 0; read < 2; read++) {
      expect(answer.status).toBe(408)
      expect(answer.json()).toEqual({
        error_code: 40801,
        message: expect.stringMatching(new RegExp(`topic ${topic}, partition 0, offset 1: `)),
      })
      answer = await client.read()
    }
    await client.seek({ offsets: [{ topic, partition: 0, offset: 2 }] })
    while (good.length < 3) good.push(...(await client.take(1)))
    expect(good.map(({ partition, offset }) => `${partition}/${offset}`).sort()).toEqual([
      '0/0',
      '0/2',
      '1/0',
    ])
  })

  test('what was read before it can be committed', async () => {
    const { client, topic } = await reading([{ value: '0' }, { value: '{' }], patient)
    expect(values(await client.records())).toEqual([0])
    expect((await client.read()).status).toBe(408)
    expect((await client.commit()).status).toBe(200)
    expect(await client.committed(topic)).toBe(1)
  })
})

describe('bounds', () => {
  test('reads share the node’s memory and permits, and all get their records', async () => {
    const tight = await ConsumerNode.start({ 'reads.memory.bytes': '20000', 'consumer.threads': '1' })
    try {
      const topic = uniqueName('t')
      await createTopic(kafkaAddress(), topic)
      await producer.send(
        topic,
        range(0, 200).map(index => ({ value: `"${index}${'x'.repeat(500)}"` })),
      )
      const readers = await Promise.all(
        range(0, 8).map(async () => {
          const reader = await ConsumerClient.create(tight.url, uniqueName('g'), 'i', {
            'consumer.request.timeout.ms': 20_000,
          })
          await reader.subscribe(topic)
          return reader
        }),
      )
      const taken = await Promise.all(readers.map(reader => reader.take(200)))
      for (const records of taken) expect(records.map(({ offset }) => offset)).toEqual(range(0, 200))
      for (const reader of readers) reader.close()
    } finally {
      await tight.stop()
    }
  })

  test('a slow client makes its read hold one fetch, not all that it asked for; then it gets the rest', async () => {
    const { client, topic } = await reading([], {
      'fetch.min.bytes': -1,
      'consumer.request.timeout.ms': 3000,
    })
    const big = { value: `"${'x'.repeat(500_000)}"` }
    for (let batch = 0; batch < 60; batch++) await producer.send(topic, [big])
    const connection = await RawConnection.open(node.url)
    connection.socket.pause()
    connection.send(`GET ${client.base}/records HTTP/1.1\r\nHost: x\r\nAccept: ${json}\r\n\r\n`)
    const held = async () =>
      Number(/^kafka_rest_node_read_memory_bytes (\d+)/m.exec((await node.metrics.render()).text)?.[1])
    // The deadline passes while it stands: what was fetched is still written, and nothing more is fetched.
    let most = 0
    await until('the read stands still', async () => {
      const now = await held()
      most = Math.max(most, now)
      return now > 0
    })
    for (let look = 0; look < 20; look++) {
      most = Math.max(most, await held())
      await new Promise(resolve => setTimeout(resolve, 10))
    }
    expect(most).toBeLessThan(2_500_000)
    connection.socket.resume()
    await connection.receive(/\]\r\n0\r\n\r\n$/)
    // The same client goes on: its connection shows that it has read the answer.
    for (let read = 0; !connection.received.includes('"offset":59}') && read < 20; read++) {
      const answers = connection.received.length
      connection.send(`GET ${client.base}/records HTTP/1.1\r\nHost: x\r\nAccept: ${json}\r\n\r\n`)
      await until('the next answer', () => /\]\r\n0\r\n\r\n$/.test(connection.received.slice(answers)))
    }
    const offsets = [...connection.received.matchAll(/"offset":(\d+)/g)].map(match => Number(match[1]))
    expect(offsets).toEqual(range(0, 60))
    connection.end()
  })
})
