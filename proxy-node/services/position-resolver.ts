import type { Clock, Timer } from '../../shared/clock.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import type { KafkaCluster, TopicMetadata } from '../ports/kafka-cluster.ts'
import type { Isolation, KafkaConsumers, PartitionOffset } from '../ports/kafka-consumer.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import type { Changes } from './changes.ts'
import type { ResetPolicy } from './instance-settings.ts'
import { keyOf, type Positions, type UnresolvedPosition } from './positions.ts'
import { isTopicName } from './topic-checks.ts'

export interface PositionResolverDeps {
  readonly group: string
  readonly consumers: Pick<KafkaConsumers, 'committed' | 'listOffsets'>
  readonly cluster: Pick<KafkaCluster, 'topicWith'>
  readonly positions: Positions
  readonly changes: Changes
  readonly policy: ResetPolicy
  readonly isolation: Isolation
  readonly clock: Clock
  readonly log: Logger
  /** Aborts when the instance is closed. */
  readonly closed: AbortSignal
  /** Positions were found that nobody else knows of. */
  readonly onResolved: () => void
}

const retryMs = 1000
/** A read looks for what an attempt just left open no sooner than after this time. */
const lookAgainMs = 100

/**
 * Finds the positions of an instance's partitions: the committed offset, else what `auto.offset.reset` says. It
 * runs when partitions are assigned, not at the first read: with `latest`, what is produced between the two would
 * be passed over. Partitions that do not exist stay without a position and are looked for again at each read.
 */
export class PositionResolver {
  readonly #deps: PositionResolverDeps
  #running: Promise<void> | undefined
  #again = false
  #failure: Error | undefined
  #retry: Timer | undefined
  /** When an attempt last left a position open. */
  #fruitlessAt = Number.NEGATIVE_INFINITY

  constructor(deps: PositionResolverDeps) {
    this.#deps = deps
  }

  /** Why the last attempt left a position open, if it was more than a passing failure: what reads answer. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Whether an attempt is under way. */
  get busy(): boolean {
    return this.#running !== undefined
  }

