import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConsumerClient, type ReadRecord, v2 } from '../support/consumer-client.ts'
import { ConsumerNode } from '../support/consumer-node.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { RecordProducer, type TestRecord } from '../support/record-producer.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'

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

async function reading(
  records: readonly TestRecord[],
  partitions = 1,
  settings: Record<string, unknown> = {},
) {
  const topic = uniqueName('t')
  await createTopic(kafkaAddress(), topic, { partitions })
  await producer.send(topic, records)
  const client = await ConsumerClient.create(node.url, uniqueName('g'), uniqueName('i'), settings)
  clients.push(client)
  await client.subscribe(topic)
  return { client, topic }
}

/** For single reads that must bring records: they answer with the second byte, however slow the machine is. */
const patient = { 'consumer.request.timeout.ms': 30_000 }

const numbers = (count: number) => Array.from({ length: count }, (_, index) => ({ value: String(index) }))
const values = (records: readonly ReadRecord[]) => records.map(({ value }) => value)
const committedOf = async (client: ConsumerClient, partitions: unknown) =>
  client.call('GET', `${client.base}/offsets`, { partitions })

describe('commit - contract v2 §2.15', () => {
  test('§9.5: an empty body commits what was handed out, and answers []', async () => {
    const { client, topic } = await reading(numbers(3))
    expect(values(await client.take(3))).toEqual([0, 1, 2])
    const answer = await client.call('POST', `${client.base}/offsets/`, '')
    expect([answer.status, answer.headers['content-type'], answer.text]).toEqual([200, v2, '[]'])
    expect(await client.committed(topic)).toBe(3)
  })

  test('null is an empty body; async has no effect', async () => {
    const { client, topic } = await reading(numbers(2))
    await client.take(2)
    for (const [path, body] of [
      ['?async=true', 'null'],
      ['?async=nonsense', undefined],
    ] as const)
      expect((await client.call('POST', `${client.base}/offsets${path}`, body)).text).toBe('[]')
    expect(await client.committed(topic)).toBe(2)
  })

  test('offsets of the body are stored as one more, and no position moves', async () => {
    const { client, topic } = await reading(numbers(5), 1, patient)
    expect(values(await client.records('?max_bytes=3'))).toEqual([0, 1])
    const answer = await client.commit({ offsets: [{ topic, partition: 0, offset: 3, metadata: 'note' }] })
    expect([answer.status, answer.text]).toEqual([200, '[]'])
    const stored = await committedOf(client, [{ topic, partition: 0 }])
    expect(stored.text).toBe(`{"offsets":[{"topic":"${topic}","partition":0,"offset":4,"metadata":"note"}]}`)
    expect(values(await client.take(3))).toEqual([2, 3, 4])
    await client.commit({ offsets: [{ topic, partition: 0, offset: -1 }] })
    expect(await client.committed(topic)).toBe(0)
  })

  test('metadata that the broker finds too large is the client’s mistake: 400 / 40002 (a deviation: 500 / 50002)', async () => {
    const { client, topic } = await reading(numbers(1))
    await client.take(1)
    const metadata = 'x'.repeat(5000)
    const answer = await client.commit({ offsets: [{ topic, partition: 0, offset: 0, metadata }] })
    expect([answer.status, answer.json()]).toEqual([
      400,
      { error_code: 40002, message: 'The metadata of the committed offset is too large.' },
    ])
    expect(await client.committed(topic)).toBeUndefined()
  })

  test('offsets: [] commits nothing', async () => {
    const { client, topic } = await reading(numbers(1))
    await client.take(1)
    expect((await client.commit({ offsets: [] })).status).toBe(200)
    expect(await client.committed(topic)).toBeUndefined()
  })

  test.each([
    [{}, 'commitOffsets.arg4.offsets must not be null (was null)'],
    [
      { offsets: [{ topic: 't', partition: 0, offset: -2 }] },
      'commitOffsets.arg4.offsets[0].offset must be between -1 and 9223372036854775806 (was -2)',
    ],
  ])('%j is 422 and names the field', async (body, message) => {
    const { client } = await reading([])
    const answer = await client.commit(body)
    expect([answer.status, answer.json()]).toEqual([422, { error_code: 422, message }])
  })

  test('a partition that does not exist is 500 / 50003', async () => {
    const { client, topic } = await reading([])
    const answer = await client.commit({ offsets: [{ topic, partition: 7, offset: 0 }] })
    expect([answer.status, answer.json()]).toMatchObject([500, { error_code: 50003 }])
  })

  test('without a subscription it commits for the group as long as that has no members: else 500 / 50002', async () => {
    const { client, topic } = await reading(numbers(1))
    const outsider = await ConsumerClient.create(node.url, client.group, 'outsider')
    clients.push(outsider)
    const refused = await outsider.commit({ offsets: [{ topic, partition: 0, offset: 0 }] })
    expect([refused.status, refused.json()]).toMatchObject([500, { error_code: 50002 }])
    await client.delete()
    expect((await outsider.commit({ offsets: [{ topic, partition: 0, offset: 0 }] })).status).toBe(200)
    expect(await outsider.committed(topic)).toBe(1)
  })

  test('a recreated consumer goes on from the committed offset', async () => {
    const { client, topic } = await reading(numbers(4), 1, patient)
    expect(values(await client.records('?max_bytes=3'))).toEqual([0, 1])
    await client.commit()
    await client.records('?max_bytes=2')
    await client.delete()
    const again = await ConsumerClient.create(node.url, client.group, client.name)
    clients.push(again)
    await again.subscribe(topic)
    expect(values(await again.take(2))).toEqual([2, 3])
  })
})

