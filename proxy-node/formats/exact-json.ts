import { hasLongNumber } from '../../shared/rest/json-body.ts'
import type { EmbeddedJson } from './format.ts'

/**
 * The parsed value of request JSON for a schema that has 64-bit numbers: whole numbers that a double cannot hold are
 * bigints. Parsing a second time is slow, so it is done only for texts with a run of digits that could be one.
 */
export function exactValue(json: EmbeddedJson): unknown {
  return hasLongNumber(json.text) ? JSON.parse(json.text, exactNumber) : json.value
}

const wholeNumber = /^-?\d{1,20}$/

/** A reviver with the source text (ECMA-262 2026, JSON.parse source text access). */
function exactNumber(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
  const source = context?.source
  return source !== undefined && wholeNumber.test(source) ? BigInt(source) : value
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
