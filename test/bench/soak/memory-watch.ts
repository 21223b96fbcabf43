import type { LocalTier } from '../../../infra/local/tier.ts'
import { type Memory, memoryOf } from '../settled-memory.ts'

/** What a process held at one moment of the run. */
export interface TimedMemory extends Memory {
  /** Since the watch began. */
  readonly seconds: number
}

/** Looks at the memory of processes at a steady pace. */
export class MemoryWatch {
  readonly #samples: ReadonlyMap<LocalTier, TimedMemory[]>
  readonly #begunAt = performance.now()
  readonly #timer: NodeJS.Timeout
  #failure: unknown

  constructor(tiers: readonly LocalTier[], everyMs: number) {
    this.#samples = new Map(tiers.map(tier => [tier, []]))
    this.#timer = setInterval(() => void this.#look(), everyMs)
  }

  /** Ends the watch. @throws what kept it from looking: a process that ended. */
  stop(): ReadonlyMap<LocalTier, readonly TimedMemory[]> {
    clearInterval(this.#timer)
    if (this.#failure !== undefined) throw this.#failure
    return this.#samples
  }

  async #look(): Promise<void> {
    const seconds = (performance.now() - this.#begunAt) / 1000
    for (const [tier, samples] of this.#samples) {
      try {
        samples.push({ seconds, ...(await memoryOf(tier)) })
      } catch (error) {
        this.#failure ??= error
      }
    }
  }
}
