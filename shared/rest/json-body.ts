import { RestError } from '../errors/rest-error.ts'

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
  return { value: hasLongNumber(text) ? parseExactly(text) : parsed(text), text }
}

/**
 * Parses a produce body with doubles only: the bodies are large, keeping integers exact is 25 times slower, and whoever
 * encodes a record looks at its text.
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
export function parseExactly(text: string): unknown {
  return parsed(text, keepIntegers)
}

function parsed(text: string, reviver?: Parameters<typeof JSON.parse>[1]): unknown {
  try {
    return JSON.parse(text, reviver)
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

/** Beyond this no range has room for a number, and making a bigint takes time by the square of its digits. */
const wholeNumber = /^-?\d{1,40}$/
const longRun = /\d{16}/

/** Whether JSON text may hold an integer that a double rounds; texts without one skip the slower parse. */
export function hasLongNumber(text: string): boolean {
  if (!longRun.test(text)) return false
  let digits = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === quote) index = endOfString(text, index) - 1
    digits = code >= zero && code <= nine ? digits + 1 : 0
    if (digits === 16) return true
  }
  return false
}

function keepIntegers(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
  const source = context?.source
  return source !== undefined && wholeNumber.test(source) ? BigInt(source) : value
}

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

const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d
const comma = 0x2c
const zero = 0x30
const nine = 0x39

/** The index after the string that starts at `start`, or the text's length when it never ends. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end > 0) {
    let backslashes = 0
    while (text.charCodeAt(end - 1 - backslashes) === backslash) backslashes++
    if (backslashes % 2 === 0) return end + 1
    end = text.indexOf('"', end + 1)
  }
  return text.length
}

/**
 * A cursor over JSON text that is already known to be valid: it finds where values begin and end, so that they
 * can be kept as they were written.
 */
export class JsonCursor {
  readonly #text: string
  #at = 0

  /** @param text valid JSON; the cursor stands before its first value. */
  constructor(text: string) {
    this.#text = text
  }

  /** Calls `visit` with each field's name, in order; `visit` must consume the value by one call. */
  object(visit: (name: string) => void): void {
    this.#members(closeBrace, () => {
      const start = this.#at
      this.#at = endOfString(this.#text, start)
      const raw = this.#text.slice(start + 1, this.#at - 1)
      const name: unknown = raw.includes('\\') ? JSON.parse(`"${raw}"`) : raw
      this.#space()
      this.#at++ // the colon
      this.#space()
      visit(String(name))
    })
  }

  /** Calls `visit` for each element; `visit` must consume the element by one call. */
  array(visit: (index: number) => void): void {
    let index = 0
    this.#members(closeBracket, () => visit(index++))
  }

  /** Whether the next value starts with the character `[` or `{`. */
  nextIs(opening: '[' | '{'): boolean {
    this.#space()
    return this.#text[this.#at] === opening
  }

  /** Consumes the next value and drops it. */
  skip(): void {
    this.#value()
  }

  /** Consumes the next value and returns its text without insignificant white space. */
  source(): string {
    const { start, spaces } = this.#value()
    const text = this.#text.slice(start, this.#at)
    return spaces ? withoutSpace(text) : text
  }

  #members(closing: number, each: () => void): void {
    this.#space()
    this.#at++ // the opening bracket
    this.#space()
    while (this.#text.charCodeAt(this.#at) !== closing) {
      each()
      this.#space()
      if (this.#text.charCodeAt(this.#at) === comma) this.#at++
      this.#space()
    }
    this.#at++
  }

  #value(): { start: number; spaces: boolean } {
    this.#space()
    const start = this.#at
    let depth = 0
    let spaces = false
    for (; this.#at < this.#text.length; this.#at++) {
      const code = this.#text.charCodeAt(this.#at)
      if (code === quote) {
        this.#at = endOfString(this.#text, this.#at) - 1
        if (depth === 0) {
          this.#at++
          break
        }
      } else if (code === openBrace || code === openBracket) depth++
      else if (code === closeBrace || code === closeBracket) {
        if (depth === 0) break
        if (--depth === 0) {
          this.#at++
          break
        }
      } else if (depth === 0 && (code === comma || isSpace(code))) break
      else if (isSpace(code)) spaces = true
    }
    return { start, spaces }
  }

  #space(): void {
    while (isSpace(this.#text.charCodeAt(this.#at))) this.#at++
  }
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}

/** Removes white space outside strings of valid JSON text. */
function withoutSpace(text: string): string {
  let compact = ''
  let from = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === quote) index = endOfString(text, index) - 1
    else if (isSpace(code)) {
      compact += text.slice(from, index)
      from = index + 1
    }
  }
  return compact + text.slice(from)
}

/**
 * The compact source text of any JSON text. The caller has validated it.
 * @returns the text of the first value without insignificant white space.
 */
export function compactJson(text: string): string {
  return new JsonCursor(text).source()
}
