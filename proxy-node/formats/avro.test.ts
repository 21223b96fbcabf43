import avsc from 'avsc'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { avroSchemaAndValue } from '../../test/support/avro-samples.ts'
import { checkProperty } from '../../test/support/property.ts'
import { createAvroCompiler } from './avro.ts'
import { CpuGuard } from './cpu-guard.ts'
import { SchemaRefused, UndecodableRecord, UnrenderableRecord } from './format.ts'
import { defaultSchemaLimits } from './schema-limits.ts'

// A thousand schemas are compiled, on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000 })

const compiler = createAvroCompiler(defaultSchemaLimits, new CpuGuard(defaultSchemaLimits.cpuMsMax))

function codecOf(schema: unknown, ...references: unknown[]) {
  return compiler.compile({
    text: JSON.stringify(schema),
    references: references.map((reference, index) => ({
      name: `r${index}`,
      text: JSON.stringify(reference),
    })),
  })
}

function encoded(schema: unknown, text: string): Buffer {
  const bytes = codecOf(schema).encode({ value: JSON.parse(text), text })
  return Buffer.from(bytes ?? [])
}

function roundTrip(schema: unknown, text: string): string {
  return codecOf(schema).decode(encoded(schema, text))
}

function badRequest(detail: string) {
  return expect.objectContaining({ status: 400, errorCode: 400, message: `Bad Request: ${detail}` })
}

describe('Avro values', () => {
  test('any value of any schema comes back, and another implementation reads it the same', async () => {
    await checkProperty(
      'Avro round trip',
      fc.property(avroSchemaAndValue, ({ schema, value }) => {
        const wrapped = { type: 'record', name: 'Top', fields: [{ name: 'it', type: schema }] }
        const text = JSON.stringify({ it: value })
        const bytes = encoded(wrapped, text)
        expect(JSON.parse(codecOf(wrapped).decode(bytes))).toEqual({ it: value })
        const type = avsc.Type.forSchema(wrapped as never, { wrapUnions: true })
        expect(type.toBuffer(type.fromString(text))).toEqual(bytes)
      }),
    )
  })

  test('any 64-bit number comes back exactly', async () => {
    const codec = codecOf({ type: 'array', items: 'long' })
    const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    await checkProperty(
      'Avro long round trip',
      fc.property(fc.array(long, { maxLength: 5 }), values => {
        const text = `[${values}]`
        const bytes = Buffer.from(codec.encode({ value: JSON.parse(text), text }) ?? [])
        expect(codec.decode(bytes)).toBe(text)
      }),
    )
  })

  test.each([
    ['"long"', '9223372036854775807'],
    ['"long"', '-9223372036854775808'],
    ['"long"', '9007199254740993'],
    ['"long"', '-4503599627370497'],
    ['{"type":"array","items":"long"}', '[1234567890123456789,-1234567890123456789,7]'],
    ['"double"', '12345678901234567000.0'],
    ['"double"', '1.0'],
    ['"double"', '-0.0'],
    ['"float"', '1.1'],
    ['"float"', '16777216.0'],
    ['"float"', '3.4028235e+38'],
    ['"int"', '-2147483648'],
    ['"string"', '"\\u0000\\"é𝄞"'],
    ['"boolean"', 'true'],
    ['{"type":"map","values":"int"}', '{"__proto__":1,"toString":2}'],
  ])('%s keeps %s', (schema, text) => {
    const shown = roundTrip(JSON.parse(schema), text)
    expect(shown).toBe(JSON.parse(schema) === 'string' ? JSON.stringify(JSON.parse(text)) : text)
  })

  test('1.0 is an int, and whole numbers beyond 2^53 are doubles', () => {
    expect(roundTrip('int', '1.0')).toBe('1')
    expect(roundTrip('double', '12345678901234567890')).toBe('12345678901234567000.0')
  })

  test('NaN and infinities are shown as strings', () => {
    const bytes = Buffer.alloc(8)
    bytes.writeDoubleLE(Number.NEGATIVE_INFINITY)
    expect(codecOf('double').decode(bytes)).toBe('"-Infinity"')
    expect(codecOf('float').decode(Buffer.from([0, 0, 0xc0, 0x7f]))).toBe('"NaN"')
  })

  test('§9 45: bytes and fixed are ISO-8859-1 text; what is beyond becomes ?', () => {
    const fixed = { type: 'fixed', name: 'F', size: 2 }
    expect(roundTrip(fixed, '"\\u00ff\\u0000"')).toBe('"ÿ\\u0000"')
    expect(roundTrip({ type: 'array', items: 'bytes' }, '["a\\u20acb","𝄞"]')).toBe('["a?b","?"]')
  })

  test('a schema of bytes alone has no length in front', () => {
    expect(encoded('bytes', '"\\u0001\\u00ff"')).toEqual(Buffer.of(1, 255))
    expect(codecOf('bytes').decode(Buffer.of(1, 255))).toBe('"\\u0001ÿ"')
    expect(() => encoded('bytes', '1')).toThrow(badRequest('Expected bytes. Got VALUE_NUMBER_INT'))
  })

  test('logical types show as their base types', () => {
    const decimal = { type: 'bytes', logicalType: 'decimal', precision: 4, scale: 2 }
    expect(roundTrip({ type: 'map', values: decimal }, '{"a":"\\u0001"}')).toBe('{"a":"\\u0001"}')
    expect(roundTrip({ type: 'long', logicalType: 'timestamp-millis' }, '1700000000000')).toBe(
      '1700000000000',
    )
  })

  test('unions are tagged inside, and a union at the top is shown untagged', () => {
    const field = { type: 'record', name: 'n.R', fields: [{ name: 'u', type: ['null', 'string', 'n.R'] }] }
    expect(roundTrip(field, '{"u":{"n.R":{"u":{"string":"x"}}}}')).toBe('{"u":{"n.R":{"u":{"string":"x"}}}}')
    expect(roundTrip(field, '{"u":null}')).toBe('{"u":null}')
    expect(roundTrip(['null', 'string'], '{"string":"x"}')).toBe('"x"')
    expect(roundTrip(['int', { type: 'array', items: ['int', 'null'] }], '{"array":[{"int":1},null]}')).toBe(
      '[{"int":1},null]',
    )
  })

  test('null is a Kafka null where the schema allows it, else refused', () => {
    expect(codecOf(['null', 'int']).encode(null)).toBeNull()
    expect(codecOf('null').encode(null)).toBeNull()
    expect(() => codecOf('int').encode(null)).toThrow(badRequest('Expected int. Got VALUE_NULL'))
    expect(() => codecOf({ type: 'record', name: 'R', fields: [] }).encode(null)).toThrow(
      badRequest('Expected record-start. Got VALUE_NULL'),
    )
  })
})