describe('committed offsets - contract v2 §2.16', () => {
  test('what has no commit or does not exist is left out', async () => {
    const { client, topic } = await reading(numbers(1), 2)
    await client.take(1)
    await client.commit({ offsets: [{ topic, partition: 0, offset: 20 }] })
    const answer = await committedOf(client, [
      { topic, partition: 0 },
      { topic, partition: 1 },
      { topic, partition: 9 },
      { topic, partition: -1 },
      { topic: 'nope', partition: 0 },
      { topic: 'not a name', partition: 0 },
    ])
    expect([answer.status, answer.headers['content-type']]).toEqual([200, v2])
    expect(answer.json()).toEqual({ offsets: [{ topic, partition: 0, offset: 21, metadata: '' }] })
  })

  test('an offset keeps every digit', async () => {
    const { client, topic } = await reading([])
    await client.commit(`{"offsets":[{"topic":"${topic}","partition":0,"offset":9007199254740993}]}`)
    expect((await committedOf(client, [{ topic, partition: 0 }])).text).toContain(
      '"offset":9007199254740994,',
    )
  })

  test.each([
    [undefined, 404, { error_code: 40402, message: 'Partition not found.' }],
    ['', 404, { error_code: 40402, message: 'Partition not found.' }],
    [{}, 422, { error_code: 422, message: 'committedOffsets.arg2.partitions must not be null (was null)' }],
  ])('%j', async (body, status, expected) => {
    const { client } = await reading([])
    const answer = await client.call('GET', `${client.base}/offsets`, body)
    expect([answer.status, answer.json()]).toEqual([status, expected])
  })

  test('chunked, and without a Content-Type', async () => {
    const { client, topic } = await reading([])
    const body = JSON.stringify({ partitions: [{ topic, partition: 0 }] })
    const connection = await RawConnection.open(node.url)
    connection.send(
      `GET ${client.base}/offsets/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n` +
        `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    )
    await connection.ended()
    expect(connection.received).toMatch(/^HTTP\/1\.1 200 [\s\S]*\{"offsets":\[\]\}/)
  })
})

describe('positions - contract v2 §2.13', () => {
  const positions = (client: ConsumerClient, path: string, body: unknown) =>
    client.call('POST', `${client.base}/positions${path}`, body)

  test('offsets are the next to be read; right after subscribing too', async () => {
    const { client, topic } = await reading(numbers(5))
    const sought = await client.seek({ offsets: [{ topic, partition: 0, offset: 3, metadata: 'm' }] })
    expect([sought.status, sought.text]).toEqual([204, ''])
    expect(values(await client.take(2))).toEqual([3, 4])
    await client.seek({ offsets: [{ topic, partition: 0 }] })
    expect(values(await client.take(1, '?max_bytes=2'))).toEqual([0])
    expect((await client.seek({})).status).toBe(204)
    expect(values(await client.take(1, '?max_bytes=2'))).toEqual([1])
  })

  test('beginning and end, of some partitions or of all', async () => {
    const { client, topic } = await reading([...numbers(2), { value: '7', partition: 1 }], 2)
    await client.take(3)
    await positions(client, '/beginning', { partitions: [{ topic, partition: 1 }] })
    expect(values(await client.take(1))).toEqual([7])
    await positions(client, '/beginning', { partitions: [] })
    expect((await client.take(3)).length).toBe(3)
    await positions(client, '/beginning', { partitions: [] })
    expect((await positions(client, '/end', { partitions: [] })).status).toBe(204)
    expect(await client.records('?timeout=100')).toEqual([])
    await producer.send(topic, [{ value: '9' }])
    expect(values(await client.take(1))).toEqual([9])
  })

  test('§9.15: times as ISO text or epoch seconds; the first record that is not older', async () => {
    const base = 1_700_000_000_000
    const { client, topic } = await reading([
      { value: '0', timestamp: base },
      { value: '1', timestamp: base + 1000 },
      { value: '2', timestamp: base + 2500 },
    ])
    const at = async (timestamp: unknown) => {
      const answer = await client.seek({ timestamps: [{ topic, partition: 0, timestamp }] })
      expect([answer.status, answer.text]).toEqual([204, ''])
      return values(await client.take(1, '?max_bytes=1'))
    }
    expect(await at(new Date(base + 1000).toISOString())).toEqual([1])
    expect(await at('2023-11-15T00:13:20.001+02:00')).toEqual([1])
    expect(await at(1_700_000_001.001)).toEqual([2])
    expect(await at(0)).toEqual([0])
  })

  test('a time after every record is the end (a deviation: 500 / 500)', async () => {
    const { client, topic } = await reading(numbers(2))
    const answer = await client.seek({
      timestamps: [{ topic, partition: 0, timestamp: '2100-01-01T00:00:00Z' }],
    })
    expect([answer.status, answer.text]).toEqual([204, ''])
    expect(await client.records('?timeout=100')).toEqual([])
    await producer.send(topic, [{ value: '2' }])
    expect(values(await client.take(1))).toEqual([2])
  })

  test('a partition that is not assigned is 409, and what came before it sticks', async () => {
    const { client, topic } = await reading(numbers(4))
    const answer = await client.seek({
      offsets: [
        { topic, partition: 0, offset: 2 },
        { topic, partition: 5, offset: 0 },
      ],
    })
    expect([answer.status, answer.json()]).toEqual([
      409,
      { error_code: 40903, message: `Illegal state: No current assignment for partition ${topic}-5` },
    ])
    expect(values(await client.take(2))).toEqual([2, 3])
    for (const end of ['/beginning', '/end']) {
      const refused = await positions(client, end, { partitions: [{ topic, partition: 5 }] })
      expect([refused.status, refused.json()]).toMatchObject([409, { error_code: 40903 }])
    }
  })

  test('a partition twice by time is 409, a topic that does not exist 500 / 50003', async () => {
    const { client, topic } = await reading(numbers(1))
    const entry = { topic, partition: 0, timestamp: 0 }
    const twice = await client.seek({ timestamps: [entry, entry] })
    expect([twice.status, twice.json()]).toMatchObject([
      409,
      { error_code: 40903, message: expect.stringMatching(/^Illegal state: Duplicate key /) },
    ])
    const nowhere = await client.seek({ timestamps: [{ ...entry, topic: uniqueName('nope') }] })
    expect([nowhere.status, nowhere.json()]).toMatchObject([500, { error_code: 50003 }])
  })

  test.each([
    ['', '', 'seekToOffset.arg3 must not be null (was null)'],
    ['/beginning', '', 'seekToBeginning.arg3 must not be null (was null)'],
    ['/end', {}, 'seekToEnd.arg3.partitions must not be null (was null)'],
    [
      '',
      { offsets: [{ topic: 't', partition: 0, offset: -1 }] },
      'seekToOffset.arg3.offsets[0].offset must not be negative (was -1)',
    ],
  ])('POST positions%s %j is 422 and names the field', async (path, body, message) => {
    const { client } = await reading([])
    const answer = await positions(client, path, body)
    expect([answer.status, answer.json()]).toEqual([422, { error_code: 422, message }])
  })
})
