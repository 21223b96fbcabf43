import fc from 'fast-check'
import protobuf from 'protobufjs'
import descriptorTypes from 'protobufjs/ext/descriptor.js'
import { describe, expect, test, vi } from 'vitest'
import { checkProperty } from '../../test/support/property.ts'
import { protobufSchemaAndValue } from '../../test/support/protobuf-samples.ts'
import { CpuGuard } from './cpu-guard.ts'
import { SchemaRefused, UndecodableRecord, UnrenderableRecord } from './format.ts'
import { knownFiles } from './proto-known-files.ts'
import { createProtobufCompiler } from './protobuf.ts'
import { defaultSchemaLimits } from './schema-limits.ts'

// A thousand schemas are compiled, on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000 })

const compiler = createProtobufCompiler(defaultSchemaLimits, new CpuGuard(defaultSchemaLimits.cpuMsMax))

function codecOf(text: string, references: Record<string, string> = {}) {
  return compiler.compile({
    text,
    references: Object.entries(references).map(([name, referred]) => ({ name, text: referred })),
  })
}

const proto3 = (body: string) => `syntax = "proto3"; package p; ${body}`

function encoded(schema: string, text: string, references?: Record<string, string>): Buffer {
  return Buffer.from(codecOf(schema, references).encode({ value: JSON.parse(text), text }) ?? [])
}

function roundTrip(schema: string, text: string, references?: Record<string, string>): string {
  return codecOf(schema, references).decode(encoded(schema, text, references))
}

function badRequest(detail: string) {
  return expect.objectContaining({ status: 400, errorCode: 400, message: `Bad Request: ${detail}` })
}

/** The field 1, of a message with this content. */
function bytesField(content: Buffer): Buffer {
  const length: number[] = []
  for (let rest = content.length; rest > 0 || length.length === 0; rest >>>= 7) length.push(rest | 0x80)
  length[length.length - 1] = (length.at(-1) ?? 0) & 0x7f
  return Buffer.concat([Buffer.of(10, ...length), content])
}

/** The bytes of one message, after the message index of the first message. */
const bytes = (...values: number[]) => Buffer.of(0, ...values)

