import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTopic, readTopic } from '../support/kafka-topics.ts'
import { ProduceNode, v2 } from '../support/produce-node.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'

/** Contract v2 §2.8 on a real broker, without a gateway. */

let node: ProduceNode

beforeAll(async () => {
  node = await ProduceNode.start()
})

afterAll(() => node.stop())

async function newTopic(options: Parameters<typeof createTopic>[2] = {}): Promise<string> {
  const topic = uniqueName('produce')
  await createTopic(kafkaAddress(), topic, options)
  return topic
}

const stored = async (topic: string) =>
  (await readTopic(kafkaAddress(), topic)).map(
    ({ partition, offset, key, value }) => `${partition}@${offset} ${key} ${value}`,
  )

const nothingWritten = async (topic: string) =>
  (await node.request('GET', `/topics/${topic}/partitions/0/offsets`)).text ===
  '{"beginning_offset":0,"end_offset":0}'

describe('what is written and answered', () => {
  test('§9 18: binary: bytes of the base64 text, nulls, an empty record; the exact body', async () => {
    const topic = await newTopic()
    const before = Date.now()
    const records = [{ key: 'a2V5', value: 'dmFsdWU=' }, { value: '' }, { key: 'a2V5', value: null }, {}]
    const answer = await node.produce(`/topics/${topic}`, { records }, 'binary')
    expect(answer.status).toBe(200)
    expect(answer.headers['content-type']).toBe(v2)
    const offsets = [0, 1, 2, 3].map(
      offset => `{"partition":0,"offset":${offset},"error_code":null,"error":null}`,
    )
    expect(answer.text).toBe(`{"offsets":[${offsets}],"key_schema_id":null,"value_schema_id":null}`)
    const found = await readTopic(kafkaAddress(), topic)
    expect(found.map(({ key, value, headers }) => [key?.toString(), value?.toString(), headers])).toEqual([
      ['key', 'value', ''],
      [undefined, '', ''],
      ['key', undefined, ''],
      [undefined, undefined, ''],
    ])
    for (const { timestamp } of found) {
      expect(timestamp).toBeGreaterThanOrEqual(before)
      expect(timestamp).toBeLessThanOrEqual(Date.now())
    }
  })

  test('without a Content-Type it is binary', async () => {
    const topic = await newTopic()
    expect((await node.produce(`/topics/${topic}`, { records: [{ value: 'YQ' }] }, null)).status).toBe(200)
    expect(await stored(topic)).toEqual(['0@0 null a'])
  })

  test('§9 21: JSON of every kind in one batch, with its source text kept', async () => {
    const topic = await newTopic()
    const values = [
      '"x"',
      '1.10',
      '-0',
      '1e3',
      '12345678901234567890123',
      '{"b": 1, "a": [null, {"2":2,"1":1}]}',
      'true',
      '[]',
    ]
    const body = `{"records":[${values.map(value => `{"key": ${value}, "value": ${value}}`)}, {"value": null}]}`
    expect((await node.produce(`/topics/${topic}/partitions/0`, body)).status).toBe(200)
    const compact = values.map(value => value.replaceAll(' ', ''))
    expect(await stored(topic)).toEqual([
      ...compact.map((value, offset) => `0@${offset} ${value} ${value}`),
      `0@${values.length} null null`,
    ])
  })

  test('§9 19: a record’s partition wins over the path’s; results are in request order', async () => {
    const topic = await newTopic({ partitions: 3 })
    const records = [
      { value: 1, partition: 2 },
      { value: 2 },
      { value: 3, partition: 0 },
      { value: 4, partition: 2 },
    ]
    const answer = await node.produce(`/topics/${topic}/partitions/1`, { records })
    expect(answer.json()).toMatchObject({
      offsets: [
        { partition: 2, offset: 0 },
        { partition: 1, offset: 0 },
        { partition: 0, offset: 0 },
        { partition: 2, offset: 1 },
      ],
    })
  })

  test('keys have their partition; records without one go to one partition together', async () => {
    const topic = await newTopic({ partitions: 10 })
    const keyed = await node.produce(`/topics/${topic}`, {
      records: [
        { key: 'foobar', value: 1 },
        { key: 'foobar', value: 2 },
      ],
    })
    const plain = await node.produce(`/topics/${topic}`, {
      records: [{ value: 1 }, { value: 2 }, { value: 3 }],
    })
    const partitions = (answer: typeof keyed) =>
      (answer.json() as { offsets: { partition: number }[] }).offsets.map(({ partition }) => partition)
    // Java's murmur2 of the eight bytes "foobar" with its quotes.
    expect(partitions(keyed)).toEqual([2, 2])
    expect(new Set(partitions(plain)).size).toBe(1)
  })

  test('§9 20: a topic that the broker creates by itself', async () => {
    const topic = uniqueName('auto')
    const answer = await node.produce(`/topics/${topic}`, { records: [{ value: 1 }] })
    expect(answer.json()).toMatchObject({ offsets: [{ partition: 0, offset: 0, error: null }] })
    expect(await stored(topic)).toEqual(['0@0 null 1'])
  })

  test('schema fields are taken and ignored by formats without schemas', async () => {
    const topic = await newTopic()
    const body = {
      key_schema: 'x',
      key_schema_id: 1,
      value_schema: 'y',
      value_schema_id: '2',
      records: [{ value: 1 }],
    }
    const answer = await node.produce(`/topics/${topic}`, body)
    expect(answer.json()).toMatchObject({
      key_schema_id: null,
      value_schema_id: null,
      offsets: [{ offset: 0 }],
    })
  })

  test('a large request over several partitions', async () => {
    const topic = await newTopic({ partitions: 4 })
    const records = Array.from({ length: 5000 }, (_, index) => ({
      key: index,
      value: { n: index, text: 'x'.repeat(40) },
    }))
    const answer = await node.produce(`/topics/${topic}`, { records })
    const { offsets } = answer.json() as {
      offsets: { partition: number; offset: number; error: string | null }[]
    }
    const found = await readTopic(kafkaAddress(), topic)
    expect(found).toHaveLength(records.length)
    const byPlace = new Map(found.map(({ partition, offset, key }) => [`${partition}@${offset}`, `${key}`]))
    expect(offsets.map(({ partition, offset }) => byPlace.get(`${partition}@${offset}`))).toEqual(
      records.map(({ key }) => `${key}`),
    )
  })
})

