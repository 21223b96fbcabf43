import { describe, expect, test } from 'vitest'
import { essenceOf, mediaTypes, negotiate, parseMediaType } from './media-type.ts'

const { v2, binary, json, avro, jsonschema, protobuf } = mediaTypes
const metadata = [{ type: v2, weight: 1 }]
const consumer = [
  { type: v2, weight: 0.9 },
  ...[binary, json, avro, jsonschema, protobuf].map(type => ({ type, weight: 0.1 })),
]
const records = [
  { type: binary, weight: 1 },
  { type: v2, weight: 0.9 },
  ...[json, avro, jsonschema, protobuf].map(type => ({ type, weight: 0.1 })),
]

describe('negotiate - contract v2 §1.3, row by row', () => {
  const rows: [string | undefined, string | undefined, string | undefined, string | undefined][] = [
    [undefined, v2, v2, binary],
    ['*/*', v2, v2, binary],
    ['application/*', v2, v2, binary],
    [v2, v2, v2, v2],
    [json, undefined, json, json],
    [`${json}, ${v2}`, v2, v2, v2],
    [`${json}, ${v2};q=0.9, application/json;q=0.8`, v2, json, json],
    [`${json}, application/vnd.kafka+json, application/json`, undefined, json, json],
    [`${json}, */*`, v2, v2, binary],
    [`${json};q=0.9, */*;q=0.8`, v2, json, json],
    [`${avro}, ${json}`, undefined, avro, avro],
    [`${json}, ${avro}`, undefined, json, json],
    [`${v2}, application/vnd.kafka+json, application/json`, v2, v2, v2],
    ['application/json', undefined, undefined, undefined],
    ['text/plain', undefined, undefined, undefined],
    ['application/*+json', undefined, undefined, undefined],
    [`${json};q=0`, undefined, json, json],
    [`${json}; charset=utf-8`, undefined, `${json};charset=utf-8`, `${json};charset=utf-8`],
    [json.toUpperCase(), undefined, json, json],
  ]
  test.each(rows)('%s', (accept, onMetadata, onConsumer, onRecords) => {
    expect(negotiate(accept, metadata)?.contentType).toBe(onMetadata)
    expect(negotiate(accept, consumer)?.contentType).toBe(onConsumer)
    expect(negotiate(accept, records)?.contentType).toBe(onRecords)
  })
})

describe('parseMediaType', () => {
  test('parameters are kept apart and case is folded', () => {
    expect(parseMediaType('Application/JSON; charset=UTF-8')).toEqual({
      type: 'application',
      subtype: 'json',
      parameters: 'charset=UTF-8',
    })
    expect(essenceOf(`${json} ; charset=utf-8`)).toBe(json)
  })
  test.each(['garbage', '', '/', 'a/', 'a/b/c', 'a b/c', 'a/b; c'])('%j is no media type', text => {
    expect(parseMediaType(text)).toBeUndefined()
  })
})
