import {
  avro,
  badJson,
  binary,
  brokenJson,
  type Field,
  harmless,
  invalid,
  json,
  jsonschema,
  noNumber,
  protobuf,
  request,
  tooDeep,
  unknownField,
  wrongFields,
} from './bad-request-parts.ts'
import type { BadRequest, BadRequestSubjects, Expected } from './bad-requests.ts'

/** The formats, by what the original calls their handlers in its texts (contract v2 §3.4). */
const handlers = [
  ['produceBinary', binary],
  ['produceJson', json],
  ['produceAvro', avro],
  ['produceJsonSchema', jsonschema],
  ['produceProtobuf', protobuf],
] as const

const record = (fields: object) => ({ records: [fields] })

const fields: readonly Field[] = [
  { path: 'records', kind: 'list', around: records => ({ records }) },
  { path: 'a record', kind: 'object', around: each => ({ records: [each] }) },
  { path: 'partition', kind: 'int', around: partition => record({ value: null, partition }) },
  { path: 'key_schema', kind: 'string', around: key_schema => ({ records: [{}], key_schema }) },
  { path: 'key_schema_id', kind: 'int', around: key_schema_id => ({ records: [{}], key_schema_id }) },
  { path: 'value_schema', kind: 'string', around: value_schema => ({ records: [{}], value_schema }) },
  { path: 'value_schema_id', kind: 'int', around: value_schema_id => ({ records: [{}], value_schema_id }) },
]

const base64 = (shown: string): Expected => ({
  status: 400,
  code: 400,
  text: `Bad Request: data=${shown} is not a base64 string.`,
})
const badBase64 = (shown: string): Expected => ({
  status: 400,
  code: 400,
  text: `Bad Request: data=${shown} is not a valid base64 string.`,
})

type Row = readonly [name: string, body: string, expected: Expected]

/** What JSON, any format, may not have; sent as the format json. */
const jsonRows: readonly Row[] = [
  ['a record that is null', '{"records":[null]}', badRecord()],
  ['a second record that is null', '{"records":[{},null]}', badRecord()],
  ['headers', '{"records":[{"value":1,"headers":[]}]}', unknownField('headers')],
  ['a timestamp', '{"records":[{"value":1,"timestamp":1}]}', unknownField('timestamp')],
  ['a field beside the records', '{"records":[{}],"topic":"t"}', unknownField('topic')],
  ['a field in other letters', '{"Records":[{}]}', unknownField('Records')],
  ['__proto__ beside the records', '{"records":[{}],"__proto__":{"a":1}}', unknownField('__proto__')],
  ['__proto__ in a record', '{"records":[{"__proto__":{"value":1}}]}', unknownField('__proto__')],
  ['a method of every object as a field', '{"records":[{"toString":1}]}', unknownField('toString')],
  ['constructor as a field', '{"records":[{"constructor":{}}]}', unknownField('constructor')],
  ['an empty field name', '{"":1,"records":[{}]}', unknownField('')],
  ['a field name of control characters', '{"records":[{}],"\\u0000\\u202e":1}', unknownField('\0\u202e')],
  ['a field name that is half a character', '{"records":[{}],"\\ud800":1}', unknownField('\ud800')],
  ['no records but an empty object', '{}', invalid('produceJson.arg2.records must not be empty (was [])')],
  [
    'records that are null',
    '{"records":null}',
    invalid('produceJson.arg2.records must not be empty (was [])'),
  ],
  [
    'an empty list of records',
    '{"records":[]}',
    invalid('produceJson.arg2.records must not be empty (was [])'),
  ],
  [
    'records twice, the last empty',
    '{"records":[{}],"records":[]}',
    invalid('produceJson.arg2.records must not be empty (was [])'),
  ],
  ['a partition below zero', '{"records":[{"partition":-1}]}', partitionBelowZero(0, -1)],
  ['a partition below zero at the end', '{"records":[{},{"partition":-7}]}', partitionBelowZero(1, -7)],
  [
    'a partition below the int range',
    '{"records":[{"partition":-2147483649}]}',
    badJson('Numeric value (-2147483649) out of range of int'),
  ],
  ['a partition of 400 digits', `{"records":[{"partition":${'9'.repeat(400)}}]}`, badJson()],
  ['a partition of 1e400', '{"records":[{"partition":1e400}]}', badJson('Numeric value')],
  ['one record too many', JSON.stringify({ records: Array.from({ length: 501 }, () => ({})) }), tooMany()],
  ['a value nested too deep', `{"records":[{"value":${'['.repeat(63)}${']'.repeat(63)}}]}`, tooDeep],
  [
    'a list as a body',
    '[{"value":1}]',
    badJson('Cannot deserialize value of type `ProduceRequest` from Array value'),
  ],
  [
    'a string as a body',
    '"records"',
    badJson('Cannot deserialize value of type `ProduceRequest` from String value'),
  ],
  [
    'a number as a body',
    '7',
    badJson('Cannot deserialize value of type `ProduceRequest` from Integer value'),
  ],
  [
    'a fraction as a body',
    '7.5',
    badJson('Cannot deserialize value of type `ProduceRequest` from Floating-point value'),
  ],
  ['true as a body', 'true', badJson('Cannot deserialize value of type `ProduceRequest` from Boolean value')],
  [
    '__proto__ within a value',
    '{"records":[{"value":{"__proto__":{"a":1}}}]}',
    harmless(200, '"error":null'),
  ],
  ['half a character within a value', '{"records":[{"value":"\\ud800"}]}', harmless(200, '"error":null')],
  ['the same field twice', '{"records":[{"value":{"a":1,"a":2},"value":3}]}', harmless(200, '"error":null')],
  [
    'a number of 500 digits in a value',
    `{"records":[{"value":${'7'.repeat(500)}}]}`,
    harmless(200, '"error":null'),
  ],
  [
    'a partition that does not exist',
    '{"records":[{"value":1,"partition":9}]}',
    harmless(200, '"error_code":50003'),
  ],
]

