/** What is written by Confluent's serializers and by the proxy, and read by the other. */
export interface InteropCase {
  readonly name: string
  readonly format: 'avro' | 'jsonschema' | 'protobuf'
  readonly schema: string
  readonly references?: readonly { readonly name: string; readonly schema: string }[]
  /** Full name of the Protobuf message, the first of the schema unless `index` says else. */
  readonly message?: string
  /** The next version of the schema of the case before, in the same topic: both are read together. */
  readonly evolved?: boolean
  /** The message is not the schema's first: the proxy reads it, and writes only the first. */
  readonly readOnly?: boolean
  /** The value for Confluent's client, as interop.py takes it. */
  readonly theirs: unknown
  /** The value in the proxy's JSON, as it is produced; and as it is shown, where that differs. */
  readonly ours: unknown
  readonly shown?: unknown
}

const bytes = (text: string) => ({ $bytes: Buffer.from(text, 'latin1').toString('base64') })
const json = JSON.stringify
const draft7 = 'http://json-schema.org/draft-07/schema#'

const avroEverything = json({
  type: 'record',
  name: 'Everything',
  namespace: 'n',
  fields: [
    { name: 'nothing', type: 'null' },
    { name: 'yes', type: 'boolean' },
    { name: 'int', type: 'int' },
    { name: 'long', type: 'long' },
    { name: 'float', type: 'float' },
    { name: 'double', type: 'double' },
    { name: 'bytes', type: 'bytes' },
    { name: 'text', type: 'string' },
    { name: 'enum', type: { type: 'enum', name: 'E', symbols: ['A', 'B'] } },
    { name: 'fixed', type: { type: 'fixed', name: 'F', size: 3 } },
    { name: 'array', type: { type: 'array', items: 'long' } },
    { name: 'map', type: { type: 'map', values: 'string' } },
    { name: 'some', type: ['null', 'string', 'long'] },
    { name: 'none', type: ['null', 'n.Everything'] },
    { name: 'defaulted', type: 'int', default: 7 },
  ],
})

const everything = {
  nothing: null,
  yes: true,
  int: -2147483648,
  long: -9007199254740991,
  float: 0.5,
  double: -1e300,
  text: 'é𝄞\u0000"',
  enum: 'B',
  array: [1, -64, 64, 8191, -8192, 2 ** 40],
  map: { k: 'v' },
  none: null,
  defaulted: 0,
}

const protoEverything = `syntax = "proto3";
package p;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/struct.proto";
message Everything {
  int32 int = 1; sint32 zigzag = 2; uint32 unsigned = 3; fixed32 fixed = 4; sfixed32 sfixed = 5;
  int64 long = 6; sint64 long_zigzag = 7; uint64 long_unsigned = 8; fixed64 long_fixed = 9; sfixed64 long_sfixed = 10;
  float float = 11; double double = 12; bool yes = 13; string text = 14; bytes bytes = 15;
  Color color = 16; repeated int32 packed = 17; repeated string texts = 18; map<string, Inner> map = 19;
  Inner inner = 20; optional int32 maybe = 21; optional string not_set = 22;
  oneof choice { string a = 23; int32 b = 24; }
  google.protobuf.Timestamp time = 25; google.protobuf.Int64Value wrapped = 26; google.protobuf.Struct struct = 27;
  int32 renamed = 28 [json_name = "another_name"]; Everything self = 300;
  enum Color { RED = 0; GREEN = 1; }
  message Inner { int32 x = 1; }
}
message Second { message Deep { string s = 1; } int32 n = 1; }
`

