import { hasLongInteger, parseExactly } from '../../shared/rest/exact-integers.ts'
import type { EmbeddedJson } from './format.ts'

/** Digits of the largest 64-bit number. */
const integerDigitsMax = 20

/**
 * The parsed value of request JSON for a schema that has 64-bit numbers: integers that a double cannot hold are bigints.
 */
export function exactValue(json: EmbeddedJson): unknown {
  return hasLongInteger(json.text) ? parseExactly(json.text, integerDigitsMax) : json.value
}

/** What Jackson calls the JSON token that begins a value: the original's error texts name it. */
export function tokenName(value: unknown): string {
  if (value === null || value === undefined) return 'VALUE_NULL'
  if (value === true) return 'VALUE_TRUE'
  if (value === false) return 'VALUE_FALSE'
  if (typeof value === 'string') return 'VALUE_STRING'
  if (typeof value === 'number') return Number.isInteger(value) ? 'VALUE_NUMBER_INT' : 'VALUE_NUMBER_FLOAT'
  if (typeof value === 'bigint') return 'VALUE_NUMBER_INT'
  return Array.isArray(value) ? 'START_ARRAY' : 'START_OBJECT'
}

export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
