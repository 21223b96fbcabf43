import { createContext, Script } from 'node:vm'
import { RestError } from '../../shared/errors/rest-error.ts'

/** Runs work within bounds. */
export interface WorkGuard {
  /**
   * @throws CpuTimeExceeded when the work is cut off, RestError schemaCpuExhausted when it is not begun, and whatever
   *   the work throws. The work must not change what outlives it: it can end between any two steps.
   */
  run<Value>(work: () => Value): Value
}

/** Thrown when guarded work took its whole time. */
export class CpuTimeExceeded extends Error {
  constructor(ms: number) {
    super(`it takes longer than ${ms} ms (schemas.cpu.max.ms)`)
    this.name = 'CpuTimeExceeded'
  }
}

/** Ms that one piece of guarded work may take without drawing on the allowance. */
const freeMs = 20
/** How much of the allowance each ms that passes gives back: a fifth of the processor. */
const giveBack = 0.2

/**
 * Runs work that a client's schema could make as long as it likes: compiling it, or checking a large value against it.
 * One piece is cut off after `msMax`, even inside a loop without end. What many pieces take beyond 20 ms each is
 * drawn from an allowance; when that is used up, further work is refused until some is given back, so that schema after
 * schema made to be slow cannot keep the event loop busy.
 *
 * It costs 0.2 ms a piece (V8's own watchdog, a thread), so it is kept for work that takes that long anyhow.
 */
export class CpuGuard implements WorkGuard {
  readonly #msMax: number
  readonly #allowanceMaxMs: number
  readonly #box: { work: () => unknown } = { work: () => undefined }
  #run: ((timeoutMs: number) => unknown) | undefined
  #allowanceMs: number
  #countedAt = 0

  /** @param allowanceMaxMs what may be taken at once by one slow schema after another. */
  constructor(msMax: number, allowanceMaxMs = 5000) {
    this.#msMax = msMax
    this.#allowanceMaxMs = allowanceMaxMs
    this.#allowanceMs = allowanceMaxMs
  }

  run<Value>(work: () => Value): Value {
    const start = performance.now()
    this.#allowanceMs = Math.min(
      this.#allowanceMaxMs,
      this.#allowanceMs + (start - this.#countedAt) * giveBack,
    )
    this.#countedAt = start
    if (this.#allowanceMs <= 0) throw new RestError('schemaCpuExhausted')
    try {
      return this.#bounded(work)
    } finally {
      this.#allowanceMs -= Math.max(0, performance.now() - start - freeMs)
    }
  }

  #bounded<Value>(work: () => Value): Value {
    this.#run ??= prepare(this.#box)
    const runInContext = this.#run
    const outer = this.#box.work
    this.#box.work = work
    try {
      return runInContext(this.#msMax) as Value
    } catch (error) {
      throw isTimeout(error) ? new CpuTimeExceeded(this.#msMax) : error
    } finally {
      this.#box.work = outer
    }
  }
}

/** Not `instanceof Error`: it is the other context's. */
function isTimeout(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
  )
}

/** The context is only a place to start from: the work runs with its own module's globals. */
function prepare(box: { work: () => unknown }): (timeoutMs: number) => unknown {
  const context = createContext(box)
  const script = new Script('work()')
  return timeout => script.runInContext(context, { timeout })
}