function badRecord(): Expected {
  return {
    status: 400,
    code: 400,
    text: 'Cannot construct instance of `ProduceRequest`, problem: at index 0',
  }
}

function partitionBelowZero(index: number, was: number): Expected {
  return invalid(
    `produceJson.arg2.records[${index}].partition must be greater than or equal to 0 (was ${was})`,
  )
}

function tooMany(): Expected {
  return { status: 413, code: 41301, text: 'The request has more than 500 records (request.records.max).' }
}

const binaryRows: readonly Row[] = [
  ['a number as bytes', '{"records":[{"value":123}]}', base64('123')],
  ['an object as bytes', '{"records":[{"value":{"a":1}}]}', base64('{"a":1}')],
  ['a boolean as a key', '{"records":[{"key":false}]}', base64('false')],
  ['a list in the second record', '{"records":[{"value":"QUJD"},{"value":[]}]}', base64('[]')],
  ['no base64 at all', '{"records":[{"value":"%%"}]}', badBase64('"%%"')],
  ['the URL-safe alphabet', '{"records":[{"value":"-_-_"}]}', badBase64('"-_-_"')],
  ['a blank in base64', '{"records":[{"value":"QU JD"}]}', badBase64('"QU JD"')],
  ['a line end in base64', '{"records":[{"value":"QUJD\\n"}]}', badBase64('"QUJD\\n"')],
  ['one character of base64', '{"records":[{"value":"Q"}]}', badBase64('"Q"')],
  ['base64 with = within', '{"records":[{"value":"Q=UJD"}]}', badBase64('"Q=UJD"')],
  ['base64 of bytes beyond ASCII', '{"records":[{"key":"ä==="}]}', badBase64('"ä==="')],
]

const avroRecord = (value: unknown, schema: unknown) =>
  JSON.stringify({ records: [{ value }], value_schema: JSON.stringify(schema) })
const schemaId = (id: number) =>
  `Error serializing message. Error when fetching schema by id. schemaId = ${id}`
const parsing = (format: string, text: string): Expected => ({
  status: 422,
  code: 42205,
  prefix: `Invalid schema: Error when parsing raw schema. format = ${format}, schema = ${text}`,
})
const unfit: Expected = { status: 400, code: 400, prefix: 'Bad Request: ' }

