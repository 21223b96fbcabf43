import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkProperty } from '../../test/support/property.ts'
import { hasLongInteger, parseExactly } from './exact-integers.ts'

const long = '9007199254740993'

describe('which texts have an integer that a double rounds', () => {
  test.each([
    `${long}`,
    `[${long}]`,
    `{"a":-${long}}`,
    `["",1,${long} ]`,
    '[9007199254740992]',
    `[1${'0'.repeat(30)}]`,
  ])('yes: %s', text => expect(hasLongInteger(text)).toBe(true))

  test.each([
    '[1,23]',
    '[9007199254740991,-9007199254740991]',
    '[1700000000000000]',
    // Ordinary doubles, which are none of our business.
    '[0.12345678901234567,12345678901234567890.5,1e30,12345678901234567890e1]',
    `"${long}"`,
    `{"a\\"${long}":"${long}","b":123456789012345}`,
  ])('no: %s', text => expect(hasLongInteger(text)).toBe(false))
})

/** What the native parser makes of it with a reviver, which is told each number's text. */
function revived(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: { source?: string }) => {
    const source = context?.source ?? ''
    return typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d{1,20}$/.test(source)
      ? BigInt(source)
      : value
  })
}

describe('parsing exactly', () => {
  test.each([
    long,
    ` [ ${long} , [ 1 , -${long} ] , {"a" : ${long}} ] `,
    `{"a":[{"b":{}},{"b":[${long},2]}],"c":${long}}`,
    `{"\\u0061\\"b":${long},"":${long},"{,[":${long}}`,
    `[${'9'.repeat(20)},${'9'.repeat(21)},0.${long},${long}.0,${long}e0]`,
    // Of fields with one name the last counts.
    `{"a":${long},"a":1}`,
    `{"a":1,"a":${long}}`,
    `{"a":{"b":${long}},"a":5}`,
    `{"a":{"b":${long}},"a":{"b":9007199254740992}}`,
    `{"a":[${long}],"a":{"0":true}}`,
  ])('as with a reviver: %s', text => expect(parseExactly(text, 20)).toEqual(revived(text)))

  test('the prototype of an object is not touched', () => {
    const value = parseExactly(`{"a":{"__proto__":{"x":${long}},"__proto__":${long}},"a":{}}`, 20)
    expect(value).toEqual({ a: {} })
    expect(Object.hasOwn(Object.prototype, 'x')).toBe(false)
    const own = parseExactly(`{"__proto__":${long}}`, 20) as object
    expect(Object.getOwnPropertyDescriptor(own, '__proto__')?.value).toBe(BigInt(long))
  })

  test('what is no JSON is refused', () => expect(() => parseExactly(`[${long}`, 20)).toThrow(SyntaxError))

  test('any JSON is what it is with a reviver', async () => {
    const integer = fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n }).map(value => `${value}`)
    const { text } = fc.letrec<{ text: string }>(tie => ({
      text: fc.oneof(
        { depthSize: 'small' },
        integer,
        fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => `${value}`.replace('+', '')),
        fc.string({ unit: 'binary' }).map(value => JSON.stringify(value)),
        fc.constantFrom('null', 'true', '{}', '[]'),
        fc.array(tie('text'), { maxLength: 4 }).map(items => `[ ${items.join(' ,')}]`),
        fc
          .array(fc.tuple(fc.oneof(fc.constantFrom('a', 'b', '__proto__'), fc.string()), tie('text')), {
            maxLength: 4,
          })
          .map(
            fields => `{${fields.map(([name, value]) => `${JSON.stringify(name)}: ${value}`).join(', ')} }`,
          ),
      ),
    }))
    await checkProperty(
      'exact integers',
      fc.property(text, json => {
        expect(parseExactly(json, 20)).toEqual(revived(json))
      }),
    )
  })
})