describe('Avro JSON that does not fit', () => {
  const record = {
    type: 'record',
    name: 'R',
    fields: [
      { name: 'a', type: 'int', default: 1 },
      { name: 'e', type: { type: 'enum', name: 'E', symbols: ['A'] } },
      { name: 'toString', type: 'int' },
    ],
  }

  test.each([
    ['int', '"1"', 'Expected int. Got VALUE_STRING'],
    ['int', '1.5', 'Expected int. Got VALUE_NUMBER_FLOAT'],
    ['int', '99999999999', 'Numeric value (99999999999) out of range of int (-2147483648 - 2147483647)'],
    [
      'long',
      '9223372036854775808',
      'Numeric value (9223372036854775808) out of range of long (-9223372036854775808 - 9223372036854775807)',
    ],
    ['long', 'true', 'Expected long. Got VALUE_TRUE'],
    ['float', '"NaN"', 'Expected float. Got VALUE_STRING'],
    ['double', '{}', 'Expected double. Got START_OBJECT'],
    ['string', '1', 'Expected string. Got VALUE_NUMBER_INT'],
    ['boolean', 'null', 'Expected boolean. Got VALUE_NULL'],
    ['null', '1', 'Expected null. Got VALUE_NUMBER_INT'],
    [['null', 'string'], '"x"', 'Expected start-union. Got VALUE_STRING'],
    [['null', 'string'], '{"int":1}', 'Unknown union branch int'],
    [['null', 'string'], '{}', 'Expected start-union. Got END_OBJECT'],
    [['null', 'string'], '{"string":"x","null":null}', 'Expected end-union. Got FIELD_NAME'],
    [['int', 'string'], 'null', 'Unknown union branch null'],
    [['int', 'string'], '{"toString":1}', 'Unknown union branch toString'],
    [{ type: 'array', items: 'int' }, '{}', 'Expected array-start. Got START_OBJECT'],
    [{ type: 'map', values: 'int' }, '[]', 'Expected map-start. Got START_ARRAY'],
    [{ type: 'fixed', name: 'F', size: 2 }, '"a"', 'Expected fixed length 2, but got 1'],
    [record, '{"e":"A","toString":1}', 'Expected field name not found: a'],
    [record, '{"a":1,"e":"A"}', 'Expected field name not found: toString'],
    [record, '{"a":1,"e":"B","toString":1}', 'Unknown symbol in enum B'],
    [record, '[]', 'Expected record-start. Got START_ARRAY'],
  ])('%j refuses %s', (schema, text, detail) => {
    expect(() => encoded(schema, text)).toThrow(badRequest(detail))
  })

  test.each([
    [['null', 'string'], JSON.stringify({ ['x'.repeat(1_000_000)]: 1 }), 'Unknown union branch x'],
    [{ type: 'enum', name: 'E', symbols: ['A'] }, `"${'x'.repeat(1_000_000)}"`, 'Unknown symbol in enum x'],
    [{ ...record, fields: [{ name: 'x'.repeat(2000), type: 'int' }] }, '{}', 'Expected field name not found'],
  ])('an error does not echo a huge value (%#)', (schema, text, start) => {
    expect(() => encoded(schema, text)).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(new RegExp(`^Bad Request: (?=${start}).{1000}…$`)),
      }),
    )
  })

  test('more fields than the schema has, in any order, are fine', () => {
    expect(roundTrip(record, '{"z":[1],"toString":3,"e":"A","a":2}')).toBe('{"a":2,"e":"A","toString":3}')
  })
})