describe('Protobuf values', () => {
  test('any value of any schema comes back, and another implementation reads it the same', async () => {
    await checkProperty(
      'Protobuf round trip',
      fc.property(protobufSchemaAndValue, ({ text, type, value }) => {
        // The message with the value is the last in the text; one in front of it makes the value's the first.
        const schema = text.replace('\n', `\nmessage Top { ${type} it = 1; }\n`)
        const stored = encoded(schema, JSON.stringify({ it: value }))
        expect(JSON.parse(codecOf(schema).decode(stored))).toEqual({ it: value })
        const Top = protobuf.parse(schema, { keepCase: true }).root.lookupType('Top')
        expect(Buffer.from(Top.encode(Top.decode(stored.subarray(1))).finish())).toEqual(stored.subarray(1))
      }),
    )
  })

  const all = proto3(`message M {
    int32 i = 1; int64 l = 2; uint64 u = 3; sint32 s = 4; float f = 5; double d = 6; bool b = 7; string t = 8;
    bytes y = 9; E e = 10; repeated int32 r = 11; map<int64, string> m = 12; N n = 13; optional int32 o = 14;
    oneof one { int32 a = 15; string c = 16; } string snake_case_name = 17; string j = 18 [json_name = "other"];
  } enum E { ZERO = 0; ONE = 1; } message N { int32 x = 1; }`)

  test('§9 45: defaults are shown; unset messages, optional fields and oneofs are not', () => {
    expect(roundTrip(all, '{}')).toBe(
      '{"i":0,"l":"0","u":"0","s":0,"f":0.0,"d":0.0,"b":false,"t":"","y":"","e":"ZERO","r":[],"m":{},' +
        '"snakeCaseName":"","other":""}',
    )
    expect(encoded(all, '{}')).toEqual(Buffer.of(0))
  })

  test('what has presence is shown when it is set to its default', () => {
    const shown = roundTrip(all, '{"n":{},"o":0,"a":0}')
    expect(shown).toContain('"n":{"x":0},"o":0,"a":0')
  })

  test.each([
    ['{"l":"9223372036854775807"}', '"l":"9223372036854775807"'],
    ['{"l":-9223372036854775808}', '"l":"-9223372036854775808"'],
    ['{"u":18446744073709551615}', '"u":"18446744073709551615"'],
    ['{"i":"-2147483648"}', '"i":-2147483648'],
    ['{"i":1.0}', '"i":1'],
    ['{"i":"1e2"}', '"i":100'],
    ['{"s":-1}', '"s":-1'],
    ['{"f":1.1}', '"f":1.1'],
    ['{"d":"NaN"}', '"d":"NaN"'],
    ['{"d":"-Infinity"}', '"d":"-Infinity"'],
    ['{"d":-0.0}', '"d":-0.0'],
    ['{"y":"_-8"}', '"y":"/+8="'],
    ['{"e":"ONE"}', '"e":"ONE"'],
    ['{"e":1}', '"e":"ONE"'],
    ['{"e":7}', '"e":7'],
    ['{"e":"1"}', '"e":"ONE"'],
    ['{"e":1.0}', '"e":"ONE"'],
    ['{"r":[1,-1,"3"]}', '"r":[1,-1,3]'],
    ['{"m":{"-5":"x"}}', '"m":{"-5":"x"}'],
    ['{"snake_case_name":"x"}', '"snakeCaseName":"x"'],
    ['{"snakeCaseName":"x"}', '"snakeCaseName":"x"'],
    ['{"j":"x"}', '"other":"x"'],
    ['{"i":null,"n":null,"a":null,"c":"x"}', '"c":"x"'],
  ])('%s is shown as %s', (text, part) => {
    expect(roundTrip(all, text)).toContain(part)
  })

  test.each([
    ['{"%s":1}', 'Cannot find field: %'],
    ['{"y":"%s"}', 'Not a bytes value: "%'],
    ['{"e":"%s"}', 'Invalid enum value: "%'],
  ])('an error does not echo a huge value: %s', (text, start) => {
    expect(() => encoded(all, text.replace('%s', '%'.repeat(1_000_000)))).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(new RegExp(`^Bad Request: (?=${start}).{1000}…$`)),
      }),
    )
  })

  test.each([
    ['{"x":1}', 'Cannot find field: x in message p.M'],
    ['{"i":"a"}', 'Not an int32 value: "a"'],
    ['{"i":1.5}', 'Not an int32 value: 1.5'],
    ['{"i":2147483648}', 'Out of range int32 value: 2147483648'],
    ['{"u":-1}', 'Out of range uint64 value: -1'],
    ['{"l":9223372036854775808}', 'Out of range int64 value: 9223372036854775808'],
    ['{"f":1e39}', 'Out of range float value: 1e+39'],
    ['{"d":1e400}', 'Out of range double value: null'],
    ['{"b":1}', 'Invalid bool value: 1'],
    ['{"t":1}', 'Not a string value: 1'],
    ['{"y":"%"}', 'Not a bytes value: "%"'],
    ['{"e":"TWO"}', 'Invalid enum value: "TWO" for enum type: p.E'],
    ['{"e":"2147483648"}', 'Invalid enum value: "2147483648" for enum type: p.E'],
    ['{"e":1.5}', 'Invalid enum value: 1.5 for enum type: p.E'],
    ['{"e":true}', 'Invalid enum value: true for enum type: p.E'],
    ['{"e":"toString"}', 'Invalid enum value: "toString" for enum type: p.E'],
    ['{"r":1}', 'Expected an array for r but found 1'],
    ['{"r":[null]}', 'Repeated field elements cannot be null in field: p.M.r'],
    ['{"m":[]}', 'Expect a map object but found: […]'],
    ['{"m":{"1":null}}', 'Map value cannot be null.'],
    ['{"m":{"a":"x"}}', 'Not an int64 value: "a"'],
    ['{"n":1}', 'Expect message object but got: 1'],
    [
      '{"a":1,"c":"x"}',
      'Cannot set field p.M.a because another field p.M.c belonging to the same oneof has already been set',
    ],
    ['{"snakeCaseName":"x","snake_case_name":"y"}', 'Field p.M.snake_case_name has already been set.'],
    ['[]', 'Expect message object but got: […]'],
  ])('%s is refused', (text, detail) => {
    expect(() => encoded(all, text)).toThrow(badRequest(detail))
  })

  test('null at the top is refused', () => {
    expect(() => codecOf(all).encode(null)).toThrow(badRequest('Expect message object but got: null'))
  })

  test('a message of more than 127 bytes has a longer length', () => {
    const schema = proto3('message M { N n = 1; } message N { string t = 1; }')
    for (const length of [120, 124, 125, 126, 127, 128, 1010, 1020, 1022, 16_380, 16_384, 70_000]) {
      const text = JSON.stringify({ n: { t: 'x'.repeat(length) } })
      expect(roundTrip(schema, text)).toBe(text)
    }
  })
})

