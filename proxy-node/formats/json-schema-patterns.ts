import { RE2JS } from 're2js'

/** What ajv calls with a pattern, in place of `new RegExp`. */
export interface PatternEngine {
  (pattern: string, flags: string): { test(text: string): boolean }
  /** For ajv's standalone code, which is not used. */
  code: string
}

/** What a test costs besides the pattern's own size, in the same unit. */
const testWeight = 40

/**
 * An engine of linear time (RE2) for the patterns of one schema: `^(a+)+$` and its like cost no more than any other.
 * What it cannot express, look-around and back-references, is refused with its own error when the schema is compiled.
 */
export class LinearPatterns {
  #largest = 0

  readonly engine: PatternEngine = Object.assign(
    (pattern: string) => {
      const compiled = RE2JS.compile(RE2JS.translateRegExp(pattern))
      this.#largest = Math.max(this.#largest, compiled.programSize())
      return compiled
    },
    { code: 'LinearPatterns' },
  )

  /**
   * What checking one character against all patterns of a schema text may cost at most. A pattern stands in the text as
   * the value of `pattern`, or as any key of an object under `patternProperties`.
   */
  weight(text: string): number {
    const values = text.split('"pattern"').length - 1
    const keys = text.includes('"patternProperties"') ? text.split('":').length - 1 : 0
    return this.#largest === 0 ? 0 : (values + keys) * (this.#largest + testWeight)
  }
}