describe('Avro schemas', () => {
  test('a bare name is looked for in the enclosing namespace, then without one, as Java does', () => {
    const record = (name: string, type: unknown, more = {}) => ({
      type: 'record',
      name,
      fields: [{ name: 'f', type }],
      ...more,
    })
    const outer = record('Outer', ['null', 'Inner'], { namespace: 'a.b' })
    const text = (tag: string) => `{"f":{"${tag}":{"f":1}}}`
    const bytes = Buffer.of(2, 2)
    const global = codecOf(outer, record('Inner', 'int'))
    expect(global.decode(bytes)).toBe(text('Inner'))
    expect(global.encode({ value: JSON.parse(text('Inner')), text: text('Inner') })).toEqual(bytes)
    const both = codecOf(outer, record('Inner', 'string'), record('Inner', 'int', { namespace: 'a.b' }))
    expect(both.decode(bytes)).toBe(text('a.b.Inner'))
    expect(() => codecOf(outer, record('Inner', 'int', { namespace: 'a' }))).toThrow(SchemaRefused)
  })

  test('a full name says the namespace, whatever else does', () => {
    const e = { type: 'enum', name: 'E', symbols: ['A'] }
    const fields = [{ name: 'x', type: ['null', e] }]
    const schema = { type: 'record', name: 'a.b.R', namespace: 'zzz', fields }
    expect(codecOf(schema).recordName).toBe('a.b.R')
    expect(roundTrip(schema, '{"x":{"a.b.E":"A"}}')).toBe('{"x":{"a.b.E":"A"}}')
  })

  test('references bring named types, once however often they are named', () => {
    const money = { type: 'record', name: 'm.Money', fields: [{ name: 'cents', type: 'long' }] }
    const order = { type: 'record', name: 'Order', fields: [{ name: 'price', type: ['null', 'm.Money'] }] }
    const codec = codecOf(order, money, money)
    const text = '{"price":{"m.Money":{"cents":5}}}'
    expect(codec.decode(Buffer.from(codec.encode({ value: JSON.parse(text), text }) ?? []))).toBe(text)
    expect(codec.recordName).toBe('Order')
  })

  test.each([
    '{"type":"record","name":"R","fields":[{"name":"a","type":"long","default":9223372036854775807}]}',
    '{"type":"record","name":"R","fields":[{"name":"a","type":["null","int"],"default":1}]}',
    '{"type":"record","name":"R","aliases":["not a name"],"fields":[]}',
    '{"type":{"type":"record","name":"R","fields":[]}}',
  ])('%s is accepted as registries do', text => {
    expect(compiler.compile({ text, references: [] }).recordName).toBe('R')
  })

  test.each([
    '{foo',
    '"Foo"',
    '5',
    'null',
    '{"type":"record","name":"a-b","fields":[]}',
    '[["int"]]',
    '{"type":"record","fields":[]}',
  ])('%s is refused', text => {
    expect(() => compiler.compile({ text, references: [] })).toThrow(SchemaRefused)
  })

  test('a schema nested without end is refused, not a stack overflow', () => {
    const text = '{"type":"array","items":'.repeat(100_000) + '"int"' + '}'.repeat(100_000)
    expect(() => compiler.compile({ text, references: [] })).toThrow(SchemaRefused)
  })

  test('the canonical text has no blank space, and keeps its numbers', () => {
    expect(compiler.canonical('{ "a b" : 1.0,\n"c": "\\" d" }')).toBe('{"a b":1.0,"c":"\\" d"}')
  })
})

