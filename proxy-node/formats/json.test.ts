import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkProperty } from '../../test/support/property.ts'
import { UndecodableRecord } from './format.ts'
import { jsonFormat } from './json.ts'

const encode = (text: string) => jsonFormat.encode({ value: JSON.parse(text), text }, null)
const decode = (text: string) => jsonFormat.decode(Buffer.from(text), null)

describe('json', () => {
  test('any JSON text comes back as it was', async () => {
    await checkProperty(
      'json round trip',
      fc.property(fc.json(), fc.integer({ min: 0, max: 2 }), (text, junk) => {
        const stored = encode(text)
        if (text === 'null') expect(stored).toBeNull()
        const trailing = Buffer.from(['', ' ', ' garbage'][junk] ?? '')
        const bytes = stored === null ? null : Buffer.concat([stored, trailing])
        expect(jsonFormat.decode(bytes, null).trim()).toBe(text)
      }),
    )
  })

  test.each([
    '1.10',
    '1e3',
    '-0',
    '123456789012345678901234567890',
    '{"b":1,"2":2,"1":3}',
    '"foobar"',
    '"\\u00e9é𝄞"',
    '{"a":1,"a":2}',
  ])('%s keeps its text', text => {
    expect(encode(text)?.toString()).toBe(text)
    expect(decode(text)).toBe(text)
  })

  test('§9 41: null is Kafka null both ways', () => {
    expect(jsonFormat.encode(null, null)).toBeNull()
    expect(encode('null')).toBeNull()
    expect(jsonFormat.decode(null, null)).toBe('null')
  })

  test.each([
    ['{"a":"}\\"]"} x', '{"a":"}\\"]"}'],
    ['[1,[2]]]', '[1,[2]]'],
    ['1 2', '1'],
    ['true,', 'true'],
    ['"a"b', '"a"'],
    ['\ufeff{}', '{}'],
    [' \n[1]\n', ' \n[1]\n'],
  ])('%j: bytes after the first value are ignored', (stored, shown) => {
    expect(decode(stored)).toBe(shown)
  })

  test.each(['', ' ', 'abc', '{', '{"a":}', '12abc', '"a', "{'a':1}", 'nul', '[1}'])(
    '%j is undecodable',
    text => {
      expect(() => decode(text)).toThrow(UndecodableRecord)
    },
  )

  test('bytes that are not UTF-8 are undecodable', () => {
    expect(() => jsonFormat.decode(Buffer.of(0x22, 0xff, 0x22), null)).toThrow(UndecodableRecord)
  })

  test('nesting does not exhaust the stack', () => {
    const deep = '['.repeat(200_000)
    expect(() => decode(`${deep}1`)).toThrow(UndecodableRecord)
  })
})
