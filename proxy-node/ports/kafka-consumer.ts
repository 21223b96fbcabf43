import type { TopicPartition } from './kafka-cluster.ts'
import type { KafkaError } from './kafka-error.ts'

/**
 * Reading from Kafka and group membership, in our vocabulary. One value serves all consumer instances of the
 * node: an idle instance holds no socket and no buffer of its own. All methods throw KafkaError.
 */
export interface KafkaConsumers {
  /**
   * Fetches on demand at the given positions, from all leaders in parallel, waiting up to `maxWaitMs` for
   * `minBytes`. Control batches and (with read_committed) aborted records are left out, records below the asked
   * offset are dropped, and `nextOffset` moves past compacted and filtered ones. Partitions of which nothing is known
   * yet are not in the answer: a broker that is late (by more than a setting) holds up neither the others nor the read.
   */
  fetch(request: FetchRequest): Promise<readonly FetchedPartition[]>
  /**
   * Resolves positions: all of them, or it throws after a time in which what may pass was tried again. A time resolves to
   * the first record with that timestamp or later, undefined when there is none.
   */
  listOffsets(
    partitions: readonly TopicPartition[],
    at: 'earliest' | 'latest' | { readonly timestampMs: number },
    options: { readonly isolation: Isolation; readonly signal?: AbortSignal },
  ): Promise<readonly PartitionOffset[]>
  /**
   * Asks the leader of each partition once, for whoever needs each position as soon as it can be had. `onAnswer` is told
   * of every leader's answer when it comes, and of each partition's own failure: a leader that is away or late holds up no
   * others. Resolves when the last one has answered or failed.
   * @throws the signal's reason, and what `onAnswer` throws.
   */
  askOffsets(
    partitions: readonly TopicPartition[],
    at: 'earliest' | 'latest' | { readonly timestampMs: number },
    options: {
      readonly isolation: Isolation
      readonly signal?: AbortSignal
      readonly onAnswer: (answers: readonly OffsetAnswer[]) => void
    },
  ): Promise<void>
  /** Committed offsets; partitions without a commit are left out. */
  committed(
    group: string,
    partitions: readonly TopicPartition[],
    signal?: AbortSignal,
  ): Promise<readonly CommittedOffset[]>
  /**
   * One OffsetCommit. `member` is the identity captured when the records were handed out; undefined commits for a
   * group without members (generation −1), as manually assigned instances do. Never rejoins or retries under
   * another generation.
   * @param signal ends it while nothing is under way to a broker. What was sent is waited for: a commit that is sent
   *   after this has ended cannot be overtaken by it.
   */
  commit(
    group: string,
    member: GroupMember | undefined,
    offsets: readonly CommittedOffset[],
    signal?: AbortSignal,
  ): Promise<void>
  /** Opens a static membership (KIP-345) and starts joining; see GroupMembership. */
  join(options: MembershipOptions): GroupMembership
  /**
   * Removes a member that is not ours any more (a dead node's, or an expired one). UNKNOWN_MEMBER_ID and
   * FENCED_INSTANCE_ID mean that it is gone already and resolve.
   */
  removeMember(group: string, member: { memberId: string; groupInstanceId: string }): Promise<void>
  stop(): Promise<void>
}

export type Isolation = 'read_uncommitted' | 'read_committed'

export interface FetchRequest {
  /**
   * The next offset to read of each partition. When there is no room for all, those that come first are served, and they
   * come first in the answer: a reader that always asked in the same order would starve the last.
   */
  readonly positions: readonly PartitionOffset[]
  /** Bound on the bytes of the whole answer; the broker hands out at least one batch, whatever its size. */
  readonly maxBytes: number
  readonly minBytes: number
  /** At most 500: longer waits are made of slices, so that delete, drain and rebalance are not held. */
  readonly maxWaitMs: number
  readonly isolation: Isolation
  readonly signal?: AbortSignal
}

