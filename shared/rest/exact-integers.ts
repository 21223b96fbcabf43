import {
  closeBrace,
  closeBracket,
  comma,
  endOfString,
  nine,
  openBrace,
  openBracket,
  quote,
  zero,
} from './json-cursor.ts'

const minus = 0x2d

/** The digits of 2^53 - 1, the largest integer that a double keeps with all below it. */
const exactMax = '9007199254740991'
const longRun = /\d{16}/

/** Whether JSON text may hold an integer that a double rounds: most texts have none, and need no second look. */
export function hasLongInteger(text: string): boolean {
  if (!longRun.test(text)) return false
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === quote) index = endOfString(text, index) - 1
    else if (isNumberStart(code)) {
      const end = endOfNumber(text, index)
      if (longDigits(text, index, end) > 0) return true
      index = end - 1
    }
  }
  return false
}

/**
 * Parses JSON with bigints for the integers that a double would round. The text is parsed natively, and only those
 * integers are looked up in it and put in their places: a reviver is called for each value, and costs twenty times more. For texts with a `hasLongInteger`: the others need no such look.
 * @param digitsMax of an integer; longer ones stay doubles, since no range has room for them and making a bigint takes
 *   time by the square of its digits.
 * @throws SyntaxError
 */
export function parseExactly(text: string, digitsMax: number): unknown {
  const value: unknown = JSON.parse(text)
  const root = { value }
  const places = new Places(text, root)
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === quote) {
      const end = endOfString(text, index)
      places.string(index, end)
      index = end - 1
    } else if (isNumberStart(code)) {
      const end = endOfNumber(text, index)
      const digits = longDigits(text, index, end)
      if (digits > 0 && digits <= digitsMax) places.put(BigInt(text.slice(index, end)))
      index = end - 1
    } else places.bracketOrComma(code)
  }
  return root.value
}

function isDigit(code: number): boolean {
  return code >= zero && code <= nine
}

function isNumberStart(code: number): boolean {
  return code === minus || isDigit(code)
}

/** Where a number ends: at a blank, a comma, a bracket or the text's end. */
function endOfNumber(text: string, start: number): number {
  let end = start + 1
  for (; end < text.length; end++) {
    const code = text.charCodeAt(end)
    if (code <= 0x20 || code === comma || code === closeBracket || code === closeBrace) break
  }
  return end
}

/** The digits of an integer that a double may round; 0 for other numbers: small ones, those with a fraction or an exponent. */
function longDigits(text: string, start: number, end: number): number {
  const first = text.charCodeAt(start) === minus ? start + 1 : start
  const digits = end - first
  if (digits < exactMax.length) return 0
  for (let index = first; index < end; index++) if (!isDigit(text.charCodeAt(index))) return 0
  return digits > exactMax.length || text.slice(first, end) > exactMax ? digits : 0
}

type Container = Record<string, unknown> | unknown[]

/** Whether the parsed value is what a double makes of the integer, or of another that it cannot tell from it. */
function isRounded(value: unknown, exact: bigint): boolean {
  return (typeof value === 'number' || typeof value === 'bigint') && Number(value) === Number(exact)
}

function setOwn(container: Record<string, unknown>, name: string, value: bigint): void {
  // Assigning to this one would ask for another prototype.
  if (name !== '__proto__') container[name] = value
  else Object.defineProperty(container, name, { value, enumerable: true, configurable: true, writable: true })
}

/** Where in the parsed value the text is being read; containers are looked up only when something is put in them. */
class Places {
  readonly #text: string
  /** By depth: what it is; null when not looked up yet. */
  readonly #containers: (Container | undefined | null)[]
  /** By depth: the number of the element, or -1 for objects. */
  readonly #elements: number[] = [-1]
  /** By depth: where the text of the field's name begins and ends. */
  readonly #nameFrom: number[] = [0]
  readonly #nameTo: number[] = [0]
  #depth = 0
  #isNameNext = false

  constructor(text: string, root: { value: unknown }) {
    this.#text = text
    this.#containers = [root]
  }

  string(from: number, to: number): void {
    if (!this.#isNameNext) return
    this.#nameFrom[this.#depth] = from
    this.#nameTo[this.#depth] = to
    this.#isNameNext = false
  }

  bracketOrComma(code: number): void {
    if (code === openBrace || code === openBracket) {
      const depth = ++this.#depth
      this.#containers[depth] = null
      this.#elements[depth] = code === openBracket ? 0 : -1
      this.#isNameNext = code === openBrace
    } else if (code === closeBrace || code === closeBracket) {
      this.#depth--
      this.#isNameNext = false
    } else if (code === comma) {
      const element = this.#elements[this.#depth] ?? 0
      if (element >= 0) this.#elements[this.#depth] = element + 1
      else this.#isNameNext = true
    }
  }

  /** Of fields with one name the last counts: what the text has here may not be in the value, or be another one. */
  put(exact: bigint): void {
    const container = this.#container(this.#depth)
    const element = this.#elements[this.#depth] ?? -1
    if (Array.isArray(container)) {
      if (element >= 0 && isRounded(container[element], exact)) container[element] = exact
    } else if (container !== undefined && element < 0) {
      const name = this.#name(this.#depth)
      if (Object.hasOwn(container, name) && isRounded(container[name], exact)) setOwn(container, name, exact)
    }
  }

  #container(depth: number): Container | undefined {
    const known = this.#containers[depth]
    if (known !== null) return known
    const parent = this.#container(depth - 1) as Record<string, unknown> | undefined
    const name = this.#name(depth - 1)
    const found = parent !== undefined && Object.hasOwn(parent, name) ? parent[name] : undefined
    const container = typeof found === 'object' && found !== null ? (found as Container) : undefined
    this.#containers[depth] = container
    return container
  }

  #name(depth: number): string {
    if (depth === 0) return 'value'
    const element = this.#elements[depth] ?? -1
    if (element >= 0) return `${element}`
    const raw = this.#text.slice(this.#nameFrom[depth], this.#nameTo[depth])
    return raw.includes('\\') ? String(JSON.parse(raw)) : raw.slice(1, -1)
  }
}
