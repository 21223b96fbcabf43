import { afterAll, expect, test } from 'vitest'
import type { SchemaType } from './format.ts'
import { createSchemaCompilers } from './schema-compilers.ts'
import { defaultSchemaLimits } from './schema-limits.ts'

// What every object inherits must be names like any other, and stay as it is.

const inherited = () =>
  [Object.prototype, Function.prototype, Array.prototype].map(Object.getOwnPropertyNames)
const before = inherited()
afterAll(() => expect(inherited()).toEqual(before))

const compilers = createSchemaCompilers(defaultSchemaLimits)

test.each<[SchemaType, string, string]>([
  [
    'AVRO',
    '{"type":"record","name":"__proto__","fields":[{"name":"__proto__","type":"int"},{"name":"constructor","type":"int"}]}',
    '{"__proto__":1,"constructor":2}',
  ],
  ['AVRO', '{"type":"map","values":"int"}', '{"__proto__":1,"toString":2}'],
  ['AVRO', '["null",{"type":"enum","name":"E","symbols":["valueOf"]}]', '{"E":"valueOf"}'],
  [
    'PROTOBUF',
    'syntax = "proto3"; package constructor.prototype; message toString { int32 hasOwnProperty = 1; map<string, int32> m = 2; }',
    '{"hasOwnProperty":1,"m":{"__proto__":1}}',
  ],
  [
    'PROTOBUF',
    'syntax = "proto3"; option (x).__proto__.polluted = "x"; message M { int32 a = 1 [(o) = { __proto__: { polluted: 1 } }]; }',
    '{"a":1}',
  ],
  [
    'JSON',
    '{"properties":{"__proto__":{"type":"integer"},"constructor":{"type":"integer"}}}',
    '{"__proto__":1}',
  ],
  ['JSON', '{"__proto__":{"polluted":1},"required":["__proto__"]}', '{"__proto__":1}'],
  ['JSON', '{"properties":{"a\'b\\"`$\\n":{"type":"integer"}}}', '{"a\'b\\"`$\\n":1}'],
])('%s %s', (type, text, json) => {
  const codec = compilers[type].compile({ text, references: [] })
  codec.prepareEncode()
  const bytes = Buffer.from(codec.encode({ value: JSON.parse(json), text: json }) ?? [])
  const shown = codec.decode(bytes)
  // A union at the top is shown without its tag.
  expect(shown).toBe(text.startsWith('[') ? '"valueOf"' : json)
})
