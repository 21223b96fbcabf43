import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../../shared/clock.ts'
import { OperationQueue } from './operation-queue.ts'
import type { TopicPattern } from './topic-pattern.ts'

/** How long names are tested before everything else has its turn; the name that is being tested is finished. */
const sliceMsMax = 5

/**
 * Tests topic names against the patterns of all instances of the node. Patterns come from clients, and one may take
 * milliseconds for each of ten thousand names: they are tested a few at a time, the patterns take turns, and between
 * two turns the event loop runs on. All of them together take half of the processor at most.
 */
export class PatternMatcher {
  readonly #clock: Clock
  readonly #sliceMs: number
  readonly #turns = new OperationQueue()

  constructor(clock: Clock, sliceMs = sliceMsMax) {
    this.#clock = clock
    this.#sliceMs = sliceMs
  }

  /** The names that match as a whole, sorted. @throws the signal's reason. */
  async matching(pattern: TopicPattern, names: readonly string[], signal: AbortSignal): Promise<string[]> {
    const found: string[] = []
    const waiting = names.values()
    let matches: ((name: string) => boolean) | undefined
    const slice = async (): Promise<boolean> => {
      const start = performance.now()
      let took = 0
      // Not before its turn: those that wait need no memory.
      matches ??= pattern.tester()
      do {
        const next = waiting.next()
        if (next.done) return true
        if (matches(next.value)) found.push(next.value)
        took = performance.now() - start
      } while (took < this.#sliceMs)
      await this.#clock.sleep(took, signal)
      return false
    }
    const turn = async (): Promise<boolean> => {
      const done = await slice()
      await setImmediate()
      return done
    }
    while (!(await this.#turns.run(turn, signal)));
    return found.sort()
  }
}
