import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConsumerClient, type ReadRecord } from '../support/consumer-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { ProduceNode, typeOf } from '../support/produce-node.ts'
import { RecordProducer } from '../support/record-producer.ts'
import { schemaSamples } from '../support/schema-samples.ts'
import { kafkaAddress, schemaRegistryUrl, uniqueName } from '../support/services.ts'
import { StandInRegistry } from '../support/stand-in-registry.ts'

/** Reading with schemas (contract v2 §2.14, §6.3–6.7) on a real broker and registry. */

let node: ProduceNode
let producer: RecordProducer
const stops: (() => unknown)[] = []

async function startNode(registry: string): Promise<ProduceNode> {
  const started = await ProduceNode.start({ 'schema.registry.url': registry })
  stops.push(() => started.stop())
  return started
}

beforeAll(async () => {
  node = await startNode(schemaRegistryUrl())
  producer = await RecordProducer.start(kafkaAddress())
  stops.push(() => producer.stop())
})

afterAll(async () => {
  for (const stop of stops.reverse()) await stop()
})

async function newTopic(): Promise<string> {
  const topic = uniqueName('schemas')
  await createTopic(kafkaAddress(), topic)
  return topic
}

async function reader(topic: string, format: string, at = node): Promise<ConsumerClient> {
  const client = await ConsumerClient.create(at.url, uniqueName('g'), uniqueName('i'), {
    format,
    // A read ends as soon as there are records; this is how long a busy machine may need.
    'consumer.request.timeout.ms': 15_000,
  })
  stops.push(() => client.close())
  await client.assign([topic, 0])
  return client
}

const accepting = (format: string) => ({ headers: { Accept: typeOf(format) } })

async function read(client: ConsumerClient, format: string): Promise<ReadRecord[]> {
  const answer = await client.read('', accepting(format))
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 200 })
  return answer.json() as ReadRecord[]
}

async function produce(topic: string, format: string, body: unknown): Promise<number> {
  const answer = await node.produce(`/topics/${topic}`, body, format)
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 200 })
  return (answer.json() as { value_schema_id: number }).value_schema_id
}

const framed = (id: number, ...payload: number[]) => {
  const bytes = Buffer.alloc(5 + payload.length)
  bytes.writeInt32BE(id, 1)
  bytes.set(payload, 5)
  return bytes
}

