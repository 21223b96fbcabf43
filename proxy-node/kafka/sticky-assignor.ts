import type { TopicPartition } from '../ports/kafka-cluster.ts'
import { type Assignor, byCodeUnits, type GroupMemberTopics, inMemberOrder } from './assignor.ts'
import { decodeStickyUserData } from './consumer-protocol.ts'

/**
 * The two sticky protocols of Java's clients. Their members only ask of a leader that it divides evenly, moves little
 * and, cooperatively, gives nobody what another still has: so the division is our own, not Java's to the letter. Members
 * of ours give everything up before they join, whatever the protocol, and so own nothing here.
 */

/** A partition with the members that want it, and who has it by now. */
interface Place extends TopicPartition {
  readonly takers: readonly GroupMemberTopics[]
  owner: string | undefined
}

/** Java's `StickyAssignor`: members have given everything up, and tell in their user data what they had. */
export const assignSticky: Assignor = (members, partitionCounts) =>
  divide(members, partitionCounts, claimsOf(members.map(withUserData)))

/**
 * Java's `CooperativeStickyAssignor` (KIP-429): members keep what they have during the rebalance. What moves from one to
 * another is given to nobody yet: its owner gives it up when it sees its new share, and joins again, and the rebalance
 * after that hands it over.
 */
export const assignCooperatively: Assignor = (members, partitionCounts) => {
  const claims = claimsOf(members)
  const shares = divide(members, partitionCounts, claims)
  const isFree = (memberId: string, partition: TopicPartition) =>
    (claims.get(keyOf(partition)) ?? []).every(claimant => claimant === memberId)
  return new Map(
    [...shares].map(([memberId, share]) => [memberId, share.filter(place => isFree(memberId, place))]),
  )
}

function withUserData(member: GroupMemberTopics): GroupMemberTopics {
  try {
    return member.userData === null ? member : { ...member, ...decodeStickyUserData(member.userData) }
  } catch {
    // Of another client, in a form of its own: nothing is known of what the member had.
    return member
  }
}

/**
 * Who has which partition. Of several the one of the latest generation counts (KIP-792): the others have missed a
 * rebalance, and have lost it.
 */
function claimsOf(members: readonly GroupMemberTopics[]): ReadonlyMap<string, readonly string[]> {
  const claims = new Map<string, { generation: number; memberIds: string[] }>()
  for (const { memberId, owned, generation } of members) {
    for (const partition of owned) {
      const key = keyOf(partition)
      const known = claims.get(key)
      if (known === undefined || known.generation < generation)
        claims.set(key, { generation, memberIds: [memberId] })
      else if (known.generation === generation) known.memberIds.push(memberId)
    }
  }
  return new Map([...claims].map(([key, { memberIds }]) => [key, memberIds]))
}

/**
 * Everybody keeps what they have, the rest goes to whoever has least, and then partitions move from those who have two
 * more than another that wants them. Each move makes the loads more even, so it comes to an end.
 */
function divide(
  members: readonly GroupMemberTopics[],
  partitionCounts: ReadonlyMap<string, number>,
  claims: ReadonlyMap<string, readonly string[]>,
): ReadonlyMap<string, readonly TopicPartition[]> {
  const loads = new Map(members.map(({ memberId }) => [memberId, 0]))
  const load = (memberId: string) => loads.get(memberId) ?? 0
  const give = (place: Place, memberId: string) => {
    if (place.owner !== undefined) loads.set(place.owner, load(place.owner) - 1)
    loads.set(memberId, load(memberId) + 1)
    place.owner = memberId
  }
  const idlest = ({ takers }: Place) =>
    takers.reduce(
      (least, { memberId }) => (load(memberId) < load(least) ? memberId : least),
      takers[0]?.memberId ?? '',
    )
  const places = placesOf(members, partitionCounts)
  for (const place of places) {
    const [claimant, ...others] = claims.get(keyOf(place)) ?? []
    if (claimant !== undefined && others.length === 0 && place.takers.some(isMember(claimant)))
      give(place, claimant)
  }
  // Those that few members want first: the others can make up for them.
  const free = places.filter(({ owner }) => owner === undefined)
  for (const place of free.toSorted((a, b) => a.takers.length - b.takers.length)) give(place, idlest(place))
  for (let moved = true; moved; ) {
    moved = false
    for (const place of places) {
      const taker = idlest(place)
      if (place.owner === undefined || load(place.owner) - load(taker) < 2) continue
      give(place, taker)
      moved = true
    }
  }
  const shares = new Map<string, TopicPartition[]>(members.map(({ memberId }) => [memberId, []]))
  for (const { topic, partition, owner = '' } of places) shares.get(owner)?.push({ topic, partition })
  return shares
}

/** The partitions that anybody wants, topics in alphabetical order. */
function placesOf(
  members: readonly GroupMemberTopics[],
  partitionCounts: ReadonlyMap<string, number>,
): readonly Place[] {
  const sorted = members.toSorted(inMemberOrder)
  return [...partitionCounts.keys()].sort(byCodeUnits).flatMap(topic => {
    const takers = sorted.filter(({ topics }) => topics.has(topic))
    const count = takers.length === 0 ? 0 : (partitionCounts.get(topic) ?? 0)
    return Array.from({ length: count }, (_, partition) => ({ topic, partition, takers, owner: undefined }))
  })
}

const isMember = (wanted: string) => (member: GroupMemberTopics) => member.memberId === wanted

const keyOf = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`
