import { abortable } from '../../shared/abortable.ts'
import type { Clock } from '../../shared/clock.ts'
import { RestError } from '../../shared/errors/rest-error.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import type { Metrics } from '../../shared/observability/metrics.ts'
import type { ProxyNodeMetric } from '../metrics.ts'
import type { KafkaCluster } from '../ports/kafka-cluster.ts'
import type { CommittedOffset, GroupMember, KafkaConsumers } from '../ports/kafka-consumer.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import { OperationQueue } from './operation-queue.ts'
import { keyOf, type PendingCommit, type Positions } from './positions.ts'

export interface CommitsDeps {
  readonly group: string
  readonly consumers: Pick<KafkaConsumers, 'commit'>
  readonly cluster: Pick<KafkaCluster, 'topicWith'>
  readonly positions: Positions
  /** Whether this node still holds the instance: asked right before each OffsetCommit. */
  readonly mayServe: () => Promise<boolean>
  /** What an operation answers once the instance is not held any more. */
  readonly gone: () => Error
  /** FENCED_INSTANCE_ID: another holder has joined with this instance's identity. */
  readonly onFenced: () => void
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<Metrics<ProxyNodeMetric>, 'count'>
  readonly commitTimeoutMs: number
  /** Aborts when the instance is closed. */
  readonly closed: AbortSignal
}

/** What the client asks for itself. */
interface Explicit {
  /** Whether the client is still there, and the instance. */
  readonly signal: AbortSignal
  /** Called when all were accepted, before the next commit begins. */
  readonly onCommitted: () => void
}

const backoffMs = 100
/** How long a broker that does not know a topic may lag behind; after that the topic is gone. */
const unknownTopicMs = 1000

/**
 * The offset commits of one instance: one OffsetCommit at a time, in the order in which they were asked for, so that
 * none overtakes a newer one. Each carries the identity that its records were handed out with: the broker refuses it
 * after a rebalance, and nothing is ever retried under another generation.
 */
export class Commits {
  readonly #deps: CommitsDeps
  readonly #queue = new OperationQueue()
  /** Auto-commits that wait for their turn with positions of before, by partition. */
  readonly #waiting = new Set<Map<string, PendingCommit>>()

  constructor(deps: CommitsDeps) {
    this.#deps = deps
  }

  /**
   * Commits confirmed positions that were not committed yet. Never throws: a failure is counted, and the next
   * commit covers it. What the client commits itself until the turn comes is left out: a commit back is meant.
   * @param pending what to commit; taken before a rebalance gives the partitions up.
   * @param timeoutMs how long to try again while Kafka fails in a way that may pass.
   */
  async autoCommit(pending: readonly PendingCommit[], timeoutMs: number): Promise<void> {
    if (pending.length === 0) return
    const waiting = new Map(pending.map(commit => [keyOf(commit), commit]))
    this.#waiting.add(waiting)
    await this.#autoCommit(() => [...waiting.values()], timeoutMs)
    this.#waiting.delete(waiting)
  }

  /**
   * Commits confirmed positions that were not committed yet when its turn comes: an explicit commit that is under way
   * may be about them. Once; never throws.
   * @returns whether there was anything to commit.
   */
  async autoCommitInTurn(): Promise<boolean> {
    const { positions } = this.#deps
    if (positions.uncommitted().length === 0) return false
    await this.#autoCommit(() => positions.uncommitted(), 0)
    return true
  }

  /** Resolves when the commits that were asked for have ended, however. */
  async idle(): Promise<void> {
    await this.#queue.run(async () => undefined)
  }