describe('proto2', () => {
  const schema = `syntax = "proto2"; message M { required int32 a = 1; optional string s = 2 [default = "x"];
    repeated int32 r = 3; repeated int32 p = 4 [packed = true]; optional group G = 5 { optional int32 x = 1; }
    extensions 100 to 200; } extend M { optional int32 ext = 100; }`

  test('required fields, groups, and presence everywhere', () => {
    expect(roundTrip(schema, '{"a":0,"r":[1,2],"p":[1,2],"g":{"x":3}}')).toBe(
      '{"a":0,"r":[1,2],"p":[1,2],"g":{"x":3}}',
    )
    expect(encoded(schema, '{"a":0,"r":[1,2],"p":[1,2],"g":{"x":3}}')).toEqual(
      bytes(8, 0, 24, 1, 24, 2, 34, 2, 1, 2, 43, 8, 3, 44),
    )
    expect(() => encoded(schema, '{"s":"y"}')).toThrow(badRequest('Message missing required fields: a'))
  })

  test('of an enum only its own numbers are written', () => {
    const closed = 'syntax = "proto2"; message M { optional E e = 1; } enum E { A = 0; B = 1; }'
    expect(roundTrip(closed, '{"e":"1"}')).toBe('{"e":"B"}')
    expect(() => encoded(closed, '{"e":7}')).toThrow(badRequest('Invalid enum value: 7 for enum type: E'))
  })

  test('extensions are passed over', () => {
    expect(codecOf(schema).decode(bytes(8, 1, 160, 6, 5))).toBe('{"a":1,"r":[],"p":[]}')
  })
})

describe('Protobuf well-known types', () => {
  const imports = ['timestamp', 'duration', 'wrappers', 'struct', 'any', 'field_mask', 'empty']
    .map(name => `import "google/protobuf/${name}.proto";`)
    .join('\n')
  const schema = (type: string) =>
    `syntax = "proto3"; package p; ${imports} message M { google.protobuf.${type} v = 1; } message N { int32 x = 1; }`

  test.each([
    ['Timestamp', '"2024-02-29T12:00:00Z"'],
    ['Timestamp', '"2024-03-01T00:30:00.5+01:00"', '"2024-02-29T23:30:00.500Z"'],
    ['Timestamp', '"1969-12-31T23:59:59.5Z"', '"1969-12-31T23:59:59.500Z"'],
    ['Timestamp', '"2024-01-01T00:00:00.000001+02:00"', '"2023-12-31T22:00:00.000001Z"'],
    ['Timestamp', '"9999-12-31T23:59:59.999999999Z"'],
    ['Timestamp', '"0001-01-01T00:00:00Z"'],
    ['Duration', '"1.500s"'],
    ['Duration', '"-0.000000001s"'],
    ['Duration', '"-315576000000s"'],
    ['Int64Value', '"-5"'],
    ['BoolValue', 'false'],
    ['StringValue', '"x"'],
    ['DoubleValue', '1.5'],
    ['BytesValue', '"AQ=="'],
    ['Struct', '{"a":1.0,"b":[true,null,"x",{"c":{}}]}'],
    ['ListValue', '[1.0,[]]'],
    ['Value', 'null'],
    ['Value', '{"a":[false]}'],
    ['NullValue', 'null'],
    ['FieldMask', '"a.bC,d"'],
    ['Empty', '{}'],
    ['Any', '{"@type":"type.googleapis.com/p.N","x":5}'],
    ['Any', '{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"}'],
    ['Any', '{}'],
  ])('%s %s', (type, value, shown = value) => {
    expect(roundTrip(schema(type), `{"v":${value}}`)).toBe(`{"v":${shown}}`)
  })

  test.each([
    ['Timestamp', '"yesterday"', 'Failed to parse timestamp: "yesterday"'],
    ['Timestamp', '"10000-01-01T00:00:00Z"', 'Failed to parse timestamp: "10000-01-01T00:00:00Z"'],
    ['Timestamp', '"2023-02-29T00:00:00Z"', 'Failed to parse timestamp: "2023-02-29T00:00:00Z"'],
    ['Timestamp', '"2023-01-01T24:00:00Z"', 'Failed to parse timestamp: "2023-01-01T24:00:00Z"'],
    ['Duration', '"1"', 'Failed to parse duration: "1"'],
    ['Any', '{"x":1}', 'Missing type url when parsing: {…}'],
    ['Any', '{"@type":"a/b.C"}', 'Cannot resolve type: a/b.C'],
    ['Any', '{"@type":"a/p.N","y":1}', 'Cannot find field: y in message p.N'],
    ['Struct', '[]', 'Expect a Struct but got: […]'],
  ])('%s refuses %s', (type, value, detail) => {
    expect(() => encoded(schema(type), `{"v":${value}}`)).toThrow(badRequest(detail))
  })

  test('what cannot be shown as JSON is told apart from what cannot be decoded', () => {
    const beyond = bytes(10, 8, 8, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01)
    expect(() => codecOf(schema('Timestamp')).decode(beyond)).toThrow(UnrenderableRecord)
    expect(() => codecOf(schema('Timestamp')).decode(beyond)).toThrow('Failed to convert Protobuf to JSON: ')
    expect(() => codecOf(schema('Any')).decode(bytes(10, 5, 10, 3, 0x61, 0x2f, 0x62))).toThrow(
      UnrenderableRecord,
    )
  })
})