describe('failures of single records: HTTP 200', () => {
  const failed = (error_code: number, error: unknown) => ({
    partition: null,
    offset: null,
    error_code,
    error,
  })

  test('a partition that does not exist', async () => {
    const topic = await newTopic({ partitions: 2 })
    const answer = await node.produce(`/topics/${topic}`, {
      records: [
        { value: 1, partition: 9 },
        { value: 2, partition: 1 },
      ],
    })
    expect(answer.status).toBe(200)
    const text = new RegExp(
      `^Partition 9 of topic ${topic} with partition count 2 is not present in metadata after \\d+ ms\\.$`,
    )
    expect(answer.json()).toMatchObject({
      offsets: [failed(50003, expect.stringMatching(text)), { partition: 1, offset: 0 }],
    })
  })

  test('a name that is no topic’s', async () => {
    const answer = await node.produce('/topics/a%20b', { records: [{ value: 1 }, { value: 2 }] })
    expect(answer.status).toBe(200)
    expect(answer.json()).toMatchObject({ offsets: Array(2).fill(failed(50002, 'Invalid topics: [a b]')) })
  })

  test('a record that is too large, between two that are not', async () => {
    const topic = await newTopic()
    const large = Buffer.alloc(1_100_000, 'x').toString('base64')
    const answer = await node.produce(
      `/topics/${topic}`,
      { records: [{ value: 'YQ==' }, { value: large }, { value: 'Yg==' }] },
      'binary',
    )
    const text =
      'The message is 1100088 bytes when serialized which is larger than 1048576, which is the value of the max.request.size configuration.'
    expect(answer.json()).toMatchObject({ offsets: [{ offset: 0 }, failed(50002, text), { offset: 1 }] })
    expect(await stored(topic)).toEqual(['0@0 null a', '0@1 null b'])
  })

  test('a compacted topic takes no record without a key; the others of the request, and of other requests, pass', async () => {
    const topic = await newTopic({ configs: { 'cleanup.policy': 'compact' } })
    const text = `Compacted topic cannot accept message without key in topic partition ${topic}-0`
    const mixed = [{ key: 1, value: 1 }, { value: 2 }, { key: 3, value: 3 }]
    const answers = await Promise.all([
      node.produce(`/topics/${topic}`, { records: mixed }),
      ...Array.from({ length: 20 }, (_, index) =>
        node.produce(`/topics/${topic}`, { records: [{ key: index, value: 'ok' }] }),
      ),
    ])
    const [first, ...others] = answers.map(
      answer => (answer.json() as { offsets: { error_code: number | null; error: string | null }[] }).offsets,
    )
    expect(first).toMatchObject([{ error: null }, failed(50002, text), { error: null }])
    expect(others.flat().map(({ error }) => error)).toEqual(Array(20).fill(null))
  })

  test('a batch larger than the topic takes: only the record that is too large itself fails', async () => {
    const topic = await newTopic({ configs: { 'max.message.bytes': '2000' } })
    const records = [400, 400, 3000, 400, 400, 400].map(size => ({ value: 'x'.repeat(size) }))
    const answer = await node.produce(`/topics/${topic}`, { records })
    const { offsets } = answer.json() as { offsets: { offset: number | null; error_code: number | null }[] }
    expect(offsets.map(({ offset, error_code }) => offset ?? error_code)).toEqual([0, 1, 50002, 2, 3, 4])
  })
})

