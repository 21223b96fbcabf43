import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConsumerClient, type ReadRecord } from '../../support/consumer-client.ts'
import { createTopic, readTopic } from '../../support/kafka-topics.ts'
import { ProduceNode, typeOf } from '../../support/produce-node.ts'
import { RecordProducer } from '../../support/record-producer.ts'
import { kafkaAddress, schemaRegistryUrl, uniqueName } from '../../support/services.ts'
import { type InteropCase, interopCases } from './cases.ts'
import { confluentPython, type InteropJob } from './python-client.ts'

/**
 * What Confluent's serializers write is read here, and what is written here they read; the bytes are the same where the
 * format leaves no choice. The Python client shares no line with this project.
 */

let node: ProduceNode
let producer: RecordProducer
/** By the case's place: its topic, and what Confluent's client wrote as key and as value. */
let written: { topic: string; key: Buffer; value: Buffer }[]

const jobOf = (place: number, side: 'key' | 'value'): Omit<InteropJob, 'do'> => {
  const { format, schema, references, message, theirs } = caseAt(place)
  const topic = written[place]?.topic ?? ''
  return {
    format,
    topic,
    side,
    schema,
    value: theirs,
    ...(references === undefined ? {} : { references }),
    ...(message === undefined ? {} : { message }),
  }
}

function caseAt(place: number): InteropCase {
  return interopCases[place] ?? expect.fail(`no case ${place}`)
}

beforeAll(async () => {
  node = await ProduceNode.start({ 'schema.registry.url': schemaRegistryUrl() })
  producer = await RecordProducer.start(kafkaAddress())
  written = []
  for (const { evolved } of interopCases) {
    const topic = (evolved ? written.at(-1)?.topic : undefined) ?? uniqueName('interop')
    if (!evolved) await createTopic(kafkaAddress(), topic)
    written.push({ topic, key: Buffer.alloc(0), value: Buffer.alloc(0) })
  }
  const sides = ['key', 'value'] as const
  const jobs = interopCases.flatMap((_, place) =>
    sides.map(side => ({ do: 'write' as const, ...jobOf(place, side) })),
  )
  const results = await confluentPython(schemaRegistryUrl(), jobs)
  for (const [place, entry] of written.entries()) {
    entry.key = Buffer.from(results[place * 2]?.bytes ?? '', 'base64')
    entry.value = Buffer.from(results[place * 2 + 1]?.bytes ?? '', 'base64')
  }
}, 600_000)

afterAll(async () => {
  await producer?.stop()
  await node?.stop()
})

async function read(topic: string, format: string): Promise<ReadRecord[]> {
  const client = await ConsumerClient.create(node.url, uniqueName('g'), uniqueName('i'), {
    format,
    'consumer.request.timeout.ms': 15_000,
  })
  await client.assign([topic, 0])
  const answer = await client.read('', { headers: { Accept: typeOf(format) } })
  client.close()
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 200 })
  return answer.json() as ReadRecord[]
}

interface Stored {
  readonly key: Buffer | null
  readonly value: Buffer | null
}

/**
 * Produces a case's value through the proxy, by the ids that Confluent's client used (text can name no references): as
 * key and value, with a null key, and as the key of a tombstone. A null has no schema.
 */
async function producedHere(place: number): Promise<readonly Stored[]> {
  const { format, ours } = caseAt(place)
  const { topic, key, value } = written[place] ?? expect.fail()
  const [keyId, valueId] = [{ key_schema_id: key.readInt32BE(1) }, { value_schema_id: value.readInt32BE(1) }]
  for (const body of [
    { ...keyId, ...valueId, records: [{ key: ours, value: ours }] },
    { ...valueId, records: [{ key: null, value: ours }] },
    { ...keyId, records: [{ key: ours, value: null }] },
  ]) {
    const answer = await node.produce(`/topics/${topic}`, body, format)
    expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 200 })
  }
  return (await readTopic(kafkaAddress(), topic)).slice(-3)
}

/** What a case's three records hold: both, a null key, a tombstone. */
const withNulls = (content: unknown) => [
  [content, content],
  [null, content],
  [content, null],
]

const named = interopCases.map((entry, place) => ({ title: `${entry.format}: ${entry.name}`, place }))

describe('what Confluent’s serializers write is read here', () => {
  test.each(named)('$title', async ({ place }) => {
    const { format, evolved } = caseAt(place)
    const { topic, key, value } = written[place] ?? expect.fail()
    await producer.send(topic, [
      { key, value },
      { key: null, value },
      { key, value: null },
    ])
    const expected = [...(evolved ? [place - 1] : []), place].flatMap(one => {
      const { ours, shown = ours } = caseAt(one)
      return withNulls(shown)
    })
    expect((await read(topic, format)).map(record => [record.key, record.value])).toEqual(expected)
  })
})

describe('what is written here Confluent’s deserializers read', () => {
  const places = named.filter(({ place }) => !caseAt(place).readOnly)
  const stored = new Map<number, readonly Stored[]>()
  const readBack = new Map<number, unknown[]>()

  beforeAll(async () => {
    for (const { place } of places) stored.set(place, await producedHere(place))
    const jobs = places.flatMap(({ place }) =>
      (stored.get(place) ?? []).flatMap(record =>
        (['key', 'value'] as const).map(side => ({
          do: 'read' as const,
          ...jobOf(place, side),
          bytes: record[side]?.toString('base64') ?? null,
        })),
      ),
    )
    const results = await confluentPython(schemaRegistryUrl(), jobs)
    for (const [index, { place }] of places.entries()) {
      readBack.set(
        place,
        results.slice(index * 6, index * 6 + 6).map(({ value }) => value),
      )
    }
  }, 600_000)

  test.each(places)('$title', ({ place }) => {
    const { format, theirs, shown } = caseAt(place)
    const expected = format === 'protobuf' ? (shown ?? theirs) : theirs
    expect(readBack.get(place)).toEqual(withNulls(expected).flat())
    // JSON text may be spaced in any way; the two others have one form.
    const { key, value } = written[place] ?? expect.fail()
    const records = stored.get(place)
    if (format !== 'jsonschema')
      expect(records).toMatchObject([
        { key, value },
        { key: null, value },
        { key, value: null },
      ])
    else
      expect(records?.map(record => [record.key === null, record.value === null])).toEqual([
        [false, false],
        [true, false],
        [false, true],
      ])
  })

  test('by text, a schema without references gets the same bytes', async () => {
    for (const place of [0, 1, 2]) {
      const { schema, ours } = caseAt(place)
      const topic = uniqueName('text')
      await createTopic(kafkaAddress(), topic)
      const answer = await node.produce(
        `/topics/${topic}`,
        { value_schema: schema, records: [{ value: ours }] },
        'avro',
      )
      expect(answer.status).toBe(200)
      const [stored] = await readTopic(kafkaAddress(), topic)
      expect(stored?.value?.subarray(5)).toEqual(written[place]?.value.subarray(5))
    }
  })
})
