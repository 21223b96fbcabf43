import { Reader, Writer } from '@platformatic/kafka'
import type { TopicPartition } from '../ports/kafka-cluster.ts'

/**
 * What members of a consumer group tell each other through the broker (Kafka protocol, `ConsumerProtocolSubscription`
 * and `ConsumerProtocolAssignment`). Read at any version, since later ones only add fields at the end.
 */
const SUBSCRIPTION_VERSION = 2
const ASSIGNMENT_VERSION = 1

/**
 * A member's metadata in JoinGroup: its topics, no user data, and no owned partitions (we rebalance eagerly).
 * @param generation the field of KIP-792, −1 for none. It speaks of owned partitions, of which there are
 *   none, but the broker compares the bytes: a member that joins again with the ones it has is given its old assignment back, and
 *   with others it starts a rebalance.
 */
export function encodeSubscription(topics: readonly string[], generation: number): Buffer {
  return Writer.create()
    .appendInt16(SUBSCRIPTION_VERSION)
    .appendArray([...topics], (writer, topic) => writer.appendString(topic, false), false, false)
    .appendBytes(null, false)
    .appendArray([], () => {}, false, false)
    .appendInt32(generation).buffer
}

/** What one member's metadata says. */
export interface MemberSubscription {
  readonly topics: readonly string[]
  /** The assignor's own bytes; null for none. */
  readonly userData: Buffer | null
  /** Partitions that the member did not give up before it joined (KIP-429). */
  readonly owned: readonly TopicPartition[]
  /** The generation in which it was given them (KIP-792); −1 for unknown. */
  readonly generation: number
}

/** @throws RangeError or the library's out-of-bounds error for bytes that are no subscription. */
export function decodeSubscription(metadata: Buffer): MemberSubscription {
  const reader = Reader.from(metadata)
  const version = reader.readInt16()
  const topics = reader.readArray(entry => entry.readString(false), false, false)
  // Members of other clients may end early: what is missing is nothing.
  const userData = reader.remaining > 0 ? reader.readNullableBytes(false) : null
  const owned = version >= 1 && reader.remaining > 0 ? readPartitions(reader) : []
  const generation = version >= 2 && reader.remaining > 0 ? reader.readInt32() : -1
  return { topics, userData, owned, generation }
}

/**
 * What Java's `StickyAssignor` keeps in a member's user data: the partitions that it had, and in which generation.
 * @throws as `decodeSubscription`.
 */
export function decodeStickyUserData(userData: Buffer): Pick<MemberSubscription, 'owned' | 'generation'> {
  const reader = Reader.from(userData)
  const owned = readPartitions(reader)
  return { owned, generation: reader.remaining > 0 ? reader.readInt32() : -1 }
}

/** One member's share, as the leader sends it in SyncGroup. */
export function encodeAssignment(partitions: readonly TopicPartition[]): Buffer {
  return Writer.create()
    .appendInt16(ASSIGNMENT_VERSION)
    .appendArray(
      [...Map.groupBy(partitions, ({ topic }) => topic)],
      (writer, [topic, list]) =>
        writer
          .appendString(topic, false)
          .appendArray(list, (entry, { partition }) => entry.appendInt32(partition), false, false),
      false,
      false,
    )
    .appendBytes(null, false).buffer
}

/** No bytes at all mean no partitions: what the broker answers to a member that the leader left out. */
export function decodeAssignment(assignment: Buffer): TopicPartition[] {
  if (assignment.length === 0) return []
  const reader = Reader.from(assignment)
  reader.readInt16()
  return readPartitions(reader)
}

function readPartitions(reader: Reader): TopicPartition[] {
  const topics = reader.readArray(
    entry => {
      const topic = entry.readString(false)
      const partitions = entry.readArray(list => list.readInt32(), false, false)
      return partitions.map(partition => ({ topic, partition }))
    },
    false,
    false,
  )
  return topics.flat()
}
