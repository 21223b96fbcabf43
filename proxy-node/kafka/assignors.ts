import type { TopicPartition } from '../ports/kafka-cluster.ts'
import { type Assignor, byCodeUnits, type GroupMemberTopics, inMemberOrder } from './assignor.ts'
import { assignCooperatively, assignSticky } from './sticky-assignor.ts'

/**
 * The assignors by protocol name, in the order of preference in which they are offered to the group: all that Java's
 * clients bring, so that our members can join any group of theirs. The first two give exactly what Java's
 * `RangeAssignor` and `RoundRobinAssignor` give (without racks), so that a group looks the same whoever leads.
 */
export const assignors: ReadonlyMap<string, Assignor> = new Map([
  ['range', assignRanges],
  ['roundrobin', assignRoundRobin],
  ['cooperative-sticky', assignCooperatively],
  ['sticky', assignSticky],
])

/**
 * Ranges, topic by topic: the members that want the topic get contiguous blocks in order, the first ones one more
 * partition if it does not come out even. Topics with the same members and counts are cut alike, so equal partition
 * numbers meet at one member (co-partitioned).
 */
export function assignRanges(
  members: readonly GroupMemberTopics[],
  partitionCounts: ReadonlyMap<string, number>,
): ReadonlyMap<string, readonly TopicPartition[]> {
  const assignment = emptyAssignment(members)
  const sorted = members.toSorted(inMemberOrder)
  for (const [topic, count] of partitionCounts) {
    const takers = sorted.filter(({ topics }) => topics.has(topic))
    let next = 0
    for (const [index, { memberId }] of takers.entries()) {
      const share = Math.floor(count / takers.length) + (index < count % takers.length ? 1 : 0)
      const list = assignment.get(memberId)
      for (const end = next + share; next < end; next++) list?.push({ topic, partition: next })
    }
  }
  return assignment
}

/** One partition after the other to the next member that wants its topic, topics in alphabetical order. */
export function assignRoundRobin(
  members: readonly GroupMemberTopics[],
  partitionCounts: ReadonlyMap<string, number>,
): ReadonlyMap<string, readonly TopicPartition[]> {
  const assignment = emptyAssignment(members)
  const sorted = members.toSorted(inMemberOrder)
  let turn = 0
  for (const topic of [...partitionCounts.keys()].sort(byCodeUnits)) {
    if (!sorted.some(({ topics }) => topics.has(topic))) continue
    const count = partitionCounts.get(topic) ?? 0
    for (let partition = 0; partition < count; ) {
      const member = sorted[turn % sorted.length]
      turn += 1
      if (!member?.topics.has(topic)) continue
      assignment.get(member.memberId)?.push({ topic, partition })
      partition += 1
    }
  }
  return assignment
}

function emptyAssignment(members: readonly GroupMemberTopics[]): Map<string, TopicPartition[]> {
  return new Map(members.map(({ memberId }) => [memberId, []]))
}