describe('Protobuf schemas', () => {
  test('a well-known type that the schema brings itself must be the real one', () => {
    const own = (body: string) => `syntax = "proto3"; package google.protobuf; ${body}`
    const text = '"2024-01-02T03:04:05Z"'
    expect(roundTrip(own('message Timestamp { int64 seconds = 1; int32 nanos = 2; }'), text)).toBe(text)
    for (const body of [
      'message Struct { string a = 1; string key = 2; }',
      'message ListValue {}',
      'message StringValue { int32 value = 1; }',
      'message Timestamp { int64 seconds = 2; int32 nanos = 1; }',
      'message FieldMask { string paths = 1; }',
    ])
      expect(() => codecOf(own(body))).toThrow(/has other fields than the well-known type$/)
  })

  test('imports by references, under any name that the text uses', () => {
    const codec = codecOf('syntax = "proto3"; import "x/money.proto"; message Order { m.Money price = 1; }', {
      'x/money.proto': 'syntax = "proto3"; package m; message Money { int64 cents = 1; }',
    })
    const text = '{"price":{"cents":"5"}}'
    expect(codec.decode(Buffer.from(codec.encode({ value: JSON.parse(text), text }) ?? []))).toBe(text)
    expect(codec.recordName).toBe('Order')
  })

  test('the first message of the schema itself is written, whatever its references hold', () => {
    const references = { 'a.proto': 'syntax = "proto3"; package p; message A { int32 a = 1; }' }
    const codec = codecOf(proto3('import "a.proto"; message B { A a = 1; } message C {}'), references)
    expect(codec.recordName).toBe('p.B')
  })

  test('message indexes name nested messages, in the order of the text', () => {
    const schema = proto3(
      'message A { message X { int32 x = 1; } message Y { int32 y = 1; } } message B { int32 b = 1; }',
    )
    const codec = codecOf(schema)
    expect(codec.decode(Buffer.of(2, 2, 8, 1))).toBe('{"b":1}')
    expect(codec.decode(Buffer.of(4, 0, 2, 8, 1))).toBe('{"y":1}')
    expect(codec.decode(Buffer.of(2, 0))).toBe('{}')
    for (const foreign of [
      Buffer.of(2, 4),
      Buffer.of(4, 2, 0),
      Buffer.of(1),
      Buffer.of(0xff),
      Buffer.alloc(0),
      Buffer.of(2, 1),
    ]) {
      expect(() => codec.decode(foreign)).toThrow(UndecodableRecord)
    }
  })

  test('a base64 file descriptor is the same schema', () => {
    const text = proto3(
      'message M { map<string, N> m = 1; optional int32 o = 2; E e = 3; } message N { int32 some_name = 1; } enum E { A = 0; B = 1; }',
    )
    const root = protobuf.parse(text, { keepCase: true }).root.resolveAll() as protobuf.Root
    const [file] = root.toDescriptor('proto3').file
    const { FileDescriptorProto } = descriptorTypes
    const base64 = Buffer.from(FileDescriptorProto.encode(file ?? {}).finish()).toString('base64')
    const json = '{"m":{"k":{"someName":1}},"o":0,"e":"B"}'
    expect(roundTrip(base64, json)).toBe(json)
    expect(encoded(base64, json)).toEqual(encoded(text, json))
    const user = 'syntax = "proto3"; import "m.proto"; message U { p.N n = 1; }'
    expect(roundTrip(user, '{"n":{"someName":2}}', { 'm.proto': base64 })).toBe('{"n":{"someName":2}}')
  })

  test('what Confluent’s clients know needs no reference, and one that is there does no harm', () => {
    const schema = proto3(`import "confluent/type/decimal.proto"; import "google/type/money.proto";
      import "google/type/datetime.proto"; import "google/type/month.proto"; import "google/protobuf/duration.proto";
      message M { confluent.type.Decimal price = 1; google.type.Money money = 2; google.type.DateTime at = 3;
        google.type.Month month = 4; google.protobuf.Duration wait = 5; }`)
    const json =
      '{"price":{"value":"AQ==","precision":5,"scale":2},"money":{"currencyCode":"EUR","units":"7","nanos":0},' +
      '"at":{"year":2024,"month":2,"day":29,"hours":0,"minutes":0,"seconds":0,"nanos":0,"utcOffset":"3600s"},' +
      '"month":"MAY","wait":"1s"}'
    expect(roundTrip(schema, json)).toBe(json)
    const money = 'syntax = "proto3"; package google.type; message Money { string currency_code = 1; }'
    expect(roundTrip(schema, json, { 'google/type/money.proto': money })).toBe(json)
  })

  test.each(Object.keys(knownFiles))('%s can be imported', name => {
    expect(roundTrip(proto3(`import "${name}"; message M { int32 a = 1; }`), '{"a":1}')).toBe('{"a":1}')
  })

  test('custom options and their imports mean nothing here', () => {
    const schema = proto3(`import "google/protobuf/descriptor.proto"; import "confluent/meta.proto";
      extend google.protobuf.FieldOptions { string doc = 50000; }
      message M { int32 a = 1 [(doc) = "x", (confluent.field_meta) = { doc: "y" }]; }`)
    expect(roundTrip(schema, '{"a":1}')).toBe('{"a":1}')
  })

  test.each([
    'message {',
    'foo',
    '',
    'Zm9v',
    proto3('enum E { A = 0; }'),
    proto3('message M { N n = 1; }'),
    proto3('message M { int32 a = 1; int32 b = 1; }'),
    proto3('import "missing.proto"; message M { missing.N n = 1; }'),
  ])('%s is refused', text => {
    expect(() => codecOf(text)).toThrow(SchemaRefused)
  })
})

