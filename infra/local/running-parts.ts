import type { PartExit, PartProcess } from './part-process.ts'

/** Something that runs as a process of its own and that we started. */
export interface Part {
  readonly process: PartProcess
  stop(): Promise<unknown>
}

/**
 * The parts that one command started: started together where they do not need each other, stopped in the
 * reverse order, all of them, also when a start fails midway.
 */
export class RunningParts {
  readonly #parts: Part[] = []
  readonly #starting = new Set<Promise<unknown>>()
  readonly #abort = new AbortController()
  #stopping: Promise<void> | undefined
  #onDeath: ((name: string, exit: PartExit) => void) | undefined

  /** Aborts once the parts are to be stopped; every start takes it. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Called once for each part that ends before `stopAll`. */
  onUnexpectedEnd(listener: (name: string, exit: PartExit) => void): void {
    this.#onDeath = listener
  }

  /** Waits for a start and keeps the part. A part that comes up after `stopAll` began is stopped at once. */
  async add<T extends Part>(starting: Promise<T>): Promise<T> {
    this.#starting.add(starting)
    const part = await starting.finally(() => this.#starting.delete(starting))
    if (this.#abort.signal.aborted) {
      await part.stop()
      this.#abort.signal.throwIfAborted()
    }
    this.#parts.push(part)
    void part.process.exited.then(exit => {
      if (!this.#abort.signal.aborted) this.#onDeath?.(part.process.name, exit)
    })
    return part
  }

  /**
   * Waits for several starts that run side by side. When one fails the others are aborted and awaited,
   * so that none comes up later unseen; then the first failure is thrown.
   */
  async together<T extends unknown[]>(starts: { [K in keyof T]: Promise<T[K]> }): Promise<T> {
    try {
      return (await Promise.all(starts)) as T
    } catch (error) {
      this.#abort.abort(error)
      await Promise.allSettled(starts)
      throw error
    }
  }

  /**
   * Stops every part in the reverse of the order in which they came up, after the starts that are under way
   * have ended; later calls wait for the same.
   */
  stopAll(): Promise<void> {
    this.#abort.abort(new Error('stopping'))
    this.#stopping ??= this.#stopEach()
    return this.#stopping
  }

  async #stopEach(): Promise<void> {
    // A start that is under way ends its process itself when it sees the signal; one that came up just
    // before is stopped by `add`. Not waiting would leave such a process behind.
    await Promise.allSettled([...this.#starting])
    for (const part of this.#parts.reverse()) await part.stop()
  }
}