const protoValue = {
  int: -1,
  zigzag: -2,
  unsigned: 4294967295,
  fixed: 4294967295,
  sfixed: -5,
  long: '-9223372036854775808',
  longZigzag: '-7',
  longUnsigned: '18446744073709551615',
  longFixed: '9',
  longSfixed: '-10',
  float: 1.5,
  double: -2.25,
  yes: true,
  text: 'é𝄞',
  bytes: '/+8=',
  color: 'GREEN',
  packed: [1, -1, 300],
  texts: ['', 'x'],
  map: { k: { x: 1 } },
  inner: { x: 0 },
  maybe: 0,
  b: 0,
  time: '2024-02-29T12:00:00.500Z',
  wrapped: '5',
  struct: { a: [1.0, null, 'x', true] },
  another_name: 3,
}

export const interopCases: readonly InteropCase[] = [
  {
    name: 'a record of every type',
    format: 'avro',
    schema: avroEverything,
    theirs: { ...everything, bytes: bytes('\u0000ÿ'), fixed: bytes('abc'), some: 'x' },
    ours: { ...everything, bytes: '\u0000ÿ', fixed: 'abc', some: { string: 'x' } },
  },
  { name: 'a string', format: 'avro', schema: '{"type":"string"}', theirs: 'é', ours: 'é' },
  { name: 'a long', format: 'avro', schema: '{"type":"long"}', theirs: 2 ** 52, ours: 2 ** 52 },
  {
    name: 'references',
    format: 'avro',
    references: [
      { name: 'm.Currency', schema: '{"type":"enum","name":"m.Currency","symbols":["EUR"]}' },
      {
        name: 'm.Money',
        schema: json({
          type: 'record',
          name: 'm.Money',
          fields: [
            { name: 'cents', type: 'long' },
            { name: 'currency', type: 'm.Currency' },
          ],
        }),
      },
    ],
    schema: json({ type: 'record', name: 'Order', fields: [{ name: 'price', type: 'm.Money' }] }),
    theirs: { price: { cents: 5, currency: 'EUR' } },
    ours: { price: { cents: 5, currency: 'EUR' } },
  },
  {
    name: 'an evolved record, first version',
    format: 'avro',
    schema: json({ type: 'record', name: 'V', fields: [{ name: 'a', type: 'int' }] }),
    theirs: { a: 1 },
    ours: { a: 1 },
  },
  {
    name: 'an evolved record, second version',
    format: 'avro',
    schema: json({
      type: 'record',
      name: 'V',
      fields: [
        { name: 'a', type: 'int' },
        { name: 'b', type: ['null', 'string'], default: null },
      ],
    }),
    evolved: true,
    theirs: { a: 2, b: 'x' },
    ours: { a: 2, b: { string: 'x' } },
  },
  {
    name: 'logical types',
    format: 'avro',
    schema: json({
      type: 'record',
      name: 'Logical',
      fields: [
        { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 } },
        {
          name: 'owed',
          type: { type: 'fixed', name: 'D4', size: 4, logicalType: 'decimal', precision: 9, scale: 2 },
        },
        { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
        { name: 'when', type: ['null', { type: 'long', logicalType: 'timestamp-micros' }] },
      ],
    }),
    theirs: {
      price: { $decimal: '12.34' },
      owed: { $decimal: '-0.01' },
      at: { $time: '2024-02-29T12:00:00.500000+00:00' },
      when: { $time: '1969-12-31T23:59:59.999999+00:00' },
    },
    ours: { price: '\u0004Ò', owed: 'ÿÿÿÿ', at: 1709208000500, when: { long: -1 } },
  },
  {
    name: 'an object',
    format: 'jsonschema',
    schema: json({ $schema: draft7, title: 'Thing', type: 'object', properties: { a: { type: 'integer' } } }),
    theirs: { a: 1, b: [1.5, null, 'é', { c: {} }] },
    ours: { a: 1, b: [1.5, null, 'é', { c: {} }] },
  },
  {
    name: 'a number',
    format: 'jsonschema',
    schema: json({ $schema: draft7, title: 'Count', type: 'integer' }),
    theirs: 7,
    ours: 7,
  },
  {
    name: 'references',
    format: 'jsonschema',
    references: [
      {
        name: 'http://example.com/money.json',
        schema: json({ $schema: draft7, type: 'object', required: ['cents'] }),
      },
    ],
    schema: json({
      $schema: draft7,
      $id: 'http://example.com/order.json',
      title: 'Order',
      type: 'object',
      properties: { price: { $ref: 'http://example.com/money.json' } },
    }),
    theirs: { price: { cents: 5 } },
    ours: { price: { cents: 5 } },
  },
  {
    name: 'an evolved schema, first version',
    format: 'jsonschema',
    schema: json({ $schema: draft7, title: 'V', type: 'object', properties: { a: { type: 'integer' } } }),
    theirs: { a: 1 },
    ours: { a: 1 },
  },
  {
    name: 'an evolved schema, second version',
    format: 'jsonschema',
    schema: json({
      $schema: draft7,
      title: 'V',
      type: 'object',
      properties: { a: { type: 'integer' }, b: { type: 'string', default: 'x' } },
    }),
    evolved: true,
    theirs: { a: 2, b: 'y' },
    ours: { a: 2, b: 'y' },
  },
  {
    name: 'an evolved message, first version',
    format: 'protobuf',
    schema: 'syntax = "proto3"; package v; message V { int32 a = 1; }',
    message: 'v.V',
    theirs: { a: 1 },
    ours: { a: 1 },
  },
  {
    name: 'an evolved message, second version',
    format: 'protobuf',
    schema:
      'syntax = "proto3"; package v; message V { int32 a = 1; optional string b = 2; repeated int64 c = 3; }',
    message: 'v.V',
    evolved: true,
    theirs: { a: 2, b: '', c: ['5'] },
    ours: { a: 2, b: '', c: ['5'] },
  },
  {
    name: 'a type that needs no reference',
    format: 'protobuf',
    schema:
      'syntax = "proto3"; import "google/type/money.proto"; message Bill { google.type.Money money = 1; }',
    message: 'Bill',
    theirs: { money: { currencyCode: 'EUR', units: '5', nanos: 0 } },
    ours: { money: { currencyCode: 'EUR', units: '5', nanos: 0 } },
  },
  {
    name: 'a message of every type',
    format: 'protobuf',
    schema: protoEverything,
    message: 'p.Everything',
    theirs: { ...protoValue, self: { yes: true } },
    ours: { ...protoValue, self: { yes: true } },
    shown: { ...protoValue, self: everythingUnset(true) },
  },
  {
    name: 'another message than the first',
    format: 'protobuf',
    schema: protoEverything,
    message: 'p.Second',
    readOnly: true,
    theirs: { n: 5 },
    ours: { n: 5 },
  },
  {
    name: 'a nested message',
    format: 'protobuf',
    schema: protoEverything,
    message: 'p.Second.Deep',
    readOnly: true,
    theirs: { s: 'x' },
    ours: { s: 'x' },
  },
  {
    name: 'references',
    format: 'protobuf',
    references: [
      {
        name: 'interop/money.proto',
        schema: 'syntax = "proto3"; package m; message Money { int64 cents = 1; }',
      },
    ],
    schema: 'syntax = "proto3"; import "interop/money.proto"; message Order { m.Money price = 1; }',
    message: 'Order',
    theirs: { price: { cents: '5' } },
    ours: { price: { cents: '5' } },
  },
]

/** All defaults of Everything, with one field set. */
function everythingUnset(yes: boolean): unknown {
  return {
    int: 0,
    zigzag: 0,
    unsigned: 0,
    fixed: 0,
    sfixed: 0,
    long: '0',
    longZigzag: '0',
    longUnsigned: '0',
    longFixed: '0',
    longSfixed: '0',
    float: 0,
    double: 0,
    yes,
    text: '',
    bytes: '',
    color: 'RED',
    packed: [],
    texts: [],
    map: {},
    another_name: 0,
  }
}
