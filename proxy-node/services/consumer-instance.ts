import type { Timer } from '../../shared/clock.ts'
import { type InstanceRef, instanceKey } from '../../shared/ids.ts'
import type { OffsetBody, PartitionBody, PositionsBody } from '../../shared/rest/v2-consumer-shapes.ts'
import type { TopicPartition } from '../ports/kafka-cluster.ts'
import type { CommittedOffset } from '../ports/kafka-consumer.ts'
import type { HeldPlacement } from '../ports/placements.ts'
import { waitAtMost } from './bounded-wait.ts'
import { type CloseReason, InstanceGone } from './instance-gone.ts'
import {
  createInstanceParts,
  type InstanceDeps,
  type InstanceOptions,
  type InstanceParts,
} from './instance-parts.ts'
import type { ReadQuery } from './instance-reads.ts'
import type { InstanceSettings } from './instance-settings.ts'
import { linkSignals } from './linked-signal.ts'
import { OperationQueue } from './operation-queue.ts'
import type { Way } from './read-outcomes.ts'
import type { RecordedInstance } from './recorded-instance.ts'
import { seekPositions, seekToEnds } from './seek.ts'
import { isTopicName } from './topic-checks.ts'
import type { TopicPattern } from './topic-pattern.ts'

/** Whoever asks for an operation: which way the request came, and whether it is still there. */
export interface Call {
  readonly way: Way
  readonly signal: AbortSignal
}

/**
 * One consumer instance: one operation at a time, in order of arrival. What an operation confirms of the last read is
 * decided when its turn comes. DELETE, expiry and stop do not queue: they end what runs.
 */
export class ConsumerInstance {
  readonly ref: InstanceRef
  readonly key: string
  readonly settings: InstanceSettings
  readonly #deps: InstanceDeps
  readonly #options: InstanceOptions
  readonly #queue = new OperationQueue()
  readonly #closed = new AbortController()
  readonly #parts: InstanceParts
  #touchedAt: number
  #autoCommitTimer: Timer | undefined
  #closing: Promise<void> | undefined
  #handedOver: InstanceGone | undefined

  constructor(options: InstanceOptions, deps: InstanceDeps) {
    this.ref = options.ref
    this.key = instanceKey(options.ref)
    this.settings = options.settings
    this.#options = options
    this.#deps = deps
    this.#touchedAt = deps.clock.monotonic()
    this.#parts = createInstanceParts(options, deps, this.#closed.signal, () => this.touch())
    this.#scheduleAutoCommit()
  }

  /** Set when it is being handed to another node: why operations are refused here, and until when that takes. */
  get handedOver(): InstanceGone | undefined {
    return this.#handedOver
  }

  get placement(): HeldPlacement {
    return this.#options.placement
  }

  /** Ms since anything was done with the instance; 0 while an operation runs or waits. */
  get idleMs(): number {
    return this.#queue.size > 0 ? 0 : this.#deps.clock.monotonic() - this.#touchedAt
  }

  /** The topics of its subscription; for a pattern those that match now (contract v2 §2.11). */
  get topics(): readonly string[] {
    return this.#parts.subscription.topics
  }

  /** Partitions assigned by the group or by the client (contract v2 §2.12). */
  get partitions(): readonly TopicPartition[] {
    return this.#parts.positions.partitions
  }

  /** Whether new topics matter to it. */
  get hasPattern(): boolean {
    return this.#parts.subscription.state.kind === 'pattern'
  }

  /** The instance was asked for something: it does not expire for another idle time-out. */
  touch(): void {
    this.#touchedAt = this.#deps.clock.monotonic()
    this.#options.placement.touch(this.#deps.clock.now() + this.#deps.settings.instanceTimeoutMs)
  }

