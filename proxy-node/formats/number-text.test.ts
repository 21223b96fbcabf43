import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkProperty } from '../../test/support/property.ts'
import { doubleText, floatText } from './number-text.ts'

test('texts name the same number', async () => {
  await checkProperty(
    'double text',
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), value => {
      expect(Number(doubleText(value))).toBe(value)
    }),
  )
  await checkProperty(
    'float text',
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), value => {
      expect(Math.fround(Number(floatText(value)))).toBe(value)
    }),
  )
})

test.each([
  [1, '1.0'],
  [-0, '-0.0'],
  [0.1, '0.1'],
  [1e21, '1e+21'],
  [Number.NaN, '"NaN"'],
  [Number.POSITIVE_INFINITY, '"Infinity"'],
])('double %d is %s', (value, text) => {
  expect(doubleText(value)).toBe(text)
})

test.each([
  [Math.fround(0.1), '0.1'],
  [Math.fround(3.4028234663852886e38), '3.4028235e+38'],
  [Math.fround(1.401298464324817e-45), '1.4013e-45'],
  [16777216, '16777216.0'],
  [-0, '-0.0'],
  [Number.NEGATIVE_INFINITY, '"-Infinity"'],
])('float %d is %s', (value, text) => {
  expect(floatText(value)).toBe(text)
})
