import { describe, expect, test } from 'vitest'
import { type CompiledSchema, UndecodableRecord } from './format.ts'
import { createFormats } from './formats.ts'
import { readMessageIndexes } from './message-indexes.ts'
import { frame, payloadOf, schemaNameOf } from './wire-format.ts'

describe('the wire format', () => {
  test('magic byte, id, payload', () => {
    const framed = frame(0x01020304, Buffer.of(9))
    expect(framed).toEqual(Buffer.of(0, 1, 2, 3, 4, 9))
    expect(schemaNameOf(framed, null)).toBe(0x01020304)
    expect(payloadOf(framed, null)).toEqual(Buffer.of(9))
  })

  test('an id or GUID in a header leaves the payload bare', () => {
    const payload = Buffer.of(9)
    const id = Buffer.of(0, 0, 0, 0, 7)
    expect([schemaNameOf(payload, id), payloadOf(payload, id)]).toEqual([7, payload])
    const guid = Buffer.concat([Buffer.of(1), Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex')])
    expect(schemaNameOf(payload, guid)).toBe('01020304-0506-0708-090a-0b0c0d0e0f10')
    expect(payloadOf(payload, Buffer.concat([guid, Buffer.of(0)]))).toEqual(Buffer.of(0, 9))
  })

  test.each([
    [Buffer.of(1, 0, 0, 0, 1), null],
    [Buffer.of(0, 0, 0, 1), null],
    [Buffer.alloc(0), null],
    [Buffer.of(9), Buffer.of(2, 0, 0, 0, 1)],
    [Buffer.of(9), Buffer.of(1, 0, 0)],
    [Buffer.of(9), Buffer.alloc(0)],
  ])('%j with header %j is not framed', (bytes, header) => {
    expect(() => schemaNameOf(bytes, header)).toThrow(UndecodableRecord)
  })

  test.each([
    [[0], [0], 1],
    [[2, 0, 9], [0], 2],
    [[4, 2, 128, 2, 9], [1, 128], 4],
  ])('message indexes %j', (bytes, path, end) => {
    expect(readMessageIndexes(Buffer.from(bytes))).toEqual({ path, end })
  })

  test.each([[[]], [[1]], [[202, 1]], [[4, 0]], [[255, 255, 255, 255, 255, 255]]])(
    '%j are no message indexes',
    bytes => {
      expect(() => readMessageIndexes(Buffer.from(bytes))).toThrow(UndecodableRecord)
    },
  )
})

describe('schema formats', () => {
  const schema: CompiledSchema = {
    id: 7,
    type: 'AVRO',
    codec: {
      recordName: null,
      prepareEncode: () => undefined,
      encode: json => (json === null ? null : Buffer.from(json.text)),
      decode: payload => payload.toString(),
    },
  }
  const json = { value: 5, text: '5' }

  test('what the codec makes is framed; its null is Kafka’s', () => {
    const { avro } = createFormats()
    expect(avro.encode(json, schema)).toEqual(Buffer.of(0, 0, 0, 0, 7, 0x35))
    expect(avro.encode(null, schema)).toBeNull()
    expect(avro.encode(null, null)).toBeNull()
    expect(avro.decode(Buffer.of(0, 0, 0, 0, 7, 0x35), schema)).toBe('5')
    expect(avro.decode(null, null)).toBe('null')
    expect(avro.schemaIdOf(null)).toBeNull()
  })

  test('a schema of another type does not decode', () => {
    expect(() => createFormats().protobuf.decode(Buffer.of(0, 0, 0, 0, 7, 0), schema)).toThrow(
      UndecodableRecord,
    )
  })
})
