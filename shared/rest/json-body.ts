import { RestError } from '../errors/rest-error.ts'
import { hasLongInteger, parseExactly } from './exact-integers.ts'
import { closeBrace, closeBracket, endOfString, openBrace, openBracket, quote } from './json-cursor.ts'

/** What parsing a body may cost. */
export interface JsonLimits {
  /** `request.json.depth.max`: nesting levels of objects and arrays. */
  readonly depthMax: number
}

type StructureLimits = JsonLimits & { readonly recordsMax?: number }

/** A body that was parsed: its value, and its text for what must be kept as it was written. */
export interface JsonBody {
  readonly value: unknown
  readonly text: string
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Parses a request body. Integers beyond 2^53 become bigint, so that offsets keep every digit.
 * @returns undefined for an empty or blank body, which the contract treats like JSON null (v2 §2.9, §2.15).
 * @throws RestError badRequest for malformed UTF-8 or JSON (v2 §3.4), jsonTooDeep over the limit.
 */
export function parseJsonBody(bytes: Uint8Array, limits: JsonLimits): JsonBody | undefined {
  const text = bodyText(bytes, limits)
  if (text === undefined) return undefined
  return { value: exactlyParsed(text), text }
}

/**
 * Parses a produce body with doubles only: whoever encodes a record looks at its
 * text.
 * @returns undefined for an empty or blank body.
 * @throws RestError as `parseJsonBody`; tooManyRecords before anything is parsed.
 */
export function parseRecordsBody(
  bytes: Uint8Array,
  limits: JsonLimits & { readonly recordsMax: number },
): JsonBody | undefined {
  const text = bodyText(bytes, limits)
  return text === undefined ? undefined : { value: parsed(text), text }
}

/** The text of a body within the limits; undefined when it is blank. */
function bodyText(bytes: Uint8Array, limits: StructureLimits): string | undefined {
  const text = decodeUtf8(bytes)
  if (isBlank(text)) return undefined
  checkStructure(text, limits)
  return text
}

/** Parses JSON text with integers beyond 2^53 as bigint. @throws RestError badRequest */
export function exactlyParsed(text: string): unknown {
  return hasLongInteger(text) ? parsed(text, long => parseExactly(long, integerDigitsMax)) : parsed(text)
}

function parsed(text: string, parse: (text: string) => unknown = JSON.parse): unknown {
  try {
    return parse(text)
  } catch (error) {
    throw new RestError('badRequest', error instanceof Error ? error.message : undefined, { cause: error })
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch (error) {
    throw new RestError('badRequest', 'Invalid UTF-8 in the request body', { cause: error })
  }
}

function isBlank(text: string): boolean {
  return !/[^ \t\r\n]/.test(text)
}

/** Longest integer that is kept exactly: beyond it no range has room for a number. */
const integerDigitsMax = 40

/** Where the records of a produce body are: in the list of an object. */
const recordDepth = 3

/**
 * Refuses nesting beyond the bound before anything recursive sees the text, and more records than may be before they
 * take fifty times their size. Brackets inside strings do not count; malformed texts pass and fail in the parser.
 */
function checkStructure(
  text: string,
  { depthMax, recordsMax = Number.POSITIVE_INFINITY }: StructureLimits,
): void {
  if (text.length <= Math.min(depthMax, recordsMax)) return
  let depth = 0
  let records = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === quote) index = endOfString(text, index) - 1
    else if (code === openBrace || code === openBracket) {
      if (++depth > depthMax) throw new RestError('jsonTooDeep', String(depthMax))
      if (depth === recordDepth && code === openBrace && ++records > recordsMax)
        throw new RestError('tooManyRecords', String(recordsMax))
    } else if (code === closeBrace || code === closeBracket) depth--
  }
}
