import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkProperty } from '../../test/support/property.ts'
import { RestError } from '../errors/rest-error.ts'
import { parseJsonBody } from './json-body.ts'
import { compactJson } from './json-cursor.ts'
import { int, long, object, parseProduce, peekInstanceName, string } from './v2-shapes.ts'

const limits = { depthMax: 8, recordsMax: 3 }
const bytes = (text: string) => new TextEncoder().encode(text)
const produce = (text: string) => parseProduce(bytes(text), 'produceJson.arg2', limits)

/** The error that a call answers, as status, code and text. */
function errorOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof RestError) return `${error.status}/${error.errorCode} ${error.message}`
    throw error
  }
  return 'no error'
}

/** JSON as a client wrote it, and the same without white space between its tokens. */
interface SourceText {
  readonly loose: string
  readonly tight: string
}

const spaces = fc.constantFrom('', ' ', '\n', '\t', ' \r\n ')

/** Numbers that no double holds, spellings that a printer would change, every plane of Unicode, keys that repeat. */
const { tree: sourceText } = fc.letrec<{ tree: SourceText }>(tie => {
  const leaf = fc
    .oneof(
      fc.constantFrom('null', 'true', 'false', '1.10', '-0', '0.0', '1e3', '1E-400', '9007199254740993'),
      fc.constantFrom('""', '"\\ud83d\\ude00"', '"\\ud800"', '"\\/"', '"\\u0000 , : ] }"', '" a "'),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n }).map(String),
      fc.string({ unit: 'binary' }).map(text => JSON.stringify(text)),
    )
    .map(text => ({ loose: text, tight: text }))
  const items = fc.array(fc.tuple(tie('tree'), spaces), { maxLength: 4 })
  const array = fc.tuple(items, spaces).map(([list, space]) => ({
    loose: `[${space}${list.map(([{ loose }, after]) => loose + after).join(`,${space}`)}]`,
    tight: `[${list.map(([{ tight }]) => tight).join()}]`,
  }))
  const names = fc.oneof(fc.constantFrom('a', '2', '1', ''), fc.string({ unit: 'binary', maxLength: 3 }))
  const fields = fc.array(fc.tuple(names, tie('tree'), spaces), { maxLength: 4 })
  const object = fields.map(list => ({
    loose: `{${list.map(([name, { loose }, space]) => `${space}${JSON.stringify(name)}${space}:${space}${loose}`).join(' ,')} }`,
    tight: `{${list.map(([name, { tight }]) => `${JSON.stringify(name)}:${tight}`).join()}}`,
  }))
  return { tree: fc.oneof({ depthSize: 'medium' }, leaf, array, object) }
})

