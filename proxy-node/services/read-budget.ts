import type { Clock } from '../../shared/clock.ts'

/**
 * A bounded amount that is handed out in order of arrival: bytes of fetched records (`reads.memory.bytes`), or
 * permits to hold them (`consumer.threads`). A big request at the front holds back small ones behind it, so that
 * it is not starved.
 */
export class ReadBudget {
  readonly #total: number
  readonly #clock: Clock
  readonly #waiting: Waiter[] = []
  #used = 0

  /** @param total the amount; Infinity for no bound. */
  constructor(total: number, clock: Clock) {
    this.#total = total
    this.#clock = clock
  }

  /** What is held now; may be above the total after `Share.resize`. */
  get used(): number {
    return this.#used
  }

  /** Requests that wait for room. */
  get waiting(): number {
    return this.#waiting.length
  }

  /**
   * Takes `amount`, at once or as soon as there is room; more than the total is granted when nothing else is held.
   * @returns undefined when there was no room within `timeoutMs`.
   * @throws the signal's reason when it aborts first.
   */
  async take(amount: number, timeoutMs: number, signal?: AbortSignal): Promise<Share | undefined> {
    signal?.throwIfAborted()
    if (this.#waiting.length === 0 && this.#fits(amount)) return this.#grant(amount)
    if (timeoutMs <= 0) return undefined
    const waiter: Waiter = { amount, settled: Promise.withResolvers() }
    this.#waiting.push(waiter)
    const timer = this.#clock.after(timeoutMs, () =>
      this.#leave(waiter, () => waiter.settled.resolve(undefined)),
    )
    const abort = () => this.#leave(waiter, () => waiter.settled.reject(signal?.reason))
    signal?.addEventListener('abort', abort, { once: true })
    try {
      return await waiter.settled.promise
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', abort)
    }
  }

  #fits(amount: number): boolean {
    return this.#used + amount <= this.#total || this.#used === 0
  }

  #grant(amount: number): Share {
    this.#used += amount
    return new Share(amount, change => {
      this.#used += change
      if (change < 0) this.#serve()
    })
  }

  #serve(): void {
    for (let next = this.#waiting[0]; next && this.#fits(next.amount); next = this.#waiting[0]) {
      this.#waiting.shift()
      next.settled.resolve(this.#grant(next.amount))
    }
  }

  #leave(waiter: Waiter, settle: () => void): void {
    const index = this.#waiting.indexOf(waiter)
    if (index < 0) return
    this.#waiting.splice(index, 1)
    settle()
    // What stood behind it may fit now.
    this.#serve()
  }
}

interface Waiter {
  readonly amount: number
  readonly settled: PromiseWithResolvers<Share | undefined>
}

/** A part of a budget, given back once. */
export class Share {
  #amount: number
  readonly #change: (by: number) => void

  constructor(amount: number, change: (by: number) => void) {
    this.#amount = amount
    this.#change = change
  }

  /**
   * Sets the share to what is really held. It may go beyond the total, since the bytes are there already; nothing new
   * is granted until enough was given back.
   */
  resize(amount: number): void {
    const change = amount - this.#amount
    this.#amount = amount
    this.#change(change)
  }

  release(): void {
    if (this.#amount > 0) this.resize(0)
  }
}