  /** Looks for all open positions, now or right after the attempt that is under way. */
  start(): void {
    if (this.#deps.closed.aborted) return
    this.#again = true
    this.#running ??= this.#run()
  }

  /**
   * Looks for open positions, unless that was just done in vain: an attempt may be answered without asking anyone, and a
   * read that waits for its end and starts the next would leave the event loop to nobody else.
   */
  lookAgain(): void {
    if (this.#deps.clock.monotonic() - this.#fruitlessAt >= lookAgainMs) this.start()
  }

  async #run(): Promise<void> {
    // Let the caller finish first, so that several starts in a row are one attempt.
    await Promise.resolve()
    while (this.#again && !this.#deps.closed.aborted) {
      this.#again = false
      await this.#attempt()
    }
    this.#running = undefined
    const { changes, clock, positions } = this.#deps
    if (positions.unresolved().length > 0) this.#fruitlessAt = clock.monotonic()
    changes.notify()
  }

  async #attempt(): Promise<void> {
    try {
      this.#failure = await this.#resolve(this.#deps.positions.unresolved())
    } catch (error) {
      if (this.#deps.closed.aborted) return
      if (error instanceof KafkaError && error.retriable) {
        this.#deps.log.debug({ group: this.#deps.group, err: error }, 'positions cannot be found now')
        this.#retry ??= this.#deps.clock.after(retryMs, () => {
          this.#retry = undefined
          this.start()
        })
      } else this.#failure = error instanceof Error ? error : new Error(String(error))
    }
  }

  /** @returns the failure that a client must see, when the others were resolved. */
  async #resolve(open: readonly UnresolvedPosition[]): Promise<Error | undefined> {
    if (open.length === 0) return undefined
    const { present, failure } = await this.#present(open)
    const byCommit = present.filter(({ target }) => target === 'committed')
    const uncommitted = byCommit.length === 0 ? [] : await this.#resolveCommitted(byCommit)
    const byPolicy = [...uncommitted, ...present.filter(({ target }) => target === 'reset')]
    const noOffset = byPolicy.length === 0 ? undefined : await this.#resolveByPolicy(byPolicy)
    for (const target of ['earliest', 'latest'] as const) {
      const wanted = present.filter(asked => asked.target === target)
      if (wanted.length > 0) await this.#resolveAt(wanted, target)
    }
    if (present.length > 0) this.#deps.onResolved()
    return failure ?? noOffset
  }

  /** Those whose topic and partition exist; a topic that may not be seen is a failure, but not of the others. */
  async #present(
    open: readonly UnresolvedPosition[],
  ): Promise<{ present: UnresolvedPosition[]; failure: Error | undefined }> {
    const { cluster, closed } = this.#deps
    // The highest partition of each topic: metadata that has it has the others.
    const highest = new Map<string, number>()
    for (const { topic, partition } of open) {
      // No broker has such a one, and some end the connection at what cannot be a name: it is accepted, and never read.
      if (isTopicName(topic) && partition >= 0)
        highest.set(topic, Math.max(partition, highest.get(topic) ?? partition))
    }
    const found = await Promise.allSettled(
      [...highest].map(([topic, partition]) => cluster.topicWith({ topic, partition }, closed)),
    )
    const topics = new Map<string, TopicMetadata>()
    let failure: Error | undefined
    for (const result of found) {
      if (result.status === 'fulfilled') {
        if (result.value !== undefined) topics.set(result.value.name, result.value)
      } else if (result.reason instanceof KafkaError && result.reason.retriable) throw result.reason
      else failure = result.reason instanceof Error ? result.reason : new Error(String(result.reason))
    }
    const present = open.filter(
      ({ topic, partition }) => topics.get(topic)?.partitions[partition] !== undefined,
    )
    return { present, failure }
  }

  /** @returns those for which the group has committed nothing. */
  async #resolveCommitted(open: readonly UnresolvedPosition[]): Promise<UnresolvedPosition[]> {
    const { consumers, group, positions, closed } = this.#deps
    const committed = await consumers.committed(group, open.map(plain), closed)
    const offsets = new Map(committed.map(entry => [keyOf(entry), entry.offset]))
    return open.filter(asked => {
      const offset = offsets.get(keyOf(asked))
      if (positions.resume(asked, offset)) {
        // What was recorded may be an end that is to be looked up still.
        this.#again = true
        return false
      }
      if (offset === undefined) return true
      positions.resolve(asked, offset, true)
      return false
    })
  }

  async #resolveByPolicy(open: readonly UnresolvedPosition[]): Promise<Error | undefined> {
    const { policy, clock } = this.#deps
    switch (policy.from) {
      case 'none':
        return noOffsetForPartition(open)
      case 'duration': {
        const left = await this.#resolveAt(open, { timestampMs: clock.now() - policy.durationMs })
        // Nothing is as young as that: the next record to come is.
        if (left.length > 0) await this.#resolveAt(left, 'latest')
        return undefined
      }
      default:
        await this.#resolveAt(open, policy.from)
        return undefined
    }
  }

  /** @returns those without an answer. */
  async #resolveAt(
    open: readonly UnresolvedPosition[],
    at: 'earliest' | 'latest' | { readonly timestampMs: number },
  ): Promise<UnresolvedPosition[]> {
    const { consumers, isolation, positions, closed } = this.#deps
    const answer: readonly PartitionOffset[] = await consumers.listOffsets(open.map(plain), at, {
      isolation,
      signal: closed,
    })
    const offsets = new Map(answer.map(entry => [keyOf(entry), entry.offset]))
    return open.filter(asked => {
      const offset = offsets.get(keyOf(asked))
      if (offset === undefined) return true
      positions.resolve(asked, offset, false)
      return false
    })
  }
}

function plain({ topic, partition }: UnresolvedPosition): { topic: string; partition: number } {
  return { topic, partition }
}

/** `auto.offset.reset=none`: 500 / 50002 with the original's text (contract v2 §4.3). */
function noOffsetForPartition(open: readonly UnresolvedPosition[]): KafkaError {
  const names = open.map(({ topic, partition }) => `${topic}-${partition}`).join(', ')
  return new KafkaError('NO_OFFSET_FOR_PARTITION', {
    code: -1,
    retriable: false,
    text: `Undefined offset with no reset policy for partitions: [${names}]`,
  })
}
