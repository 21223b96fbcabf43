import type { Clock, Timer } from '../../shared/clock.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import type { KafkaCluster, TopicMetadata } from '../ports/kafka-cluster.ts'
import type { Isolation, KafkaConsumers, OffsetAnswer } from '../ports/kafka-consumer.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import type { Changes } from './changes.ts'
import type { ResetPolicy } from './instance-settings.ts'
import { keyOf, type Positions, type PositionTarget, type UnresolvedPosition } from './positions.ts'
import { isTopicName } from './topic-checks.ts'

export interface PositionResolverDeps {
  readonly group: string
  readonly consumers: Pick<KafkaConsumers, 'committed' | 'askOffsets'>
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

/** Pause after a failure that may pass; it doubles up to the second. */
const retryMs = 100
const retryMaxMs = 1000
/** A read looks for what an attempt just left open no sooner than after this time. */
const lookAgainMs = 100

/**
 * Finds the positions of an instance's partitions: the committed offset, else what `auto.offset.reset` says. It
 * runs when partitions are assigned, not at the first read: with `latest`, what is produced between the two would
 * be passed over. Partitions that do not exist stay without a position and are looked for again at each read.
 *
 * Each partition is on its own: it has its position as soon as its leader has answered, and fails, rests and is tried
 * again alone. One whose leader is away or stands still may take long, and an attempt with it; the next attempt goes by
 * it and looks for the others.
 */
export class PositionResolver {
  readonly #deps: PositionResolverDeps
  /**
   * Versions that are being looked for, by partition and target. One at a time, so that a leader that stands still is not
   * asked again by each seek; but a look-up that waits for the group's coordinator holds up no seek to an end.
   */
  readonly #asked = new Map<string, number>()
  /** Versions whose look-up failed in a way that may pass, until the next retry. */
  readonly #resting = new Set<number>()
  /** Versions that are open for good, until something changes; `#doubted` while they are looked for again. */
  readonly #failures = new Map<number, Error>()
  readonly #doubted = new Map<number, Error>()
  #starting = false
  /** Look-ups of a newer version, which wait for the older one to end. */
  readonly #postponed = new Set<string>()
  #retry: Timer | undefined
  #retries = 0
  /** When an attempt last left a position open. */
  #fruitlessAt = Number.NEGATIVE_INFINITY

  constructor(deps: PositionResolverDeps) {
    this.#deps = deps
  }

  /** Why a position is open, if it is for more than a passing failure: what reads answer. */
  get failure(): Error | undefined {
    if (this.#failures.size === 0 && this.#doubted.size === 0) return undefined
    for (const { version } of this.#deps.positions.unresolved()) {
      const failure = this.#failures.get(version) ?? this.#doubted.get(version)
      if (failure !== undefined) return failure
    }
    return undefined
  }

  /** Whether something is being looked for. */
  get busy(): boolean {
    return this.#starting || this.#asked.size > 0
  }

  /** Whether that is what has failed: `failure` may be out of date. */
  get rechecking(): boolean {
    return this.#starting || this.#doubted.size > 0
  }

  /** Looks for the open positions, but for those that are being looked for and those that wait for a retry. */
  start(): void {
    if (this.#deps.closed.aborted || this.#starting) return
    this.#starting = true
    void this.#attempt()
  }

  /**
   * Looks for open positions, unless that was just done in vain: an attempt may be answered without asking anyone, and a
   * read that waits for its end and starts the next would leave the event loop to nobody else.
   */
  lookAgain(): void {
    if (this.#deps.clock.monotonic() - this.#fruitlessAt >= lookAgainMs) this.start()
  }

  async #attempt(): Promise<void> {
    // Let the caller finish first, so that several starts in a row are one attempt.
    await Promise.resolve()
    this.#starting = false
    const open = this.#take()
    await this.#step(open, () => this.#resolve(open))
    this.#release(open)
    const { changes, clock, positions } = this.#deps
    const left = new Set(positions.unresolved().map(({ version }) => version))
    for (const version of this.#failures.keys()) if (!left.has(version)) this.#failures.delete(version)
    if (left.size > 0) this.#fruitlessAt = clock.monotonic()
    if (this.#asked.size === 0 && this.#resting.size === 0) this.#retries = 0
    changes.notify()
  }

  /** The open positions that this attempt is to find. */
  #take(): UnresolvedPosition[] {
    return this.#deps.positions.unresolved().filter(asked => {
      const { version } = asked
      if (this.#resting.has(version)) return false
      const running = this.#asked.get(lookUpOf(asked))
      if (running !== undefined) {
        if (running !== version) this.#postponed.add(lookUpOf(asked))
        return false
      }
      this.#asked.set(lookUpOf(asked), version)
      const failure = this.#failures.get(version)
      if (failure !== undefined) this.#doubted.set(version, failure)
      this.#failures.delete(version)
      return true
    })
  }

  /** These are not looked for any more. */
  #release(open: readonly UnresolvedPosition[]): void {
    for (const asked of open) {
      const { version } = asked
      const lookUp = lookUpOf(asked)
      this.#doubted.delete(version)
      if (this.#asked.get(lookUp) !== version) continue
      this.#asked.delete(lookUp)
      if (this.#postponed.delete(lookUp)) this.start()
    }
  }

  /** What a step fails with is the failure of its own partitions. */
  async #step(open: readonly UnresolvedPosition[], step: () => Promise<void>): Promise<void> {
    if (open.length === 0) return
    try {
      await step()
    } catch (error) {
      this.#fail(open, error)
    }
  }

  #fail(open: readonly UnresolvedPosition[], error: unknown): void {
    const { closed, group, log } = this.#deps
    if (closed.aborted) return
    if (error instanceof KafkaError && error.retriable) {
      log.debug({ group, partitions: open.map(plain), err: error }, 'positions cannot be found now')
      for (const { version } of open) this.#resting.add(version)
      this.#retryLater()
    } else {
      const failure = error instanceof Error ? error : new Error(String(error))
      for (const { version } of open) this.#failures.set(version, failure)
    }
    this.#release(open)
    this.#deps.changes.notify()
  }

  #retryLater(): void {
    if (this.#retry !== undefined) return
    const pauseMs = Math.min(retryMaxMs, retryMs * 2 ** this.#retries)
    this.#retries += 1
    this.#retry = this.#deps.clock.after(pauseMs, () => {
      this.#retry = undefined
      this.#resting.clear()
      this.start()
    })
  }

