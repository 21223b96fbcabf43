import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkProperty } from '../../test/support/property.ts'
import { binaryFormat } from './binary.ts'
import type { EmbeddedJson } from './format.ts'

const json = (value: unknown): EmbeddedJson => ({ value, text: JSON.stringify(value) })
const encode = (value: unknown) => binaryFormat.encode(json(value), null)

describe('binary', () => {
  test('what was encoded is decoded, for any bytes', async () => {
    await checkProperty(
      'binary round trip',
      fc.property(fc.uint8Array({ maxLength: 300 }), array => {
        const bytes = Buffer.from(array)
        const text = binaryFormat.decode(bytes, null)
        expect(encode(JSON.parse(text))).toEqual(bytes)
      }),
    )
  })

  test('null is Kafka null both ways, and "" is zero bytes', () => {
    expect(binaryFormat.encode(null, null)).toBeNull()
    expect(encode(null)).toBeNull()
    expect(encode('')).toEqual(Buffer.alloc(0))
    expect(binaryFormat.decode(null, null)).toBe('null')
    expect(binaryFormat.decode(Buffer.alloc(0), null)).toBe('""')
    expect(binaryFormat.schemaIdOf(Buffer.of(0, 0, 0, 0, 1))).toBeNull()
  })

  test.each(['Zm8=', 'Zm8', 'Zm8==', 'Zm8====', 'Zm9'])('padding of %s is tolerated', text => {
    expect(encode(text)?.subarray(0, 2).toString()).toBe('fo')
  })

  test.each(['%%', 'Zm-_', 'Zm 8', 'Zm8=\n', 'Z', 'Zm9vZ', 'Zm=8', 'é'])('%j is not base64', text => {
    expect(() => encode(text)).toThrow(
      expect.objectContaining({
        status: 400,
        errorCode: 400,
        message: `Bad Request: data=${JSON.stringify(text)} is not a valid base64 string.`,
      }),
    )
  })

  test.each([[123], [{ a: 1 }], [true], [[]]])('%j is no string', value => {
    expect(() => encode(value)).toThrow(
      expect.objectContaining({
        status: 400,
        errorCode: 400,
        message: `Bad Request: data=${JSON.stringify(value)} is not a base64 string.`,
      }),
    )
  })

  test('an error does not echo a huge value', () => {
    expect(() => encode('%'.repeat(1_000_000))).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/^.{1000,1200}$/) }),
    )
  })
})