  async #autoCommit(pending: () => readonly PendingCommit[], timeoutMs: number): Promise<void> {
    try {
      await this.#enqueue(pending, timeoutMs)
      this.#deps.metrics.count('kafka_rest_node_commits_total', { kind: 'auto', outcome: 'committed' })
    } catch (error) {
      this.#deps.metrics.count('kafka_rest_node_commits_total', { kind: 'auto', outcome: 'failed' })
      this.#deps.log.info({ group: this.#deps.group, err: error }, 'an auto-commit failed')
    }
  }

  /**
   * Commits everything that the client has confirmed: a commit without a body, which tells nobody of its failure
   * (contract v2 §2.15).
   */
  async commitConfirmed(): Promise<void> {
    const pending = this.#deps.positions.confirmed()
    if (pending.length === 0) return
    try {
      await this.#enqueue(() => pending, this.#deps.commitTimeoutMs)
      this.#deps.metrics.count('kafka_rest_node_commits_total', { kind: 'confirmed', outcome: 'committed' })
    } catch (error) {
      this.#deps.metrics.count('kafka_rest_node_commits_total', { kind: 'confirmed', outcome: 'failed' })
      this.#deps.log.warn({ group: this.#deps.group, err: error }, 'a commit without a body failed')
    }
  }

  /**
   * Commits offsets of the client's choice, and moves no position. A caller that leaves is not waited for; but once it is
   * this commit's turn, it keeps it until Kafka has answered: the next one goes another connection, and Kafka could read
   * that one first.
   * @param current the membership's identity now, for partitions of which nothing was handed out here.
   * @param onCommitted called when all were accepted, though the caller may have left.
   * @throws KafkaError; RestError kafkaRetriable for a partition that does not exist.
   */
  async commitOffsets(
    offsets: readonly CommittedOffset[],
    current: GroupMember | undefined,
    signal: AbortSignal,
    onCommitted: () => void = () => undefined,
  ): Promise<void> {
    await this.#checkPartitions(offsets, signal)
    // The last of two entries for a partition counts.
    const distinct = new Map(offsets.map(offset => [keyOf(offset), offset]))
    const pending = [...distinct.values()].map(offset => ({
      ...offset,
      member: this.#deps.positions.handedOutBy(offset) ?? current,
    }))
    const explicit = {
      signal,
      onCommitted: () => {
        for (const offset of offsets) this.#committedByClient(offset)
        onCommitted()
      },
    }
    const committed = this.#enqueue(() => pending, this.#deps.commitTimeoutMs, explicit)
    const count = (outcome: string) =>
      this.#deps.metrics.count('kafka_rest_node_commits_total', { kind: 'explicit', outcome })
    committed.then(
      () => count('committed'),
      () => count('failed'),
    )
    await abortable(committed, signal)
  }

  #committedByClient(offset: CommittedOffset): void {
    this.#deps.positions.committedByClient(offset)
    for (const waiting of this.#waiting) waiting.delete(keyOf(offset))
  }

  #enqueue(pending: () => readonly PendingCommit[], timeoutMs: number, explicit?: Explicit): Promise<void> {
    return this.#queue.run(async () => {
      const deadline = this.#deps.clock.monotonic() + timeoutMs
      for (const [member, commits] of Map.groupBy(pending(), commit => commit.member)) {
        await this.#send(member, commits, deadline, explicit && this.#deps.closed)
        this.#deps.positions.committed(commits)
      }
      explicit?.onCommitted()
    }, explicit?.signal)
  }

  /** @param signal ends it between two attempts. */
  async #send(
    member: GroupMember | undefined,
    commits: readonly PendingCommit[],
    deadline: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const { group, consumers, clock } = this.#deps
    const unknownUntil = Math.min(deadline, clock.monotonic() + unknownTopicMs)
    for (;;) {
      if (!(await this.#deps.mayServe())) throw this.#deps.gone()
      try {
        return await consumers.commit(group, member, commits.map(withoutMember), signal)
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error
        if (error.kind === 'FENCED_INSTANCE_ID') this.#deps.onFenced()
        // A deleted topic fails the whole commit, though the broker has taken the rest of it: trying on and on would hold
        // up what comes after it, a rebalance among that.
        const until = error.kind === 'UNKNOWN_TOPIC_OR_PARTITION' ? unknownUntil : deadline
        if (!error.retriable || clock.monotonic() + backoffMs >= until) throw error
        await clock.sleep(backoffMs, signal)
      }
    }
  }

  /**
   * The original asks the broker about unknown partitions until its time-out of 60 s; metadata tells at once, with
   * the same status and code.
   */
  async #checkPartitions(offsets: readonly CommittedOffset[], signal: AbortSignal): Promise<void> {
    for (const { topic, partition } of offsets) {
      const found = await this.#deps.cluster.topicWith({ topic, partition }, signal)
      if (found?.partitions[partition] === undefined)
        throw new RestError(
          'kafkaRetriable',
          `The partition ${topic}-${partition} is not present in metadata.`,
        )
    }
  }
}

function withoutMember({ topic, partition, offset, metadata }: PendingCommit): CommittedOffset {
  return { topic, partition, offset, metadata }
}
