/** A time in which this process did not run though it wanted to. */
export interface Stall {
  /** When it ran again. */
  readonly at: number
  readonly ms: number
}

const EVERY_MS = 50

/** Notes when this process was kept from the processor for longer than `noteMs`: then its clients were, too. */
export class ProcessorStalls {
  readonly stalls: Stall[] = []
  readonly #timer: NodeJS.Timeout
  #lastAt = performance.now()

  constructor(noteMs: number) {
    this.#timer = setInterval(() => {
      const at = performance.now()
      const ms = at - this.#lastAt - EVERY_MS
      if (ms > noteMs) this.stalls.push({ at, ms })
      this.#lastAt = at
    }, EVERY_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