/** Registers an Avro schema past the proxy. */
async function register(subject: string, schema: unknown, references: unknown[] = []): Promise<number> {
  const answer = await fetch(`${schemaRegistryUrl()}/subjects/${subject}/versions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema: JSON.stringify(schema), references }),
  })
  return ((await answer.json()) as { id: number }).id
}

describe.each(schemaSamples)('$format', ({ format, schema, value }) => {
  test('§9 13, 14: what was produced is read back, with null keys and values', async () => {
    const topic = await newTopic()
    await produce(topic, format, { value_schema: schema, records: [{ value }, { key: null, value }] })
    await produce(topic, format, { key_schema: schema, records: [{ key: value, value: null }] })
    const client = await reader(topic, format)
    expect((await read(client, format)).map(record => [record.key, record.value, record.offset])).toEqual([
      [null, value, 0],
      [null, value, 1],
      [value, null, 2],
    ])
  })

  test('an instance of one schema format is read with the type of any of them', async () => {
    const topic = await newTopic()
    await produce(topic, format, { value_schema: schema, records: [{ value }] })
    for (const other of ['avro', 'jsonschema', 'protobuf']) {
      const client = await reader(topic, format)
      const answer = await client.read('', accepting(other))
      expect(answer.headers['content-type']).toBe(typeOf(other))
      expect(answer.json()).toMatchObject([{ value }])
    }
    const client = await reader(topic, format)
    expect((await client.read('', accepting('json'))).json()).toMatchObject({ error_code: 40601 })
  })

  test.each([
    ['a foreign magic byte', Buffer.of(1, 0, 0, 0, 1, 2)],
    ['too short', Buffer.of(0, 0)],
    ['no bytes', Buffer.alloc(0)],
    ['an unknown schema id', framed(2 ** 30, 0)],
  ])('408 / 40801: %s; the records before it come first, and seeking past it helps', async (_, bytes) => {
    const topic = await newTopic()
    const records = [{ value }]
    await produce(topic, format, { value_schema: schema, records })
    await producer.send(topic, [{ value: bytes }])
    await produce(topic, format, { value_schema: schema, records })
    const client = await reader(topic, format)
    expect((await read(client, format)).map(({ offset }) => offset)).toEqual([0])
    for (let again = 0; again < 2; again++) {
      const answer = await client.read('', accepting(format))
      expect(answer.status).toBe(408)
      expect(answer.json()).toMatchObject({
        error_code: 40801,
        message: expect.stringContaining(`${topic}, partition 0, offset 1`),
      })
    }
    await client.seek({ offsets: [{ topic, partition: 0, offset: 2 }] })
    expect((await read(client, format)).map(({ offset }) => offset)).toEqual([2])
  })
})

describe('many schemas', () => {
  test('records of many schema ids in one read, each shown with its writer’s schema', async () => {
    const topic = await newTopic()
    const ids = new Set<number>()
    for (let version = 0; version < 12; version++) {
      const value_schema = JSON.stringify({
        type: 'record',
        name: 'R',
        fields: [{ name: `f${version}`, type: 'int' }],
      })
      ids.add(
        await produce(topic, 'avro', { value_schema, records: [{ value: { [`f${version}`]: version } }] }),
      )
    }
    expect(ids.size).toBe(12)
    // A node that knows none of them yet.
    const fresh = await startNode(schemaRegistryUrl())
    const client = await reader(topic, 'avro', fresh)
    expect((await read(client, 'avro')).map(record => record.value)).toEqual(
      Array.from({ length: 12 }, (_, version) => ({ [`f${version}`]: version })),
    )
  })

  test('evolved schemas: no default is applied, fields are the writer’s', async () => {
    const topic = await newTopic()
    const fields = [{ name: 'a', type: 'int' }]
    const evolved = [...fields, { name: 'b', type: 'string', default: 'x' }]
    for (const [list, value] of [
      [fields, { a: 1 }],
      [evolved, { a: 2, b: 'y' }],
    ] as const) {
      const value_schema = JSON.stringify({ type: 'record', name: 'R', fields: list })
      await produce(topic, 'avro', { value_schema, records: [{ value }] })
    }
    expect((await read(await reader(topic, 'avro'), 'avro')).map(({ value }) => value)).toEqual([
      { a: 1 },
      { a: 2, b: 'y' },
    ])
  })

  test('references of references are fetched', async () => {
    const topic = await newTopic()
    const field = (type: unknown) => [{ name: 'f', type }]
    await register(`${topic}-c`, { type: 'record', name: 'C', fields: field('int') })
    const toC = [{ name: 'C', subject: `${topic}-c`, version: 1 }]
    await register(`${topic}-b`, { type: 'record', name: 'B', fields: field('C') }, toC)
    const toB = [{ name: 'B', subject: `${topic}-b`, version: 1 }]
    const id = await register(`${topic}-a`, { type: 'record', name: 'A', fields: field('B') }, toB)
    await producer.send(topic, [{ value: framed(id, 14) }])
    expect((await read(await reader(topic, 'avro'), 'avro'))[0]?.value).toEqual({ f: { f: { f: 7 } } })
  })

  test('§9 43: a record of another schema type is undecodable', async () => {
    const topic = await newTopic()
    const [avro, json] = schemaSamples
    await produce(topic, 'avro', { value_schema: avro?.schema, records: [{ value: avro?.value }] })
    const client = await reader(topic, json?.format ?? '')
    const answer = await client.read('', accepting('jsonschema'))
    expect([answer.status, answer.json()]).toMatchObject([408, { error_code: 40801 }])
  })

  test('a schema id in a record header, with a bare payload', async () => {
    const topic = await newTopic()
    const id = await produce(topic, 'avro', { value_schema: '{"type":"int"}', records: [{ value: 1 }] })
    const name = framed(id).toString('latin1')
    await producer.send(topic, [{ value: Buffer.of(4), headers: { __value_schema_id: name } }])
    expect((await read(await reader(topic, 'avro'), 'avro')).map(({ value }) => value)).toEqual([1, 2])
  })

  test('422: a record that decodes, but cannot be shown as JSON', async () => {
    const topic = await newTopic()
    const value_schema = `syntax = "proto3"; import "google/protobuf/timestamp.proto"; message M { google.protobuf.Timestamp t = 1; }`
    const id = await produce(topic, 'protobuf', {
      value_schema,
      records: [{ value: { t: '2024-01-01T00:00:00Z' } }],
    })
    await producer.send(topic, [{ value: framed(id, 0, 10, 8, 8, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1) }])
    const nulls = await produce(topic, 'avro', {
      value_schema: '{"type":"array","items":"null"}',
      records: [{ value: [] }],
    })
    const client = await reader(topic, 'protobuf')
    expect((await read(client, 'protobuf')).map(({ value }) => value)).toEqual([
      { t: '2024-01-01T00:00:00Z' },
    ])
    const answer = await client.read('', accepting('protobuf'))
    expect(answer.status).toBe(422)
    expect(answer.json()).toEqual({
      error_code: 422,
      message: expect.stringMatching(/^Failed to convert Protobuf to JSON: /),
    })
    await producer.send(topic, [{ value: framed(nulls, 0x80, 0xa8, 0xd6, 0xb9, 0x07, 0) }])
    const avro = await reader(topic, 'avro')
    await avro.seek({ offsets: [{ topic, partition: 0, offset: 3 }] })
    expect((await avro.read('', accepting('avro'))).json()).toEqual({
      error_code: 422,
      message: expect.stringMatching(/^Failed to convert Avro to JSON: /),
    })
  })
})

describe('a registry that refuses or fails, by its status', () => {
  test.each([
    [401, 40101, 401, 40101],
    [403, 40301, 403, 40301],
    [429, 42901, 429, 42901],
    [408, 408, 500, 50003],
    [500, 50001, 500, 50003],
    [502, 502, 500, 50003],
    [503, 503, 500, 50003],
    [504, 504, 500, 50003],
    [404, 40403, 408, 40801],
    [422, 42201, 408, 40801],
  ])('%d / %d is answered %d / %d', async (status, code, expectedStatus, expectedCode) => {
    const standIn = await StandInRegistry.start()
    stops.push(() => standIn.stop())
    standIn.answer = () => ({ status, body: { error_code: code, message: 'because' } })
    const refused = await startNode(standIn.url)
    const topic = await newTopic()
    await producer.send(topic, [{ value: framed(1, 2) }])
    const answer = await (await reader(topic, 'avro', refused)).read('', accepting('avro'))
    expect(answer.status).toBe(expectedStatus)
    expect(answer.json()).toMatchObject({
      error_code: expectedCode,
      message: expect.stringContaining(`Error retrieving schema for id 1: because; error code: ${code}`),
    })
  })

  test('without a registry every schema is unknown', async () => {
    const topic = await newTopic()
    await producer.send(topic, [{ value: framed(1, 2) }, { value: null }])
    const answer = await (await reader(topic, 'avro', await startNode(''))).read('', accepting('avro'))
    expect([answer.status, answer.json()]).toMatchObject([408, { error_code: 40801 }])
  })
})
