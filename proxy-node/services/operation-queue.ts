/**
 * One operation at a time, in order of arrival. An operation whose caller has left before its turn is passed over; one
 * that runs is never interrupted here: it watches its own signal.
 */
export class OperationQueue {
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  /** Operations that run or wait. */
  get size(): number {
    return this.#waiting
  }

  /**
   * Runs `operation` after all earlier ones have ended, however they ended.
   * @throws the signal's reason when it aborts before the turn; whatever the operation throws.
   */
  run<T>(operation: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const turn = async () => {
      signal?.throwIfAborted()
      return operation()
    }
    this.#waiting++
    const result = this.#last.then(turn, turn).finally(() => this.#waiting--)
    this.#last = result.catch(() => undefined)
    return result
  }
}
