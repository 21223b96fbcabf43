import type { Clock, Timer } from '../../shared/clock.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import type { KafkaCluster } from '../ports/kafka-cluster.ts'

/** An instance to which new topics may matter. */
interface Subscriber {
  readonly hasPattern: boolean
  topicsListed(names: readonly string[]): Promise<void>
}

export interface PatternRefreshDeps {
  readonly cluster: Pick<KafkaCluster, 'topics'>
  readonly clock: Clock
  readonly log: Logger
  readonly intervalMs: number
  readonly subscribers: () => Iterable<Subscriber>
}

/** Lists the topics again and again: one listing serves the patterns of all instances. */
export class PatternRefresh {
  readonly #deps: PatternRefreshDeps
  #timer: Timer | undefined
  #stopped = false

  constructor(deps: PatternRefreshDeps) {
    this.#deps = deps
  }

  start(): void {
    this.#timer = this.#deps.clock.after(this.#deps.intervalMs, () => {
      void this.#refresh().finally(() => {
        if (!this.#stopped) this.start()
      })
    })
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  async #refresh(): Promise<void> {
    const withPattern = [...this.#deps.subscribers()].filter(subscriber => subscriber.hasPattern)
    if (withPattern.length === 0) return
    try {
      const listed = await this.#deps.cluster.topics()
      const names = listed.filter(topic => !topic.internal).map(topic => topic.name)
      // One that is closed meanwhile needs it no more.
      await Promise.allSettled(withPattern.map(subscriber => subscriber.topicsListed(names)))
    } catch (error) {
      this.#deps.log.info({ err: error }, 'topics cannot be listed now; patterns match what they matched')
    }
  }
}
