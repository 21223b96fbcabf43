/** One schema of each kind with a value that fits, as contract v2 §6 has them; used by the tests of whole nodes. */
export interface SchemaSample {
  readonly format: 'avro' | 'jsonschema' | 'protobuf'
  /** What error texts call the format. */
  readonly word: string
  readonly schema: string
  readonly value: unknown
  /** A value that does not fit, and how the refusal begins. */
  readonly bad: unknown
  readonly badText: string
  /** The refusal of a null. */
  readonly nullText: string
  /** Text that is no schema. */
  readonly noSchema: string
  /** The stored bytes of `value` after magic byte and id. */
  readonly payload: Buffer
}

export const schemaSamples: readonly SchemaSample[] = [
  {
    format: 'avro',
    word: 'AVRO',
    schema:
      '{"type":"record","name":"R","fields":[{"name":"a","type":"long"},{"name":"b","type":["null","string"]}]}',
    value: { a: 5, b: { string: 'x' } },
    bad: { a: 'x', b: null },
    badText: 'Bad Request: Expected long. Got VALUE_STRING',
    nullText: 'Bad Request: Expected record-start. Got VALUE_NULL',
    noSchema: '{foo',
    payload: Buffer.of(10, 2, 2, 0x78),
  },
  {
    format: 'jsonschema',
    word: 'JSONSCHEMA',
    schema:
      '{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"a":{"type":"integer"}}}',
    value: { a: 5, b: 'x' },
    bad: { a: 'x' },
    badText: 'Bad Request: #/a: expected type: Integer, found: String',
    nullText: 'Bad Request: #: expected type: JSONObject, found: null',
    noSchema: '{"type":"foo"}',
    payload: Buffer.from('{"a":5,"b":"x"}'),
  },
  {
    format: 'protobuf',
    word: 'PROTOBUF',
    schema: 'syntax = "proto3"; message M { int32 a = 1; string b = 2; }',
    value: { a: 5, b: 'x' },
    bad: { c: 1 },
    badText: 'Bad Request: Cannot find field: c in message M',
    nullText: 'Bad Request: Expect message object but got: null',
    noSchema: 'message {',
    payload: Buffer.of(0, 8, 5, 18, 1, 0x78),
  },
]
