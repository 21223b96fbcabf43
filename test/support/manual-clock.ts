import type { Clock, Timer } from '../../shared/clock.ts'

interface Pending {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** A clock that stands still until a test moves it; both times start at one second. */
export class ManualClock implements Clock {
  #time = 1000
  #order = 0
  readonly #pending = new Set<Pending>()

  now(): number {
    return this.#time
  }

  monotonic(): number {
    return this.#time
  }

  after(delayMs: number, run: () => void): Timer {
    const pending = { at: this.#time + Math.max(0, delayMs), order: this.#order++, run }
    this.#pending.add(pending)
    return { cancel: () => this.#pending.delete(pending) }
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const onAbort = () => {
        timer.cancel()
        reject(signal?.reason)
      }
      const timer = this.after(delayMs, () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Moves the time on while nothing runs, as for a process that is stopped and continued; what is due runs afterwards. */
  leap(ms: number): void {
    this.#time += ms
  }

  /** Moves the time on, running what falls due in its order, with the promises that each of them settles. */
  async advance(ms: number): Promise<void> {
    const end = this.#time + ms
    await settled()
    for (;;) {
      const next = [...this.#pending].sort((a, b) => a.at - b.at || a.order - b.order)[0]
      if (next === undefined || next.at > end) break
      this.#pending.delete(next)
      this.#time = Math.max(this.#time, next.at)
      next.run()
      await settled()
    }
    this.#time = end
  }
}

/** Lets promises settle that need no more than other promises. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}