const schemaRows: readonly (readonly [type: string, ...Row])[] = [
  [avro, 'values without a schema', '{"records":[{"value":1}]}', valueSchemaMissing()],
  [avro, 'keys without a schema', '{"records":[{"key":1}]}', keySchemaMissing()],
  [jsonschema, 'values without a schema', '{"records":[{"value":1}]}', valueSchemaMissing()],
  [protobuf, 'keys without a schema', '{"records":[{"key":{}}]}', keySchemaMissing()],
  [avro, 'a schema that is no JSON', '{"records":[{"value":1}],"value_schema":"{"}', parsing('AVRO', '{')],
  [
    avro,
    'a schema of an unknown type',
    '{"records":[{"value":1}],"value_schema":"\\"nope\\""}',
    parsing('AVRO', '"nope"'),
  ],
  [
    jsonschema,
    'a schema that is no JSON',
    '{"records":[{"value":1}],"value_schema":"{"}',
    parsing('JSONSCHEMA', '{'),
  ],
  [
    protobuf,
    'a schema that is none',
    '{"records":[{"value":{}}],"value_schema":"message {"}',
    parsing('PROTOBUF', 'message {'),
  ],
  [
    avro,
    'a schema id that nobody has',
    '{"records":[{"value":1}],"value_schema_id":999999}',
    { status: 422, code: 42207, prefix: schemaId(999_999) },
  ],
  [
    avro,
    'a schema id below zero',
    '{"records":[{"value":1}],"value_schema_id":-1}',
    { status: 422, code: 42207, prefix: schemaId(-1) },
  ],
  [
    avro,
    'a schema and an id',
    '{"records":[{"value":1}],"value_schema":"\\"int\\"","value_schema_id":1}',
    invalid('value_schema_id must be null when value_schema is given'),
  ],
  [avro, 'a string for an int', avroRecord('a', 'int'), unfit],
  [avro, 'an int beyond 32 bits', avroRecord(99_999_999_999, 'int'), unfit],
  [avro, 'an untagged union', avroRecord(1, ['null', 'int']), unfit],
  [avro, 'an unknown symbol', avroRecord('C', { type: 'enum', name: 'E', symbols: ['A'] }), unfit],
]

function valueSchemaMissing(): Expected {
  return { status: 422, code: 42202, text: 'Request includes values but does not include value schema' }
}

function keySchemaMissing(): Expected {
  return { status: 422, code: 42201, text: 'Request includes keys but does not include key schema' }
}

/** Produce requests whose bodies are wrong. Most are sent to the topic, since both paths read one shape. */
export function badProduceBodies({ topic }: BadRequestSubjects): BadRequest[] {
  const toTopic = `/topics/${topic}`
  const toPartition = `${toTopic}/partitions/0`
  const produce = (target: string, type: string, body?: string | Buffer) =>
    request('POST', target, { 'Content-Type': type }, body)
  const row = (name: string, bytes: Buffer, expected: Expected): BadRequest => ({
    name: `produce: ${name}`,
    bytes,
    expected,
  })
  const missing = handlers.flatMap(([handler, type]) => [
    row(
      `${handler} without a body`,
      produce(toTopic, type),
      invalid(`${handler}.arg2 must not be null (was null)`),
    ),
    row(
      `${handler} with null`,
      produce(toPartition, type, 'null'),
      invalid(`${handler}.arg3 must not be null (was null)`),
    ),
    row(
      `${handler} with blanks`,
      produce(toTopic, type, ' \r\n\t'),
      invalid(`${handler}.arg2 must not be null (was null)`),
    ),
    row(
      `${handler} without records`,
      produce(toPartition, type, '{}'),
      invalid(`${handler}.arg3.records must not be empty (was [])`),
    ),
  ])
  const partitions = ['abc', '1.5', '%20', '2147483648'].map(id =>
    row(`to partition ${id}`, produce(`${toTopic}/partitions/${id}`, json, 'broken'), noNumber),
  )
  return [
    ...missing,
    row(
      'without a type is binary',
      request('POST', toTopic, {}, '{}'),
      invalid('produceBinary.arg2.records must not be empty (was [])'),
    ),
    ...partitions,
    row(
      'to partition -1',
      produce(`${toTopic}/partitions/-1`, json, '{"records":[{}]}'),
      invalid('partition must be greater than or equal to 0 (was -1)'),
    ),
    row(
      'to a topic that cannot be',
      produce('/topics/a%20b', json, '{"records":[{"value":1}]}'),
      harmless(200, '"error_code":50002'),
    ),
    row(
      'to a topic of dots',
      produce('/topics/..', json, '{"records":[{"value":1}]}'),
      harmless(200, '"error_code":50002'),
    ),
    ...brokenJson.map(([what, body, expected]) => row(what, produce(toTopic, json, body), expected)),
    ...wrongFields(fields).map(({ what, body, expected }) =>
      row(what, produce(toTopic, json, body), expected),
    ),
    ...jsonRows.map(([what, body, expected]) => row(what, produce(toTopic, json, body), expected)),
    ...binaryRows.map(([what, body, expected]) => row(what, produce(toTopic, binary, body), expected)),
    ...schemaRows.map(([type, what, body, expected]) =>
      row(`${what} (${type.split('.')[2]})`, produce(toTopic, type, body), expected),
    ),
  ]
}