  /** Goes on where an earlier holder was. Operations wait for its first assignment, or for a second. */
  resume({ positions, read, subscription, memberId }: RecordedInstance): void {
    this.#parts.positions.goOnFrom(positions)
    if (read !== undefined) this.#parts.reads.goOnFrom(read)
    this.#parts.subscription.resume(subscription, memberId)
    this.#queue
      .run(() =>
        this.#parts.subscription.settled(this.#deps.settings.subscriptionWaitMs, this.#closed.signal),
      )
      // Only closing ends it.
      .catch(() => undefined)
  }

  /**
   * Subscribes to topics in place of earlier ones; an empty list unsubscribes (contract v2 §2.11). Answers after the
   * first assignment, so that with `latest` everything produced after the answer is read; or after a second.
   * @throws RestError illegalState.
   */
  subscribe(topics: readonly string[], call: Call): Promise<void> {
    if (topics.length === 0) return this.unsubscribe(call)
    return this.#confirming(call, async signal => {
      await this.#parts.subscription.subscribe(topics)
      await this.#subscribed(signal)
    })
  }

  /** Subscribes to the topics that match, now and later. @throws RestError illegalState. */
  subscribePattern(pattern: TopicPattern, call: Call): Promise<void> {
    return this.#confirming(call, async signal => {
      await this.#parts.subscription.subscribePattern(pattern)
      await this.#subscribed(signal)
    })
  }

  /** Ends a subscription or a manual assignment; leaves the group. */
  unsubscribe(call: Call): Promise<void> {
    return this.#confirming(call, async () => {
      await this.#parts.subscription.unsubscribe()
      this.#parts.reads.forget()
      await this.#parts.spec.write()
    })
  }

  /** A subscribe request that asks for nothing (contract v2 §2.11); like every other it confirms the last read. */
  subscribeNothing(call: Call): Promise<void> {
    return this.#confirming(call, async () => undefined)
  }

  /** Assigns partitions by hand; an empty list unassigns and unsubscribes. @throws RestError illegalState. */
  assign(partitions: readonly PartitionBody[], call: Call): Promise<void> {
    if (partitions.length === 0) return this.unsubscribe(call)
    return this.#confirming(call, async signal => {
      await this.#parts.subscription.assign(partitions)
      await this.#subscribed(signal)
    })
  }

  /** Moves positions (contract v2 §2.13). @throws as `seekPositions`. */
  seek(body: PositionsBody, call: Call): Promise<void> {
    return this.#confirming(call, async signal => {
      await this.#assignmentKnown(signal)
      const isolation = this.#deps.settings.isolation
      await seekPositions({ ...this.#deps, positions: this.#parts.positions, isolation }, body, signal)
      this.#parts.resolver.start()
      await this.#parts.record()
    })
  }

  /** Moves positions to the beginning or the end; none named = all assigned. @throws as `seekToEnds`. */
  seekTo(target: 'earliest' | 'latest', partitions: readonly PartitionBody[], call: Call): Promise<void> {
    return this.#confirming(call, async signal => {
      await this.#assignmentKnown(signal)
      seekToEnds(this.#parts.positions, partitions, target)
      this.#parts.resolver.start()
      await this.#parts.record()
    })
  }

  /**
   * Commits what was handed out, without telling of a failure (contract v2 §2.15). It waits for Kafka for a while
   * all the same: a client that was answered can then expect to find its commit.
   */
  commitHandedOut(call: Call): Promise<void> {
    return this.#confirming(call, async signal => {
      const { clock, settings } = this.#deps
      await waitAtMost(this.#parts.commits.commitConfirmed(), settings.commitAsyncWaitMs, clock, signal)
      this.touch()
    })
  }

  /**
   * Commits offset + 1 of each entry, as the contract has it (v2 §2.15), and moves no position.
   * @throws KafkaError; RestError kafkaRetriable for a partition that does not exist.
   */
  commitOffsets(offsets: readonly OffsetBody[], call: Call): Promise<void> {
    return this.#confirming(call, async signal => {
      if (offsets.length === 0) return
      await this.#assignmentKnown(signal)
      const stored = offsets.map(entry => ({ ...entry, offset: entry.offset + 1n }))
      const { commits, resolver, subscription } = this.#parts
      await commits.commitOffsets(stored, subscription.member, signal, () => resolver.start())
      this.touch()
    })
  }

  /** What the group has committed; partitions without a commit are left out (contract v2 §2.16). @throws KafkaError */
  async committed(partitions: readonly PartitionBody[], call: Call): Promise<readonly CommittedOffset[]> {
    const known = partitions.filter(({ topic, partition }) => partition >= 0 && isTopicName(topic))
    if (known.length === 0) return []
    const { controller, unlink } = linkSignals(call.signal, this.#closed.signal)
    try {
      return await this.#deps.consumers.committed(this.ref.group, known, controller.signal)
    } finally {
      unlink()
    }
  }

  /**
   * Reads records: the answer's bytes, a JSON array. Resolves with the first record or at the end of the wait, so
   * that failures before it are the answer; after it nothing is an error, the array is closed and the next read
   * answers what happened. The next operation runs when `outcome.ended` is.
   * @throws RestError readBeforeSubscribe, undecodableRecord, readMemoryExhausted …; KafkaError; InstanceGone.
   */
  read(query: Omit<ReadQuery, 'arrivedAt'>, call: Call): Promise<AsyncGenerator<Buffer, void>> {
    const started = Promise.withResolvers<AsyncGenerator<Buffer, void>>()
    const arrivedAt = this.#deps.clock.monotonic()
    this.#confirming(call, signal =>
      this.#parts.reads.run({ ...query, arrivedAt }, signal, started.resolve),
    ).catch(started.reject)
    return started.promise
  }

  /** What a gateway reports about a read that it forwarded. */
  readReported(readId: string, delivered: boolean): void {
    this.#parts.reads.reported(readId, delivered)
  }

  /** Takes a new listing of the topics that are not internal. @throws InstanceGone. */
  topicsListed(names: readonly string[]): Promise<void> {
    return this.#parts.subscription.topicsListed(names)
  }

  /**
   * Closes the instance. An operation that runs is ended: a read that has sent nothing answers that the instance is
   * gone, any other closes its array. Held by another by now (`lost`, `fenced`): nothing is committed and the group
   * is not left. Bounded by `instance.close.timeout.ms`.
   * @param way of the DELETE, which confirms the last read.
   */
  close(reason: CloseReason, way: Way = { connection: {} }): Promise<void> {
    this.#closing ??= this.#close(reason, way)
    return this.#closing
  }

  /**
   * Gives the instance to another node, exactly as it is: what is confirmed is committed, the group is not left, and the
   * placement is anyone's, with the positions and the read that nobody has confirmed yet. Whatever runs here is ended.
   * Where that cannot be done the instance is closed like that of a node that stops.
   * @param findSuccessor called when another node may take it.
   */
  handOver(findSuccessor: () => Promise<unknown>): Promise<void> {
    this.#closing ??= this.#handOver(findSuccessor)
    return this.#closing
  }

  async #handOver(findSuccessor: () => Promise<unknown>): Promise<void> {
    const { promise: over, resolve: end } = Promise.withResolvers<void>()
    this.#handedOver = new InstanceGone('handed-over', over)
    this.#end(this.#handedOver)
    try {
      const closeTimeoutMs = this.#deps.settings.instanceCloseTimeoutMs
      await waitAtMost(
        this.#queue.run(async () => undefined),
        closeTimeoutMs,
        this.#deps.clock,
      )
      const spec = await this.#lastSpec()
      if (spec !== undefined && (await this.#options.placement.handBack(spec))) {
        await this.#parts.subscription.stop()
        await findSuccessor()
      } else await this.#giveUp()
    } catch (error) {
      this.#deps.log.warn({ ...this.ref, err: error }, 'handing an instance over failed')
    } finally {
      end()
    }
  }

  /** Could not be handed over: another has it already, or it ends like an instance of a node that stops. */
  async #giveUp(): Promise<void> {
    const { placement } = this.#options
    if (!(await placement.mayServe())) return this.#parts.subscription.stop()
    await this.#leave({ connection: {} })
    await placement.release('owner-lost')
  }

  /** What another node goes on from; nothing is read or committed here after it. */
  async #lastSpec(): Promise<string | undefined> {
    const read = await this.#parts.reads.handOver()
    await this.#commitLast()
    await this.#parts.spec.written()
    return this.#parts.handOverSpec(read)
  }

  #end(gone: InstanceGone): void {
    this.#closed.abort(gone)
    this.#autoCommitTimer?.cancel()
    const { reason } = gone
    this.#deps.metrics.count('kafka_rest_node_consumer_instances_closed_total', { reason })
    this.#deps.log.info({ ...this.ref, reason }, 'a consumer instance was closed')
  }

  async #close(reason: CloseReason, way: Way): Promise<void> {
    const { log } = this.#deps
    this.#end(new InstanceGone(reason))
    try {
      if (reason === 'lost' || reason === 'fenced') await this.#parts.subscription.stop()
      else await this.#leave(way)
    } catch (error) {
      log.warn({ ...this.ref, err: error }, 'closing an instance failed')
    }
    // Lost: it is another's now. Fenced: whoever has the identity now has the placement too, or will claim it.
    if (reason !== 'lost')
      await this.#options.placement.release(
        reason === 'fenced' || reason === 'handed-over' ? 'owner-lost' : reason,
      )
  }

  /** The client's last words, then the group's other members take over at once. */
  async #leave(way: Way): Promise<void> {
    await this.#parts.reads.settle(way)
    const committed = this.#commitLast()
    this.#parts.positions.revoke()
    await committed
    await this.#parts.subscription.leave()
  }

  /** Auto-commits what is confirmed, once more. */
  async #commitLast(): Promise<void> {
    const { clock, settings } = this.#deps
    const { commits, positions } = this.#parts
    const pending = this.settings.autoCommit ? positions.uncommitted() : []
    // Earlier commits, one without a body among them, may still be under way: the member must not leave before.
    const committed = commits.autoCommit(pending, settings.instanceCloseTimeoutMs).then(() => commits.idle())
    await waitAtMost(committed, settings.instanceCloseTimeoutMs, clock)
  }

  /** One operation in its turn, after what it confirms was decided. */
  #confirming<T>(call: Call, operation: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#queue.run(async () => {
      this.#closed.signal.throwIfAborted()
      const { controller, unlink } = linkSignals(call.signal, this.#closed.signal)
      try {
        await this.#parts.reads.settle(call.way)
        controller.signal.throwIfAborted()
        return await operation(controller.signal)
      } catch (error) {
        // Whatever a cancelled call throws, the reason is that the instance is gone.
        this.#closed.signal.throwIfAborted()
        throw error
      } finally {
        unlink()
        this.touch()
      }
    }, call.signal)
  }

  /** What subscribing and assigning wait for: the spec is recorded, and the first assignment known if it is soon. */
  async #subscribed(signal: AbortSignal): Promise<void> {
    this.#parts.reads.forget()
    await this.#parts.spec.write()
    await this.#parts.subscription.settled(this.#deps.settings.subscriptionWaitMs, signal)
    await this.#parts.spec.written()
  }

  /** During a rebalance there is no assignment for a moment: what needs one waits for the next. */
  async #assignmentKnown(signal: AbortSignal): Promise<void> {
    await this.#parts.subscription.assignmentKnown(this.#deps.settings.subscriptionWaitMs, signal)
  }

  #scheduleAutoCommit(): void {
    if (!this.settings.autoCommit || this.#closed.signal.aborted) return
    const { clock, settings } = this.#deps
    this.#autoCommitTimer = clock.after(settings.autoCommitIntervalMs, () => {
      void this.#parts.commits
        .autoCommitInTurn()
        .then(committed => (committed ? this.#parts.record() : undefined))
        .finally(() => this.#scheduleAutoCommit())
    })
  }
}