export interface FetchedPartition extends TopicPartition {
  readonly records: readonly FetchedRecord[]
  /** Where to go on after `records`, also when they are empty. */
  readonly nextOffset: bigint
  readonly highWatermark: bigint
  readonly logStartOffset: bigint
  /**
   * This partition's own failure; the others of the answer stand. OFFSET_OUT_OF_RANGE; UNKNOWN_TOPIC_OR_PARTITION,
   * UNKNOWN_TOPIC_ID (deleted, made anew), CONNECTION_LOST … (retriable: the next fetch looks for the leader anew);
   * BATCH_TOO_LARGE (decompressed) and CORRUPT_BATCH, which stay until they are sought past and whose text names the
   * offsets of the batch.
   */
  readonly error: Error | undefined
}

export interface FetchedRecord {
  readonly offset: bigint
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly timestamp: bigint
  readonly headers: readonly (readonly [name: Buffer | null, value: Buffer | null])[]
}

export interface PartitionOffset extends TopicPartition {
  readonly offset: bigint | undefined
}

/** Of one partition: its offset, which may be undefined as `listOffsets` has it, or why it cannot be told now. */
export interface OffsetAnswer extends PartitionOffset {
  readonly error: KafkaError | undefined
}

export interface CommittedOffset extends TopicPartition {
  /** The next offset to read, as Kafka stores it. */
  readonly offset: bigint
  readonly metadata: string
}

/** The identity that commits carry: a stale one is refused by the broker. */
export interface GroupMember {
  readonly memberId: string
  readonly groupInstanceId: string
  readonly generation: number
}

/** Whether a group.instance.id is this node's to join with. */
export type MayJoin = 'yes' | 'no' | 'unknown'

export interface MembershipOptions {
  readonly group: string
  /** `group.instance.id` of KIP-345. */
  readonly groupInstanceId: string
  /**
   * Member id of an earlier run of this instance, to go on as it; empty for a new member, or to take over whoever holds
   * the `group.instance.id`. Only the latter never starts a rebalance: the broker starts one when the member that leads
   * the group joins under its own id.
   */
  readonly memberId: string
  readonly topics: readonly string[]
  /**
   * Set to take over from an earlier holder of the `group.instance.id`: the topics that its assignment was made for, and
   * its member id. The broker gives the assignment on without a rebalance, whatever the new holder subscribes to; where
   * the two differ, the new one starts a rebalance before anything is handed out.
   */
  readonly inherits?: { readonly topics: readonly string[]; readonly memberId: string } | undefined
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  readonly rebalanceTimeoutMs: number
  /**
   * Asked before every JoinGroup with an empty member id: `no` stops the membership for good, `unknown` is asked again
   * after a while. A member that was removed while its process was paused would otherwise join again and fence its
   * successor.
   */
  readonly mayJoin: () => Promise<MayJoin>
  /**
   * Called with all partitions before they are given up for a rejoin, and after the assignment is known. Revocation
   * may commit; it is waited for, up to most of the rebalance time-out. `member` and `assignment` stay until then. When
   * the broker has removed the member already, commits are refused.
   */
  readonly onRevoked: (partitions: readonly TopicPartition[]) => Promise<void>
  readonly onAssigned: (partitions: readonly TopicPartition[], member: GroupMember) => void
  /** The member id was given or changed by the broker: recorded for whoever removes it after a crash. */
  readonly onMemberId: (memberId: string) => void
  /** FENCED_INSTANCE_ID (or `mayJoin` said no): final for this instance on this node. */
  readonly onFenced: () => void
}

/** A static member of a group, kept alive without HTTP traffic until `leave` or `stop`. */
export interface GroupMembership {
  /** Undefined while not in a stable generation, and as soon as no heartbeat was confirmed for the session time-out. */
  readonly member: GroupMember | undefined
  readonly assignment: readonly TopicPartition[]
  /** The last error that keeps it from joining (authorization, session time-out out of bounds …), for the next read. */
  readonly problem: Error | undefined
  /** Replaces the subscription; rejoins when the topics differ. */
  setTopics(topics: readonly string[]): void
  /** Resolves at the next stable assignment (at once if stable; one that is being revoked is none), or after `timeoutMs`. */
  settled(timeoutMs: number, signal?: AbortSignal): Promise<void>
  /**
   * Leaves the group: the broker removes the static member at once. Never rejects: what the broker could not be told
   * within a bound ends with the session time-out, and is logged.
   */
  leave(): Promise<void>
  /** Stops without leaving (hand-over, fenced): the broker keeps the member until its session runs out. */
  stop(): Promise<void>
}
