import type { Clock, Timer } from '../../shared/clock.ts'

/** The time as a process sees it that can be stopped (SIGSTOP): it goes on, and timers fire when it continues. */
export class ProcessClock implements Clock {
  readonly #clock: Clock
  #missed: (() => void)[] | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    return this.#clock.now()
  }

  monotonic(): number {
    return this.#clock.monotonic()
  }

  after(delayMs: number, run: () => void): Timer {
    return this.#clock.after(delayMs, () => (this.#missed ? this.#missed.push(run) : run()))
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return this.#clock.sleep(delayMs, signal)
  }

  stopProcess(): void {
    this.#missed ??= []
  }

  continueProcess(): void {
    const missed = this.#missed ?? []
    this.#missed = undefined
    for (const run of missed) run()
  }
}
