import type { Ajv } from 'ajv'
import { isJsonObject } from './exact-json.ts'

/** Replaces the keywords of ajv that are too slow or too inexact for stored schemas from anywhere. */
export function replaceKeywords(ajv: Ajv): void {
  // Draft 4's `id` means nothing to later drafts; ajv refuses any schema that has it.
  ajv.removeKeyword('id')
  ajv.removeKeyword('uniqueItems')
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    error: { message: 'array items are not unique' },
    compile: (unique: boolean) => (unique ? hasUniqueItems : () => true),
  })
  ajv.removeKeyword('multipleOf')
  ajv.addKeyword({
    keyword: 'multipleOf',
    type: 'number',
    schemaType: 'number',
    error: { message: ({ schema }) => `is not a multiple of ${String(schema)}` },
    compile: multipleOf,
  })
}

/** In one pass; ajv compares each item with each other. */
function hasUniqueItems(items: readonly unknown[]): boolean {
  const seen = new Set<string>()
  for (const item of items) {
    const key = sortedJson(item)
    if (seen.has(key)) return false
    seen.add(key)
  }
  return true
}

/** Equal values have equal texts, whatever the order of their keys. */
function sortedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sortedJson)}]`
  if (!isJsonObject(value)) return JSON.stringify(value)
  return `{${Object.keys(value)
    .sort()
    .map(key => `${JSON.stringify(key)}:${sortedJson(value[key])}`)}}`
}

/** By decimals, so that 19.99 is a multiple of 0.01; in binary fractions it is not. */
function multipleOf(divisor: number): (value: number) => boolean {
  const by = decimal(divisor)
  return value => {
    if (by.digits <= 0n) return false
    const { digits, exponent } = decimal(value)
    // Both to the smaller exponent.
    const shift = Math.max(-farApart, Math.min(farApart, exponent - by.exponent))
    return shift < 0
      ? digits % (by.digits * 10n ** BigInt(-shift)) === 0n
      : (digits * 10n ** BigInt(shift)) % by.digits === 0n
  }
}

/**
 * Exponents further apart change nothing more, and would make the numbers long: digits are below 10^17, so such a
 * power of ten has each 2 and 5 that a divisor could have, and as a divisor is larger than any value but 0.
 */
const farApart = 60

/** digits × 10^exponent is the number that the shortest text of the double names. */
function decimal(value: number): { digits: bigint; exponent: number } {
  const [mantissa = '0', exponent = '0'] = value.toExponential().split('e')
  const [whole = '0', fraction = ''] = mantissa.split('.')
  return { digits: BigInt(whole + fraction), exponent: Number(exponent) - fraction.length }
}
