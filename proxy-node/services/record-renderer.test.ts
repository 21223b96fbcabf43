import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkProperty } from '../../test/support/property.ts'
import { binaryFormat } from '../formats/binary.ts'
import type { CompiledSchema, Format } from '../formats/format.ts'
import { createFormats } from '../formats/formats.ts'
import { jsonFormat } from '../formats/json.ts'
import type { FetchedRecord } from '../ports/kafka-consumer.ts'
import { encodeRecords, RecordRenderer, type RecordSchemas, type RenderedRecord } from './record-renderer.ts'

const at = { topic: 't-1', partition: 3 }
const signal = new AbortController().signal
const noSchemas: RecordSchemas = {
  cached: () => undefined,
  load: () => Promise.reject(new Error('not asked')),
}

const record = (key: Buffer | null, value: Buffer | null, offset = 0n): FetchedRecord => ({
  offset,
  key,
  value,
  timestamp: 0n,
  headers: [],
})

function rendered(format: Format, from: FetchedRecord): RenderedRecord {
  const result = new RecordRenderer(format, noSchemas).render(at, from, signal)
  if (result instanceof Promise) throw new Error('binary and JSON are rendered at once')
  return result
}

const textOf = ({ before, value, after }: RenderedRecord) => before + value + after

/** JSON source text as clients write it: any value, with numbers that no double holds and keys that repeat. */
const jsonText: fc.Arbitrary<string> = fc.oneof(
  fc.json({ stringUnit: 'binary' }),
  fc.bigInt().map(String),
  fc.constantFrom('1.10', '-0', '1e3', '1E-400', '{"a":1,"a":2}', '{"2":0,"1":0}', '""', '"\\ud83d\\ude00"'),
  fc.string({ unit: 'binary' }).map(text => JSON.stringify(text)),
  fc.integer({ min: 1, max: 200 }).map(depth => '['.repeat(depth) + ']'.repeat(depth)),
)

describe('RecordRenderer - contract v2 §2.14', () => {
  test('JSON comes out as it was stored', async () => {
    await checkProperty(
      'JSON source text is kept',
      fc.property(
        fc.option(jsonText),
        fc.option(jsonText),
        fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
        (key, value, offset) => {
          const stored = record(
            key === null ? null : Buffer.from(key),
            value === null ? null : Buffer.from(value),
            offset,
          )
          expect(textOf(rendered(jsonFormat, stored))).toBe(
            `{"topic":"t-1","key":${key},"value":${value},"partition":3,"offset":${offset}}`,
          )
        },
      ),
    )
  })

  test('bytes come out as base64', async () => {
    const bytes = fc.uint8Array({ maxLength: 300 }).map(array => Buffer.from(array))
    await checkProperty(
      'base64 of any bytes',
      fc.property(fc.option(bytes), fc.option(bytes), (key, value) => {
        const shown = JSON.parse(textOf(rendered(binaryFormat, record(key, value))))
        const decoded = (text: string | null) => (text === null ? null : Buffer.from(text, 'base64'))
        expect([decoded(shown.key), decoded(shown.value)]).toEqual([key, value])
      }),
    )
  })

  test('chunks put together are one JSON array, whatever the characters', async () => {
    await checkProperty(
      'chunks are one array',
      fc.property(
        fc.array(fc.array(jsonText, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 5 }),
        chunks => {
          const bytes = chunks.map((values, index) =>
            encodeRecords(
              values.map(value => rendered(jsonFormat, record(null, Buffer.from(value)))),
              index === 0 ? '[' : ',',
            ),
          )
          const parsed = JSON.parse(`${Buffer.concat(bytes).toString()}]`) as { value: unknown }[]
          expect(parsed.map(({ value }) => value)).toEqual(chunks.flat().map(text => JSON.parse(text)))
        },
      ),
    )
  })

  test('stored bytes count for binary and JSON, rendered ones for schema formats; nulls count nothing', async () => {
    expect(rendered(binaryFormat, record(Buffer.from('abc'), null)).bytes).toBe(3)
    expect(rendered(jsonFormat, record(Buffer.from(' 1 '), Buffer.from('"é"'))).bytes).toBe(7)
    const schema: CompiledSchema = {
      id: 7,
      type: 'AVRO',
      codec: {
        recordName: null,
        prepareEncode: () => undefined,
        encode: () => null,
        decode: () => '"rendered é"',
      },
    }
    const framed = Buffer.from([0, 0, 0, 0, 7, 1])
    const loading = new RecordRenderer(createFormats().avro, { ...noSchemas, load: async () => schema })
    expect(await loading.render(at, record(null, framed), signal)).toMatchObject({
      value: '"rendered é"',
      bytes: 13,
    })
    const ready = new RecordRenderer(createFormats().avro, { ...noSchemas, cached: () => schema })
    expect(ready.render(at, record(framed, framed), signal)).toMatchObject({ bytes: 26 })
  })

  test('what does not decode names its place', async () => {
    const broken = record(null, Buffer.from('{'), 42n)
    expect(() => rendered(jsonFormat, broken)).toThrow(
      expect.objectContaining({
        status: 408,
        errorCode: 40801,
        at: { ...at, offset: 42n },
        message: expect.stringContaining('topic t-1, partition 3, offset 42'),
      }),
    )
    const avro = new RecordRenderer(createFormats().avro, noSchemas)
    expect(() => avro.render(at, broken, signal)).toThrow(expect.objectContaining({ errorCode: 40801 }))
    const endless: Format = { ...jsonFormat, decode: () => ' '.repeat(2 ** 30) }
    expect(() => rendered(endless, broken)).toThrow(
      expect.objectContaining({ errorCode: 40801, at: { ...at, offset: 42n } }),
    )
  })
})
