import type { TopicPartition } from '../ports/kafka-cluster.ts'

/** A member as the leader sees it. */
export interface GroupMemberTopics {
  readonly memberId: string
  readonly groupInstanceId: string | undefined
  readonly topics: ReadonlySet<string>
  /** Partitions that it still has while the group divides them anew (KIP-429). */
  readonly owned: readonly TopicPartition[]
  /** The generation that gave it `owned`; −1 for unknown. */
  readonly generation: number
  /** What the assignor of the member has to say to the one of the leader; null for nothing. */
  readonly userData: Buffer | null
}

/**
 * Divides partitions among members: pure, and the same on every member that leads.
 * @param partitionCounts of the topics that exist; others are left out.
 * @returns every member's partitions, in the order of assignment.
 */
export type Assignor = (
  members: readonly GroupMemberTopics[],
  partitionCounts: ReadonlyMap<string, number>,
) => ReadonlyMap<string, readonly TopicPartition[]>

/** Static members first, by their group.instance.id; then the others by member id: a restart changes no order. */
export function inMemberOrder(a: GroupMemberTopics, b: GroupMemberTopics): number {
  if (a.groupInstanceId !== undefined && b.groupInstanceId !== undefined) {
    return byCodeUnits(a.groupInstanceId, b.groupInstanceId)
  }
  if (a.groupInstanceId !== undefined) return -1
  if (b.groupInstanceId !== undefined) return 1
  return byCodeUnits(a.memberId, b.memberId)
}

/** Java's `String.compareTo`, whatever the locale. */
export function byCodeUnits(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