describe('Protobuf bytes that are not what they seem', () => {
  const schema = proto3(
    'message M { M m = 1; string s = 2; repeated M r = 3; int32 i = 4; map<string, M> p = 5; }',
  )
  const codec = codecOf(schema)

  test.each([
    [bytes(0)],
    [bytes(18, 5, 65)],
    [bytes(18)],
    [bytes(8)],
    [bytes(32, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1)],
    [bytes(36)],
    [bytes(35, 44)],
    [bytes(35)],
    [bytes(39)],
    [bytes(18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)],
  ])('%j is undecodable', foreign => {
    expect(() => codec.decode(foreign)).toThrow(UndecodableRecord)
  })

  test('unknown fields and foreign wire types are passed over', () => {
    expect(
      codec.decode(bytes(32, 7, 33, 1, 2, 3, 4, 5, 6, 7, 8, 0xfb, 1, 8, 1, 0xfc, 1, 0xfd, 1, 1, 2, 3, 4)),
    ).toBe('{"s":"","r":[],"i":7,"p":{}}')
  })

  test('parts of one message are merged, the last of a scalar counts', () => {
    expect(codec.decode(bytes(10, 2, 32, 1, 10, 3, 18, 1, 65, 32, 1, 32, 2))).toBe(
      '{"m":{"s":"A","r":[],"i":1,"p":{}},"s":"","r":[],"i":2,"p":{}}',
    )
  })

  test('repeated numbers are read packed and not packed', () => {
    const packed = codecOf(proto3('message M { repeated sint32 r = 1; }'))
    expect(packed.decode(bytes(10, 2, 1, 2, 8, 3))).toBe('{"r":[-1,1,-2]}')
  })

  test('of a oneof the last counts, however often it changes', () => {
    const either = codecOf(
      proto3('message M { oneof o { int32 a = 1; string b = 2; M c = 3; } oneof p { int32 d = 4; } }'),
    )
    expect(either.decode(bytes(8, 1, 18, 1, 65, 32, 5))).toBe('{"b":"A","d":5}')
    expect(either.decode(bytes(18, 1, 65, 26, 0, 8, 1, 8, 2))).toBe('{"a":2}')
    expect(either.decode(bytes(8, 1, 26, 2, 8, 7))).toBe('{"c":{"a":7}}')
  })

  test('a small value of a wide message is not held against each field', () => {
    const fields = Array.from({ length: 500 }, (_, index) => `optional int32 f${index} = ${index + 1};`)
    const wide = codecOf(proto3(`message M { repeated N r = 1; } message N { ${fields.join(' ')} }`))
    let looks = 0
    const look = () => {
      looks++
      return undefined
    }
    const empty = new Proxy({}, { has: () => look() ?? false, get: look, getOwnPropertyDescriptor: look })
    expect(wide.encode({ value: { r: [empty, empty] }, text: '{"r":[{},{}]}' })).toEqual(bytes(10, 0, 10, 0))
    expect(looks).toBeLessThan(10)
  })

  test.each([
    ['groups in each other', (inner: Buffer) => Buffer.concat([Buffer.of(0x0b), inner, Buffer.of(0x0c)])],
    ['messages in two parts', (inner: Buffer) => Buffer.concat([bytesField(inner), Buffer.of(10, 0)])],
  ])('what is read once for each level is bounded: %s', (_, wrapped) => {
    let deep: Buffer = Buffer.concat(new Array(500_000).fill(Buffer.of(0x20, 1)))
    for (let level = 0; level < 20; level++) deep = wrapped(deep)
    expect(() => codec.decode(Buffer.concat([bytes(), deep]))).toThrow('the record nests too large groups')
    expect(codec.decode(Buffer.concat([bytes(), wrapped(wrapped(Buffer.of(0x20, 1)))]))).toContain('"i":1')
  })

  test('nesting is bounded', () => {
    let deep: Buffer = Buffer.alloc(0)
    for (let level = 0; level < 600; level++) deep = bytesField(deep)
    expect(() => codec.decode(Buffer.concat([bytes(), deep]))).toThrow(UndecodableRecord)
    expect(() => codec.decode(bytes(...new Array(5000).fill(0x33)))).toThrow(UndecodableRecord)
  })

  test('strings of proto3 are UTF-8; in those of proto2 other bytes are shown as U+FFFD', () => {
    const stored = bytes(10, 1, 0xff)
    expect(() => codecOf(proto3('message M { string a = 1; }')).decode(stored)).toThrow(UndecodableRecord)
    expect(() =>
      codecOf(proto3('message M { map<string, int32> a = 1; }')).decode(bytes(10, 3, ...stored.subarray(1))),
    ).toThrow(UndecodableRecord)
    const proto2 = 'syntax = "proto2"; message M { optional string a = 1; }'
    expect(codecOf(proto2).decode(stored)).toBe('{"a":"\ufffd"}')
    // The character itself is as good as any.
    expect(roundTrip(proto3('message M { string a = 1; }'), '{"a":"\ufffd"}')).toBe('{"a":"\ufffd"}')
  })

  test('names of an enum are charged, also those that no byte stands for', () => {
    const name = 'S'.repeat(100_000)
    const schema = (field: string) => proto3(`message M { ${field} e = 1; } enum E { ${name} = 0; }`)
    const packed = bytesField(Buffer.alloc(1000))
    const entries = Buffer.concat(
      Array.from({ length: 1000 }, (_, key) => bytesField(Buffer.of(8, key & 127))),
    )
    for (const [field, value] of [
      ['repeated E', packed],
      ['map<int32, E>', entries],
    ] as const)
      expect(() => codecOf(schema(field)).decode(Buffer.concat([bytes(), value]))).toThrow(UnrenderableRecord)
    expect(codecOf(schema('repeated E')).decode(Buffer.concat([bytes(), bytesField(Buffer.alloc(2))]))).toBe(
      `{"e":["${name}","${name}"]}`,
    )
  })

  test('a record of many small messages does not fill the memory with their defaults', () => {
    const fields = Array.from({ length: 1000 }, (_, index) => `int32 field_number_${index} = ${index + 2};`)
    const wide = codecOf(proto3(`message M { repeated M r = 1; ${fields.join(' ')} }`))
    const many = Buffer.concat(new Array(100_000).fill(Buffer.of(10, 0)))
    expect(() => wide.decode(Buffer.concat([bytes(), many]))).toThrow(UnrenderableRecord)
  })

  test('a schema nested without end is refused, not a stack overflow', () => {
    expect(() => codecOf(proto3(`${'message A { '.repeat(50_000)}${'}'.repeat(50_000)}`))).toThrow(
      SchemaRefused,
    )
  })
})