describe('Avro bytes that are not what they seem', () => {
  const list = { type: 'record', name: 'L', fields: [{ name: 'next', type: ['null', 'L'] }] }

  test.each([
    ['string', Buffer.of(20, 65)],
    ['string', Buffer.of(1)],
    ['string', Buffer.of(0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1)],
    ['int', Buffer.of(0xff, 0xff, 0xff, 0xff, 0xff, 1)],
    ['long', Buffer.alloc(11, 0xff)],
    ['double', Buffer.alloc(7)],
    ['boolean', Buffer.of(2)],
    [['null', 'int'], Buffer.of(4)],
    [['null', 'int'], Buffer.of(1)],
    [{ type: 'enum', name: 'E', symbols: ['A'] }, Buffer.of(2)],
    [list, Buffer.of(2)],
  ])('%j: %j is undecodable', (schema, bytes) => {
    expect(() => codecOf(schema).decode(bytes)).toThrow(UndecodableRecord)
  })

  test('an array of a billion nulls in six bytes does not fill the memory', () => {
    const bytes = Buffer.of(0x80, 0xa8, 0xd6, 0xb9, 0x07, 0)
    expect(() => codecOf({ type: 'array', items: 'null' }).decode(bytes)).toThrow(UndecodableRecord)
    const fields = Array.from({ length: 1000 }, (_, index) => ({ name: `f${index}`, type: 'null' }))
    const wide = { type: 'record', name: 'W', fields: [...fields, { name: 'b', type: 'boolean' }] }
    const many = Buffer.concat([Buffer.of(0xc0, 0x9a, 0x0c), Buffer.alloc(100_000)])
    expect(() => codecOf({ type: 'array', items: wide }).decode(many)).toThrow(UndecodableRecord)
  })

  test('symbols of an enum are charged: a byte stands for each', () => {
    const symbol = 'S'.repeat(100_000)
    const schema = { type: 'array', items: { type: 'enum', name: 'E', symbols: [symbol] } }
    const items = (count: number) => Buffer.of(...[count * 2], ...Array(count).fill(0), 0)
    expect(codecOf(schema).decode(items(2))).toBe(`["${symbol}","${symbol}"]`)
    const many = Buffer.concat([...Array(20).fill(items(60).subarray(0, 61)), Buffer.of(0)])
    expect(() => codecOf(schema).decode(many)).toThrow(UnrenderableRecord)
  })

  test('nesting is bounded on both ways', () => {
    expect(() => codecOf(list).decode(Buffer.alloc(100_000, 2))).toThrow(UndecodableRecord)
    const endless = { type: 'record', name: 'E', fields: [{ name: 'e', type: 'E' }] }
    expect(() => codecOf(endless).decode(Buffer.alloc(0))).toThrow(UndecodableRecord)
  })

  test('blocks with a size are read as those without', () => {
    expect(codecOf({ type: 'array', items: 'int' }).decode(Buffer.of(3, 4, 2, 4, 2, 6, 0))).toBe('[1,2,3]')
  })
})
