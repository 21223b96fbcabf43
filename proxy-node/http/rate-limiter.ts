import type { Clock } from '../../shared/clock.ts'

/**
 * A bucket of permits that fills at a steady rate, up to those of one second. As in the original's (Guava's), a request
 * is let through as soon as nothing is owed, whatever it costs: those after it wait until it is paid for.
 */
export class RateLimiter {
  readonly #clock: Clock
  readonly #permitsPerSecond: number
  #stored: number
  #storedAt: number
  /** On the monotonic clock: when everything that was let through is paid for. */
  #freeAt: number

  /** The bucket is empty at first: a process that starts anew gives nobody a second's permits for nothing. */
  constructor(permitsPerSecond: number, clock: Clock) {
    this.#permitsPerSecond = permitsPerSecond
    this.#clock = clock
    this.#stored = 0
    this.#storedAt = clock.monotonic()
    this.#freeAt = this.#storedAt
  }

  /**
   * Takes permits, if they can be had within `timeoutMs`.
   * @returns how long to wait before going on, in ms; undefined when they cannot be had, and then none is taken.
   */
  take(permits: number, timeoutMs: number): number | undefined {
    const now = this.#clock.monotonic()
    const waitMs = Math.max(0, this.#freeAt - now)
    if (waitMs > timeoutMs) return undefined
    this.#refill(now)
    const owed = Math.max(0, permits - this.#stored)
    this.#stored = Math.max(0, this.#stored - permits)
    this.#freeAt = Math.max(this.#freeAt, now) + (owed * 1000) / this.#permitsPerSecond
    // Nothing is stored before that.
    this.#storedAt = this.#freeAt
    return waitMs
  }

  #refill(now: number): void {
    if (now <= this.#storedAt) return
    const gained = ((now - this.#storedAt) * this.#permitsPerSecond) / 1000
    this.#stored = Math.min(this.#permitsPerSecond, this.#stored + gained)
    this.#storedAt = now
  }
}