describe('parseProduce - contract v2 §2.8, §3.4', () => {
  test.each([
    ['', '422/422 produceJson.arg2 must not be null (was null)'],
    ['null', '422/422 produceJson.arg2 must not be null (was null)'],
    ['{}', '422/422 produceJson.arg2.records must not be empty (was [])'],
    ['{"records":null}', '422/422 produceJson.arg2.records must not be empty (was [])'],
    ['{"records":[]}', '422/422 produceJson.arg2.records must not be empty (was [])'],
    ['{"records":[{"headers":[]}]}', '422/422 Unrecognized field: headers'],
    ['{"foo":1}', '422/422 Unrecognized field: foo'],
    ['{"__proto__":1}', '422/422 Unrecognized field: __proto__'],
    ['{"records":[null]}', '400/400 Cannot construct instance of `ProduceRequest`, problem: at index 0'],
    [
      '{"records":[{"partition":"abc"}]}',
      '400/400 Cannot deserialize value of type `Integer` from String "abc": not a valid `java.lang.Integer` value',
    ],
    [
      '{"records":[{"partition":99999999999}]}',
      '400/400 Numeric value (99999999999) out of range of int (-2147483648 - 2147483647)',
    ],
    [
      '{"records":[{"partition":true}]}',
      '400/400 Cannot deserialize value of type `Integer` from Boolean value (token `JsonToken.VALUE_TRUE`)',
    ],
    ['{"records":[{},{},{},{}]}', '413/41301 The request has more than 3 records (request.records.max).'],
    ['[[[[[[[[[1]]]]]]]]]', '400/40011 The JSON is nested deeper than 8 levels (request.json.depth.max).'],
  ])('%s', (text, expected) => {
    expect(errorOf(() => produce(text))).toBe(expected)
  })

  test.each(['{"records":[{"value":1}', 'foobar', "{'records':[]}", '{"records":[]}x', '{"a":NaN}'])(
    'malformed %s is 400/400',
    text => {
      expect(errorOf(() => produce(text))).toMatch(/^400\/400 ./)
    },
  )

  test('malformed UTF-8 is 400/400', () => {
    const body = new Uint8Array([...bytes('{"records":[{"value":"'), 0xff, ...bytes('"}]}')])
    expect(errorOf(() => parseProduce(body, 'x', limits))).toMatch(/^400\/400 Invalid UTF-8/)
  })

  test('keys and values keep their source text, without white space between tokens', () => {
    const text = `{ "key_schema_id" : "7", "records" : [
      { "key" : { "2" : 1.10 , "1" : [ 1e3 , -0 , 12345678901234567890 ] } , "value" : " a \\" b " },
      { "value" : 1, "value" : { "a" : 1 , "a" : 2 }, "partition" : 1.7 },
      { "\\u0076alue" : null } ] }`
    const body = produce(text)
    expect(body.keySchemaId).toBe(7)
    expect(body.records.map(record => [record.key?.text, record.value?.text, record.partition])).toEqual([
      ['{"2":1.10,"1":[1e3,-0,12345678901234567890]}', '" a \\" b "', null],
      [undefined, '{"a":1,"a":2}', 1],
      [undefined, undefined, null],
    ])
  })

  test('the last of two records fields wins, for values and texts alike', () => {
    const body = produce('{"records":[{"value":1}],"records":[{"value":2},{"value":3}]}')
    expect(body.records.map(record => [record.value?.value, record.value?.text])).toEqual([
      [2, '2'],
      [3, '3'],
    ])
  })

  test('the source text of keys and values is kept, however it is spelt and spaced', async () => {
    const limits = { depthMax: 1000, recordsMax: 3 }
    await checkProperty(
      'JSON source text in a produce body',
      fc.property(sourceText, fc.option(sourceText), spaces, (value, key, space) => {
        fc.pre(value.tight !== 'null' && key?.tight !== 'null')
        const keyText = key === null ? 'null' : key.loose
        const body = `{"records":[{"value":${space}${value.loose},"key":${space}${keyText}},{}]}`
        const [record] = parseProduce(bytes(body), 'x', limits).records
        expect([record?.value?.text, record?.key?.text]).toEqual([value.tight, key?.tight])
      }),
    )
  })

  test('too many records are refused before anything is parsed', () => {
    expect(errorOf(() => produce('{"records":[{},{"value":{"a":[{}]}},{"value":"{"},{},'))).toMatch(
      /^413\/41301 /,
    )
    expect(errorOf(() => produce('{"records":[{},{"value":{"a":[{}]}},{"value":"{"}'))).toMatch(/^400\/400 /)
  })

  test('deep nesting up to the limit', () => {
    const deep = (depth: number) => `${'[{"a":'.repeat(depth / 2)}1${'}]'.repeat(depth / 2)}`
    const body = (depth: number) => bytes(`{"records":[{"value":${deep(depth)}}]}`)
    const limits = { depthMax: 256, recordsMax: 3 }
    // The body's own object, list and record are three levels.
    expect(parseProduce(body(252), 'x', limits).records[0]?.value?.text).toBe(deep(252))
    expect(errorOf(() => parseProduce(body(254), 'x', limits))).toMatch(/^400\/40011 /)
  })
})

describe('readers', () => {
  test('coercions that succeed', () => {
    expect(['1', '', 1.7, -1.7, null].map(int)).toEqual([1, null, 1, -1, null])
    expect([1, true, 'a'].map(string)).toEqual(['1', 'true', 'a'])
    const body = parseJsonBody(bytes('{"offset":9223372036854775807}'), limits)
    expect(object('X', { offset: long })(body?.value)).toEqual({ offset: 9223372036854775807n })
  })

  test('coercions that fail', () => {
    expect(errorOf(() => string([]))).toMatch(
      /^400\/400 Cannot deserialize value of type `String` from Array value/,
    )
    expect(errorOf(() => long(9223372036854775808n))).toMatch(/out of range of long/)
    expect(errorOf(() => object('Create', {})([]))).toMatch(/type `Create` from Array value/)
  })
})

test('peekInstanceName: id wins over name, and unreadable bodies are left to the node', () => {
  const peek = (text: string) => peekInstanceName(bytes(text), limits)
  expect(peek('')).toEqual({ name: undefined })
  expect(peek('{"name":"a","id":"b"}')).toEqual({ name: 'b' })
  expect(peek('{"name":5}')).toEqual({ name: '5' })
  expect(peek('{"name":')).toBeUndefined()
  expect(peek('[]')).toBeUndefined()
  expect(peek('{"name":{}}')).toBeUndefined()
})

test('compactJson keeps everything but white space between tokens', () => {
  expect(compactJson(' { "a b" : [ 1 , "x\\\\" , " " ] }\n')).toBe('{"a b":[1,"x\\\\"," "]}')
  expect(compactJson(' 12 ')).toBe('12')
})

test('a number without end is parsed in a moment, and refused in a short text', () => {
  // As a bigint this would take hours.
  const digits = '9'.repeat(30_000_000)
  const message = errorOf(() => produce(`{"records":[{"value":1,"partition":${digits}}]}`))
  expect(message).toMatch(/^400\/400 Numeric value \(Infinity\) out of range of int/)
  expect(errorOf(() => produce(`{"records":[{"value":1,"partition":${'9'.repeat(30)}}]}`))).toContain(
    '9'.repeat(30),
  )
})
