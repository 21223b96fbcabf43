import type { Logger } from './observability/logger.ts'

/** Something that was started and must be stopped; `stop` is called once. */
export interface Stoppable {
  stop(): Promise<void>
}

/**
 * Stops parts in the reverse of the order in which they were started. A part that fails to stop is
 * logged and does not keep the others from stopping.
 */
export class Lifecycle {
  readonly #parts: { name: string; part: Stoppable }[] = []
  readonly #log: Logger
  #stopping: Promise<void> | undefined

  constructor(log: Logger) {
    this.#log = log
  }

  /** Registers a started part and returns it. */
  add<T extends Stoppable>(name: string, part: T): T {
    this.#parts.push({ name, part })
    return part
  }

  /** Stops everything once; later calls wait for the same stop. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll()
    return this.#stopping
  }

  async #stopAll(): Promise<void> {
    for (const { name, part } of this.#parts.reverse()) {
      try {
        await part.stop()
      } catch (error) {
        this.#log.error({ part: name, err: error }, 'a part failed to stop')
      }
    }
  }
}
