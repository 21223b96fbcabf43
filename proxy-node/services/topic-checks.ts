import type { Logger } from '../../shared/observability/logger.ts'
import type { KafkaCluster } from '../ports/kafka-cluster.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import type { Changes } from './changes.ts'

export interface TopicChecksDeps {
  readonly cluster: Pick<KafkaCluster, 'cachedTopic' | 'topic'>
  readonly changes: Changes
  readonly log: Logger
  /** Aborts when the instance is closed. */
  readonly closed: AbortSignal
}

/** How many topics are asked for at once. */
const topicsAtOnce = 16

/**
 * Asks the brokers about the topics of one instance, in the background: so that a missing one is created, if the
 * broker does that, and a forbidden one is known at the next read.
 */
export class TopicChecks {
  readonly #deps: TopicChecksDeps
  readonly #problems = new Map<string, KafkaError>()
  #running: Promise<void> | undefined
  /** Counts `clear`: what was asked before says nothing of the topics after it. */
  #subject = 0

  constructor(deps: TopicChecksDeps) {
    this.#deps = deps
  }

  /** The attempt that is under way. */
  get running(): Promise<void> | undefined {
    return this.#running
  }

  /** Why reads of a topic must fail. */
  get problem(): KafkaError | undefined {
    for (const problem of this.#problems.values()) return problem
    return undefined
  }

  /** Forgets what was found about earlier topics, and what an attempt under way will find. */
  clear(): void {
    this.#problems.clear()
    this.#subject += 1
    this.#running = undefined
  }

  /**
   * Asks about those of which nothing is known now, or which were refused; one attempt at a time.
   * @param autoCreate whether asking may create a topic, if the broker is set up so. Only for what the client has just
   *   asked for: a topic that was deleted later must stay so.
   */
  start(names: readonly string[], autoCreate: boolean): void {
    const { cluster, changes } = this.#deps
    const open = names.filter(
      name => isTopicName(name) && (this.#problems.has(name) || cluster.cachedTopic(name) === undefined),
    )
    if (open.length === 0 || this.#running !== undefined) return
    const running = this.#ask(open, autoCreate).finally(() => {
      if (this.#running === running) this.#running = undefined
      changes.notify()
    })
    this.#running = running
  }

  async #ask(names: readonly string[], autoCreate: boolean): Promise<void> {
    const { cluster, closed, log } = this.#deps
    const subject = this.#subject
    for (let from = 0; from < names.length; from += topicsAtOnce) {
      const some = names.slice(from, from + topicsAtOnce)
      const answers = await Promise.allSettled(
        some.map(name => cluster.topic(name, { autoCreate, signal: closed })),
      )
      if (subject !== this.#subject) return
      for (const [index, answer] of answers.entries()) {
        const topic = some[index] ?? ''
        this.#problems.delete(topic)
        if (answer.status === 'fulfilled' || !(answer.reason instanceof KafkaError)) continue
        if (answer.reason.retriable) log.debug({ topic, err: answer.reason }, 'no metadata now')
        else this.#problems.set(topic, answer.reason)
      }
    }
  }
}

/** What Kafka takes as a topic's name. */
export function isTopicName(name: string): boolean {
  return /^[A-Za-z0-9._-]{1,249}$/.test(name) && name !== '.' && name !== '..'
}
