import type { Clock } from '../../shared/clock.ts'
import { waitAtMost } from './bounded-wait.ts'

/** Wakes those who wait for something about an instance to change: its assignment, its positions. */
export class Changes {
  #next = Promise.withResolvers<void>()

  notify(): void {
    this.#next.resolve()
    this.#next = Promise.withResolvers<void>()
  }

  /**
   * Resolves at the next change or after `timeoutMs`.
   * @throws the signal's reason when it aborts first.
   */
  async wait(timeoutMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
    await waitAtMost(this.#next.promise, timeoutMs, clock, signal)
    signal.throwIfAborted()
  }
}
