/**
 * The unit is about a nanosecond: up to here a value is checked without the guard, in 20 ms at most; beyond, the
 * guard's 0.2 ms are little next to the check itself.
 */
const unguardedWork = 20_000_000
/** A call of a schema by `$ref` costs this much, however little it looks at, */
const callWork = 1000
/** and this much for each character of the schema: code that runs for the first time is slow. */
const callWorkPerSchemaChar = 32
/** Calls are charged the whole value, without a look at their part of it, while so many more of them could follow. */
const wholeCallsLeft = 16

/** Thrown when an unguarded check has done all that it may. */
export class TooMuchWork extends Error {}

/** What the generated code of each schema that can be called by `$ref` calls first. */
export interface Steps {
  /** @param schemaChars of the text of the schema that is called. */
  step(value: unknown, schemaChars: number): void
}

/** For checks under the guard. */
export const unlimitedSteps: Steps = { step: () => undefined }

/**
 * Counts the work of one check: the characters of the value times what each may cost, anew for each call. But for what
 * it leaves to further calls, a call looks at each part of its value with each part of its schema at most once.
 */
export class LimitedSteps implements Steps {
  readonly #root: unknown
  readonly #chars: number
  readonly #keywordWork: number
  #left = unguardedWork
  #sizes: Map<unknown, number> | undefined

  /**
   * @param root the whole value, `chars` the length of its text.
   * @param keywordWork what a character may cost by keywords that cost more than the characters they are written with.
   */
  constructor(root: unknown, chars: number, keywordWork: number) {
    this.#root = root
    this.#chars = chars
    this.#keywordWork = keywordWork
  }

  /** @throws TooMuchWork */
  step(value: unknown, schemaChars: number): void {
    const perChar = Math.max(schemaChars, this.#keywordWork)
    const most = this.#chars * perChar
    // Measuring takes time too, and small values seldom need it.
    const isMeasured = value !== this.#root && most * wholeCallsLeft > this.#left
    const looking = isMeasured ? this.#sizeOf(value) * perChar : most
    this.#left -= looking + Math.max(callWork, schemaChars * callWorkPerSchemaChar)
    if (this.#left < 0) throw new TooMuchWork()
  }

  #sizeOf(value: unknown): number {
    if (typeof value !== 'object' || value === null) return measure(value)
    if (this.#sizes === undefined) {
      this.#sizes = new Map()
      measure(this.#root, this.#sizes)
    }
    return this.#sizes.get(value) ?? measure(value)
  }
}

/** Smaller ones are measured again sooner than they are noted. */
const notedSize = 200

/** The length of a value's text, roughly; that of each large array and object in it is added to `sizes`. */
function measure(value: unknown, sizes?: Map<unknown, number>): number {
  if (typeof value === 'string') return value.length + 2
  if (typeof value !== 'object' || value === null) return 2
  let size = 2
  if (Array.isArray(value)) for (const item of value) size += measure(item, sizes)
  // for…in makes no list of the entries; parsed JSON inherits none.
  else for (const key in value) size += key.length + 2 + measure(value[key as never], sizes)
  if (size >= notedSize) sizes?.set(value, size)
  return size
}
