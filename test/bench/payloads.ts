import { mediaTypes } from '../../shared/rest/media-type.ts'

/** The formats that are measured. All of them write the same record. */
export const benchFormats = ['json', 'binary', 'avro', 'jsonschema', 'protobuf'] as const
export type BenchFormat = (typeof benchFormats)[number]

/** Bytes of a record's JSON text; binary records are exactly these bytes. */
export const RECORD_BYTES = 100

/** The schema of the record in each format that has schemas. */
const schemas: Readonly<Partial<Record<BenchFormat, string>>> = {
  avro: JSON.stringify({
    type: 'record',
    name: 'Reading',
    fields: [
      { name: 'id', type: 'long' },
      { name: 'sensor', type: 'string' },
      { name: 'celsius', type: 'double' },
      { name: 'valid', type: 'boolean' },
      { name: 'note', type: 'string' },
    ],
  }),
  jsonschema: JSON.stringify({
    $schema: 'http://json-schema.org/draft-07/schema#',
    type: 'object',
    properties: {
      id: { type: 'integer' },
      sensor: { type: 'string' },
      celsius: { type: 'number' },
      valid: { type: 'boolean' },
      note: { type: 'string' },
    },
    required: ['id', 'sensor', 'celsius', 'valid', 'note'],
  }),
  protobuf: `syntax = "proto3";
message Reading { int64 id = 1; string sensor = 2; double celsius = 3; bool valid = 4; string note = 5; }`,
}

/** The JSON text of record `index`: `RECORD_BYTES` long. */
export function recordText(index: number): string {
  const id = 1_000_000 + (index % 1_000_000)
  const head = `{"id":${id},"sensor":"s-${id % 89}","celsius":21.5,"valid":true,"note":"`
  return `${head}${'x'.repeat(RECORD_BYTES - head.length - 2)}"}`
}

/** The body of a produce request of `count` records without keys. @param schemaId of the formats with schemas. */
export function produceBody(format: BenchFormat, count: number, schemaId: number | undefined): string {
  const records = Array.from({ length: count }, (_, index) => {
    const text = recordText(index)
    return `{"value":${format === 'binary' ? `"${Buffer.from(text).toString('base64')}"` : text}}`
  })
  const schema = schemaId === undefined ? '' : `"value_schema_id":${schemaId},`
  return `{${schema}"records":[${records.join(',')}]}`
}

/** The first request of a format with schemas: it names the schema and brings its id; undefined for others. */
export function registeringBody(format: BenchFormat): string | undefined {
  const schema = schemas[format]
  if (schema === undefined) return undefined
  return `{"value_schema":${JSON.stringify(schema)},"records":[{"value":${recordText(0)}}]}`
}

/** The Content-Type of a format's records. */
export const recordType = (format: BenchFormat): string => mediaTypes[format]
