/** Characters of JSON's grammar. */
export const quote = 0x22
export const backslash = 0x5c
export const openBrace = 0x7b
export const closeBrace = 0x7d
export const openBracket = 0x5b
export const closeBracket = 0x5d
export const comma = 0x2c
export const zero = 0x30
export const nine = 0x39

/** The index after the string that starts at `start`, or the text's length when it never ends. */
export function endOfString(text: string, start: number): number {
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