  /** Positions were found or given up: whoever waits for them can go on before the rest is there. */
  #settled(open: readonly UnresolvedPosition[]): void {
    this.#release(open)
    this.#deps.onResolved()
    this.#deps.changes.notify()
  }

  async #resolve(open: readonly UnresolvedPosition[]): Promise<void> {
    const present = await this.#present(open)
    const wanted = Map.groupBy(present, ({ target }) => target)
    const find: Record<PositionTarget, (those: readonly UnresolvedPosition[]) => Promise<void>> = {
      committed: those => this.#resolveCommitted(those),
      reset: those => this.#resolveByPolicy(those),
      earliest: those => this.#resolveAt(those, 'earliest'),
      latest: those => this.#resolveAt(those, 'latest'),
    }
    await Promise.all([...wanted].map(([target, those]) => this.#step(those, () => find[target](those))))
  }

  /** Those whose topic and partition exist; the others stay open, for a failure if their topic has one. */
  async #present(open: readonly UnresolvedPosition[]): Promise<UnresolvedPosition[]> {
    const { cluster, closed } = this.#deps
    const present: UnresolvedPosition[] = []
    await Promise.all(
      [...Map.groupBy(open, ({ topic }) => topic)].map(async ([topic, asked]) => {
        // The highest partition: metadata that has it has the others.
        const partition = asked.reduce((highest, each) => Math.max(highest, each.partition), -1)
        await this.#step(asked, async () => {
          // No broker has such a one, and some end the connection at what cannot be a name: it is accepted, and never read.
          const can = isTopicName(topic) && partition >= 0
          const found: TopicMetadata | undefined = can
            ? await cluster.topicWith({ topic, partition }, closed)
            : undefined
          const [there, missing] = split(asked, each => found?.partitions[each.partition] !== undefined)
          present.push(...there)
          this.#release(missing)
        })
      }),
    )
    return present
  }

  /** What the group has committed; the policy for the others. */
  async #resolveCommitted(open: readonly UnresolvedPosition[]): Promise<void> {
    const { consumers, group, positions, closed } = this.#deps
    const committed = await consumers.committed(group, open.map(plain), closed)
    const offsets = new Map(committed.map(entry => [keyOf(entry), entry.offset]))
    const [found, left] = split(open, asked => {
      const offset = offsets.get(keyOf(asked))
      if (positions.resume(asked, offset)) {
        // What was recorded may be an end that is to be looked up still.
        this.start()
        return true
      }
      if (offset === undefined) return false
      positions.resolve(asked, offset, true)
      return true
    })
    if (found.length > 0) this.#settled(found)
    await this.#step(left, () => this.#resolveByPolicy(left))
  }

  async #resolveByPolicy(open: readonly UnresolvedPosition[]): Promise<void> {
    const { policy, clock } = this.#deps
    switch (policy.from) {
      case 'none':
        return this.#fail(open, noOffsetForPartition(open))
      case 'duration':
        return this.#resolveAt(open, { timestampMs: clock.now() - policy.durationMs })
      default:
        return this.#resolveAt(open, policy.from)
    }
  }

  /** Takes each leader's answer when it comes. */
  async #resolveAt(
    open: readonly UnresolvedPosition[],
    at: 'earliest' | 'latest' | { readonly timestampMs: number },
  ): Promise<void> {
    const { consumers, isolation, closed: signal } = this.#deps
    const askedFor = new Map(open.map(asked => [keyOf(asked), asked]))
    const later: Promise<void>[] = []
    const onAnswer = (answers: readonly OffsetAnswer[]) => {
      const left = this.#takeAnswers(answers, askedFor)
      // Nothing is as young as that: the next record to come is.
      if (typeof at === 'object') later.push(this.#step(left, () => this.#resolveAt(left, 'latest')))
    }
    await consumers.askOffsets(open.map(plain), at, { isolation, signal, onAnswer })
    await Promise.all(later)
  }

  /** @returns those that have no record at the time that was asked for. */
  #takeAnswers(
    answers: readonly OffsetAnswer[],
    askedFor: ReadonlyMap<string, UnresolvedPosition>,
  ): UnresolvedPosition[] {
    const found: UnresolvedPosition[] = []
    const left: UnresolvedPosition[] = []
    for (const answer of answers) {
      const asked = askedFor.get(keyOf(answer))
      if (asked === undefined) continue
      if (answer.error !== undefined) this.#fail([asked], answer.error)
      else if (answer.offset === undefined) left.push(asked)
      else {
        this.#deps.positions.resolve(asked, answer.offset, false)
        found.push(asked)
      }
    }
    if (found.length > 0) this.#settled(found)
    return left
  }
}

/** The partition and what is looked for: two look-ups of one kind are not to run at once. */
function lookUpOf(asked: UnresolvedPosition): string {
  return `${asked.target} ${keyOf(asked)}`
}

function split<T>(all: readonly T[], belongs: (one: T) => boolean): [T[], T[]] {
  const sides: [T[], T[]] = [[], []]
  for (const one of all) sides[belongs(one) ? 0 : 1].push(one)
  return sides
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
