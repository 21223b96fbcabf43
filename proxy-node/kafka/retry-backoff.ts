import type { Clock } from '../../shared/clock.ts'

export interface RetryBackoffSettings {
  /** `retry.backoff.ms` and `retry.backoff.max.ms`. */
  readonly retryBackoffMs: number
  readonly retryBackoffMaxMs: number
}

/** Pauses between attempts: exponential with ± 20 % jitter, as KIP-580 has them, and reset by a success. */
export class RetryBackoff {
  readonly #settings: RetryBackoffSettings
  readonly #clock: Clock
  readonly #random: () => number
  #failures = 0

  constructor(deps: { settings: RetryBackoffSettings; clock: Clock; random: () => number }) {
    this.#settings = deps.settings
    this.#clock = deps.clock
    this.#random = deps.random
  }

  /** Ms to wait before the next attempt; longer with each call. */
  next(): number {
    const { retryBackoffMs, retryBackoffMaxMs } = this.#settings
    const pauseMs = Math.min(retryBackoffMs * 2 ** this.#failures, retryBackoffMaxMs)
    this.#failures = Math.min(this.#failures + 1, 20)
    return pauseMs * (0.8 + 0.4 * this.#random())
  }

  pause(signal?: AbortSignal): Promise<void> {
    return this.#clock.sleep(this.next(), signal)
  }

  reset(): void {
    this.#failures = 0
  }
}
