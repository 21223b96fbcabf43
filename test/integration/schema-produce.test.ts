import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTopic, readTopic } from '../support/kafka-topics.ts'
import { ProduceNode } from '../support/produce-node.ts'
import { schemaSamples } from '../support/schema-samples.ts'
import { kafkaAddress, schemaRegistryUrl, uniqueName } from '../support/services.ts'
import { StandInRegistry } from '../support/stand-in-registry.ts'

/** Contract v2 §2.8, §6.3–6.7 and the rows of §3.1 that schemas have, on a real broker and registry. */

let node: ProduceNode
const nodes: ProduceNode[] = []

async function startNode(settings: Record<string, string>): Promise<ProduceNode> {
  const started = await ProduceNode.start(settings)
  nodes.push(started)
  return started
}

beforeAll(async () => {
  node = await startNode({ 'schema.registry.url': schemaRegistryUrl() })
})

afterAll(() => Promise.all(nodes.map(started => started.stop())))

interface ProduceAnswer {
  offsets: { offset: number | null }[]
  key_schema_id: number | null
  value_schema_id: number | null
}

async function newTopic(): Promise<string> {
  const topic = uniqueName('schemas')
  await createTopic(kafkaAddress(), topic)
  return topic
}

async function registry<Answer>(path: string, method = 'GET', body?: unknown): Promise<Answer> {
  const answer = await fetch(schemaRegistryUrl() + path, {
    method,
    headers: { 'Content-Type': 'application/vnd.schemaregistry.v1+json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return (await answer.json()) as Answer
}

const idBytes = (id: number) => {
  const bytes = Buffer.alloc(5)
  bytes.writeInt32BE(id, 1)
  return bytes
}

const nothingWritten = async (topic: string) =>
  (await node.request('GET', `/topics/${topic}/partitions/0/offsets`)).text ===
  '{"beginning_offset":0,"end_offset":0}'

const refusal = (status: number, code: number, message: unknown) => ({
  status,
  body: { error_code: code, message },
})

/** Status and body of a produce request. */
async function produce(topic: string, format: string, body: unknown, at = node) {
  const answer = await at.produce(`/topics/${topic}`, body, format)
  return { status: answer.status, body: answer.json() }
}

describe.each(schemaSamples)('$format', sample => {
  const { format, word, schema, value, payload } = sample

  test('§9 22, 28: keys and values by text, the key’s schema first; then by ids; the wire format', async () => {
    const topic = await newTopic()
    const keySchema = `${schema} `
    const records = [{ key: value, value }]
    const texts = { key_schema: keySchema, value_schema: schema, records: [...records, ...records] }
    const first = (await produce(topic, format, texts)).body as ProduceAnswer
    expect(first.offsets.map(({ offset }) => offset)).toEqual([0, 1])
    const { key_schema_id: keyId, value_schema_id: valueId } = first
    const subjects = await Promise.all(
      ['key', 'value'].map(side => registry<{ id: number }>(`/subjects/${topic}-${side}/versions/1`)),
    )
    expect(subjects.map(({ id }) => id)).toEqual([keyId, valueId])
    const ids = { key_schema_id: keyId, value_schema_id: valueId, records }
    expect((await produce(topic, format, ids)).body).toMatchObject({
      key_schema_id: keyId,
      value_schema_id: valueId,
    })
    const framedKey = Buffer.concat([idBytes(keyId ?? 0), payload])
    const framedValue = Buffer.concat([idBytes(valueId ?? 0), payload])
    expect((await readTopic(kafkaAddress(), topic)).map(({ key, value: bytes }) => [key, bytes])).toEqual([
      [framedKey, framedValue],
      [framedKey, framedValue],
      [framedKey, framedValue],
    ])
  })

  test('the id of a side without a schema is null; a text that is known gets its id again', async () => {
    const topic = await newTopic()
    const body = { value_schema: schema, records: [{ value }] }
    const [first, second] = [await produce(topic, format, body), await produce(topic, format, body)]
    expect(first.body).toMatchObject({ key_schema_id: null, value_schema_id: expect.any(Number) })
    expect((second.body as ProduceAnswer).value_schema_id).toBe((first.body as ProduceAnswer).value_schema_id)
    expect(await registry<number[]>(`/subjects/${topic}-value/versions`)).toEqual([1])
  })

  test('§6.4: null without a schema is Kafka’s null', async () => {
    const topic = await newTopic()
    expect((await produce(topic, format, { records: [{ key: null }, {}] })).status).toBe(200)
    const stored = await readTopic(kafkaAddress(), topic)
    expect(stored.map(({ key, value: bytes }) => [key, bytes])).toEqual([
      [null, null],
      [null, null],
    ])
  })

  test('§6.4: null with a schema that does not take it is refused, and nothing is written', async () => {
    const topic = await newTopic()
    const body = { value_schema: schema, records: [{ value }, { value: null }] }
    expect(await produce(topic, format, body)).toEqual(refusal(400, 400, sample.nullText))
    expect(await nothingWritten(topic)).toBe(true)
  })

  test('null.request.body.always.publishes.empty.record: it is Kafka’s null', async () => {
    const old = await startNode({
      'schema.registry.url': schemaRegistryUrl(),
      'null.request.body.always.publishes.empty.record': 'true',
    })
    const topic = await newTopic()
    const body = { value_schema: schema, records: [{ value: null }] }
    expect((await produce(topic, format, body, old)).status).toBe(200)
    expect((await readTopic(kafkaAddress(), topic))[0]?.value).toBeNull()
  })

  test('400: a value that does not fit; nothing is written', async () => {
    const topic = await newTopic()
    const body = { value_schema: schema, records: [{ value }, { value: sample.bad }] }
    expect(await produce(topic, format, body)).toEqual(refusal(400, 400, sample.badText))
    expect(await nothingWritten(topic)).toBe(true)
  })

  test('422 / 42201, 42202: keys or values without a schema', async () => {
    const topic = await newTopic()
    expect(await produce(topic, format, { value_schema: schema, records: [{ key: value, value }] })).toEqual(
      refusal(422, 42201, 'Request includes keys but does not include key schema'),
    )
    expect(await produce(topic, format, { key_schema: schema, records: [{ key: value, value }] })).toEqual(
      refusal(422, 42202, 'Request includes values but does not include value schema'),
    )
  })

  test('§9 42: 422 / 42205: text that is no schema', async () => {
    const { noSchema } = sample
    const start = `Invalid schema: Error when parsing raw schema. format = ${word}, schema = ${noSchema}`
    for (const side of ['key', 'value']) {
      expect(
        await produce(await newTopic(), format, {
          [`${side}_schema`]: noSchema,
          records: [{ [side]: value }],
        }),
      ).toEqual(refusal(422, 42205, expect.stringContaining(start)))
    }
  })

  test('422 / 42206 and 42207: schemas without a registry', async () => {
    const alone = await startNode({ 'schema.registry.url': '' })
    const topic = await newTopic()
    for (const named of [{ value_schema: schema }, { value_schema_id: 1 }]) {
      expect(await produce(topic, format, { ...named, records: [{ value }] }, alone)).toEqual(
        refusal(422, 42206, 'Payload error. Schema Registry must be configured when using schemas.'),
      )
    }
    expect(await produce(topic, format, { records: [{ value }] }, alone)).toEqual(
      refusal(
        422,
        42207,
        'Error serializing message. Schema Registry not defined, no Schema Registry client available to serialize message.',
      ),
    )
  })

  test('422 / 42207: an id that the registry does not have, or not under the subject', async () => {
    const topic = await newTopic()
    expect(await produce(topic, format, { value_schema_id: 2 ** 30, records: [{ value }] })).toEqual(
      refusal(
        422,
        42207,
        expect.stringMatching(
          /^Error serializing message\. Error when fetching schema by id\. schemaId = 1073741824\n.*; error code: 40403$/,
        ),
      ),
    )
    const elsewhere = (
      await produce(await newTopic(), format, { value_schema: schema, records: [{ value }] })
    ).body
    const { value_schema_id } = elsewhere as ProduceAnswer
    expect(await produce(topic, format, { value_schema_id, records: [{ value }] })).toEqual(
      refusal(
        422,
        42207,
        expect.stringContaining(
          `Error serializing message. Error when fetching schema version. subject = ${topic}-value, schema = `,
        ),
      ),
    )
  })

  test('422 / 42207: an id of another type', async () => {
    const other = schemaSamples.find(({ format: name }) => name !== format)
    const topic = await newTopic()
    const made = await produce(topic, other?.format ?? '', { value_schema: other?.schema, records: [] })
    expect(made.status).toBe(422)
    const id = (
      (
        await produce(topic, other?.format ?? '', {
          value_schema: other?.schema,
          records: [{ value: other?.value }],
        })
      ).body as ProduceAnswer
    ).value_schema_id
    expect(await produce(topic, format, { value_schema_id: id, records: [{ value }] })).toEqual(
      refusal(422, 42207, expect.stringContaining(`Error when fetching schema by id. schemaId = ${id}\n`)),
    )
  })

  test('422: text and id for one side (the original: 500)', async () => {
    const body = { value_schema: schema, value_schema_id: 1, records: [{ value }] }
    expect(await produce(await newTopic(), format, body)).toEqual(
      refusal(422, 422, expect.stringContaining('value_schema_id')),
    )
  })
})

describe('what the registry refuses', () => {
  const avro = schemaSamples[0] ?? expect.fail()

  test('422 / 42207: a schema that is not compatible', async () => {
    const topic = await newTopic()
    const body = (type: string) => ({
      value_schema: `{"type":"record","name":"R","fields":[{"name":"a","type":"${type}"}]}`,
      records: [{ value: { a: type === 'int' ? 1 : 'x' } }],
    })
    expect((await produce(topic, 'avro', body('int'))).status).toBe(200)
    await registry(`/config/${topic}-value`, 'PUT', { compatibility: 'BACKWARD' })
    expect(await produce(topic, 'avro', body('string'))).toEqual(
      refusal(
        422,
        42207,
        expect.stringContaining(
          `Error serializing message. Error when registering schema. format = AVRO, subject = ${topic}-value, schema = {"type":"record"`,
        ),
      ),
    )
  })

  test('max.schemas.per.subject: a subject with so many gets no more from requests', async () => {
    const strict = await startNode({
      'schema.registry.url': schemaRegistryUrl(),
      'schema.registry.max.schemas.per.subject': '2',
    })
    const topic = await newTopic()
    const body = (name: string) => ({
      value_schema: `{"type":"record","name":"R","fields":[{"name":"${name}","type":"int"}]}`,
      records: [{ value: { [name]: 1 } }],
    })
    for (const name of ['a', 'b']) expect((await produce(topic, 'avro', body(name), strict)).status).toBe(200)
    expect(await produce(topic, 'avro', body('c'), strict)).toEqual(
      refusal(422, 42207, expect.stringContaining('max.schemas.per.subject = 2')),
    )
    expect((await produce(topic, 'avro', body('b'), strict)).status).toBe(200)
  })

  test('403 / 40301: its own 40301 keeps its meaning, with the detail alone', async () => {
    const standIn = await StandInRegistry.start()
    try {
      const forbidden = { status: 403, body: { error_code: 40301, message: 'User is denied' } }
      standIn.answer = call =>
        call.includes('/versions') ? forbidden : { status: 404, body: { error_code: 40401 } }
      const guarded = await startNode({ 'schema.registry.url': standIn.url })
      const { schema, value } = avro
      expect(await produce('t', 'avro', { value_schema: schema, records: [{ value }] }, guarded)).toEqual(
        refusal(
          403,
          40301,
          `Error when registering schema. format = AVRO, subject = t-value, schema = ${schema}`,
        ),
      )
      standIn.answer = () => forbidden
      expect(await produce('t', 'avro', { value_schema_id: 1, records: [{ value }] }, guarded)).toEqual(
        refusal(403, 40301, 'Error when fetching schema by id. schemaId = 1'),
      )
    } finally {
      await standIn.stop()
    }
  })

  test('400: a schema of the registry that is none', async () => {
    const standIn = await StandInRegistry.start()
    try {
      standIn.answer = () => ({ status: 200, body: { schema: '{foo' } })
      const odd = await startNode({ 'schema.registry.url': standIn.url })
      expect(await produce('t', 'avro', { value_schema_id: 1, records: [{ value: 1 }] }, odd)).toEqual(
        refusal(400, 400, expect.stringContaining('Bad Request: Error parsing schema with format = AVRO')),
      )
    } finally {
      await standIn.stop()
    }
  })
})

describe('references and subjects', () => {
  test('a schema with references is written with by its id', async () => {
    const topic = await newTopic()
    const money = `${topic}-money`
    await registry(`/subjects/${money}/versions`, 'POST', {
      schema: '{"type":"record","name":"Money","namespace":"m","fields":[{"name":"cents","type":"long"}]}',
    })
    const { id } = await registry<{ id: number }>(`/subjects/${topic}-value/versions`, 'POST', {
      schema: '{"type":"record","name":"Order","fields":[{"name":"price","type":"m.Money"}]}',
      references: [{ name: 'm.Money', subject: money, version: 1 }],
    })
    const records = [{ value: { price: { cents: 1 } } }]
    const body = JSON.stringify({ value_schema_id: id, records }).replace(
      '"cents":1',
      '"cents":9007199254740993',
    )
    const answer = await node.produce(`/topics/${topic}`, body, 'avro')
    expect(answer.json()).toMatchObject({ value_schema_id: id, offsets: [{ offset: 0 }] })
    const [stored] = await readTopic(kafkaAddress(), topic)
    expect(stored?.value).toEqual(
      Buffer.concat([idBytes(id), Buffer.of(0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20)]),
    )
  })

  test.each([
    ['RecordNameStrategy', (_topic: string, name: string) => `n.${name}`],
    [
      'io.confluent.kafka.serializers.subject.TopicRecordNameStrategy',
      (topic: string, name: string) => `${topic}-n.${name}`,
    ],
  ])('%s', async (strategy, subjectOf) => {
    const named = await startNode({
      'schema.registry.url': schemaRegistryUrl(),
      'schema.registry.value.subject.name.strategy': strategy,
    })
    const topic = await newTopic()
    const name = uniqueName('R').replace('-', '_')
    const body = {
      value_schema: `{"type":"record","name":"n.${name}","fields":[]}`,
      records: [{ value: {} }],
    }
    const { value_schema_id: id } = (await produce(topic, 'avro', body, named)).body as ProduceAnswer
    const subject = encodeURIComponent(subjectOf(topic, name))
    expect(await registry(`/subjects/${subject}/versions/1`)).toMatchObject({ id })
    expect(
      await produce(topic, 'avro', { value_schema: '{"type":"int"}', records: [{ value: 1 }] }, named),
    ).toEqual(refusal(422, 42207, expect.stringContaining('record name')))
  })
})

describe('settings', () => {
  test.each([
    'auto.register.schemas',
    'schema.registry.auto.register.schemas',
    'producer.auto.register.schemas',
  ])('%s is refused at start', async key => {
    await expect(ProduceNode.start({ [key]: 'true' })).rejects.toThrow(`${key} is not supported`)
  })

  test('an unknown strategy or URL is refused at start, all in one error', async () => {
    const settings = {
      'schema.registry.url': 'localhost:8081',
      'schema.registry.key.subject.name.strategy': 'my.Strategy',
      'schema.registry.ssl.truststore.location': '/no/such/file',
    }
    await expect(ProduceNode.start(settings)).rejects.toThrow(
      /key\.subject\.name\.strategy: .*schema\.registry\.url: .*schema\.registry\.ssl: ENOENT/,
    )
  })
})
