import { expect, test } from 'vitest'
import { createTokenCheck } from './internal-token.ts'

test('only the very token passes', () => {
  const isToken = createTokenCheck('s3cret-token')
  expect(isToken('s3cret-token')).toBe(true)
  for (const wrong of ['', 's3cret-toke', 's3cret-token ', 'S3cret-token', 's3cret-tokem', 's3cret-token\0'])
    expect(isToken(wrong), JSON.stringify(wrong)).toBe(false)
  expect(isToken(undefined)).toBe(false)
})

test('a prefix does not pass by running out of characters', () => {
  // charCodeAt beyond the end is NaN, and NaN ^ x is x: a NUL in the token must not be matched by nothing.
  expect(createTokenCheck('a\0')('a')).toBe(false)
})

test('without a configured token nothing passes, not even an empty one', () => {
  expect(createTokenCheck('')('')).toBe(false)
  expect(createTokenCheck('')(undefined)).toBe(false)
})