describe('requests that are refused whole', () => {
  test.each([
    ['binary', 'Binary'],
    ['json', 'Json'],
    ['avro', 'Avro'],
    ['jsonschema', 'JsonSchema'],
    ['protobuf', 'Protobuf'],
  ])('§9 17: %s without a body or without records', async (format, name) => {
    for (const [path, argument] of [
      ['/topics/t', 'arg2'],
      ['/topics/t/partitions/0', 'arg3'],
    ] as const) {
      for (const body of ['', ' ', 'null']) {
        const answer = await node.produce(path, body, format)
        expect(answer.status).toBe(422)
        expect(answer.headers['content-type']).toBe(v2)
        expect(answer.json()).toEqual({
          error_code: 422,
          message: `produce${name}.${argument} must not be null (was null)`,
        })
      }
      for (const body of ['{}', '{"records":null}', '{"records":[]}']) {
        expect((await node.produce(path, body, format)).json()).toEqual({
          error_code: 422,
          message: `produce${name}.${argument}.records must not be empty (was [])`,
        })
      }
    }
  })

  test.each([
    ['{"records":[{"value":1,"headers":{}}]}', 422, 422, 'Unrecognized field: headers'],
    ['{"records":[{"value":1,"timestamp":1}]}', 422, 422, 'Unrecognized field: timestamp'],
    ['{"records":[{"value":1}],"x":1}', 422, 422, 'Unrecognized field: x'],
    [
      '{"records":[{"value":1,"partition":"a"}]}',
      400,
      400,
      'Cannot deserialize value of type `Integer` from String "a": not a valid `java.lang.Integer` value',
    ],
    [
      '{"records":[{"value":1,"partition":99999999999}]}',
      400,
      400,
      'Numeric value (99999999999) out of range of int (-2147483648 - 2147483647)',
    ],
    ['{"records":[null]}', 400, 400, 'Cannot construct instance of `ProduceRequest`, problem: at index 0'],
    [
      '{"records":[{"value":1},{"value":2,"partition":-1}]}',
      422,
      422,
      'produceJson.arg2.records[1].partition must be greater than or equal to 0 (was -1)',
    ],
  ])('%s', async (body, status, error_code, message) => {
    const topic = await newTopic()
    const answer = await node.produce(`/topics/${topic}`, body)
    expect(answer.status).toBe(status)
    expect(answer.json()).toEqual({ error_code, message })
    expect(await nothingWritten(topic)).toBe(true)
  })

  test('undecodable base64 in the last record: nothing is written', async () => {
    const topic = await newTopic()
    const records = [{ value: 'YQ==' }, { value: '%%' }]
    const answer = await node.produce(`/topics/${topic}`, { records }, 'binary')
    expect(answer.status).toBe(400)
    expect(answer.json()).toEqual({
      error_code: 400,
      message: 'Bad Request: data="%%" is not a valid base64 string.',
    })
    expect(await nothingWritten(topic)).toBe(true)
  })

  test('partitions of the path', async () => {
    const body = { records: [{ value: 1 }] }
    for (const partition of ['x', '1.5', '', '99999999999']) {
      const answer = await node.produce(`/topics/t/partitions/${partition}`, body)
      expect(answer.status).toBe(partition === '' ? 405 : 404)
    }
    const negative = await node.produce('/topics/t/partitions/-1', body)
    expect(negative.json()).toEqual({
      error_code: 422,
      message: 'partition must be greater than or equal to 0 (was -1)',
    })
  })
})
