import type { Clock } from '../../shared/clock.ts'
import { waitAtMost } from './bounded-wait.ts'

/** Wakes those who wait for something about an instance to change: its assignment, its positions. */
export class Changes {
  readonly #waiting = new Set<() => void>()

  notify(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }

  /** How many wait now. */
  get waiting(): number {
    return this.#waiting.size
  }

  /**
   * Resolves at the next change or after `timeoutMs`.
   * @throws the signal's reason when it aborts first.
   */
  async wait(timeoutMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
    // A promise of its own: on a shared one each wait would leave something behind until the next change, which for an
    // instance without partitions may never come.
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.add(resolve)
    try {
      await waitAtMost(promise, timeoutMs, clock, signal)
    } finally {
      this.#waiting.delete(resolve)
    }
    signal.throwIfAborted()
  }
}
