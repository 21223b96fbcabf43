import type { TopicPartition } from '../ports/kafka-cluster.ts'
import { brokerCodes } from './broker-codes.ts'
import { decodeAssignment } from './consumer-protocol.ts'
import type { GroupCalls, JoinAnswer, MemberIdentity } from './group-calls.ts'
import type { GroupLeader, PartitionCounts } from './group-leader.ts'

/** What a member got in a generation. */
export interface Share {
  readonly partitions: readonly TopicPartition[]
  /** The partition counts that its division as the leader is based on. */
  readonly counts: PartitionCounts | undefined
}

/**
 * The second half of a join: divides the partitions if this member leads, and fetches its own share. A static member
 * that came back as the leader of a group that goes on is told to skip the division (KIP-814).
 * @throws KafkaError when there is no answer, or no metadata to divide by.
 */
export async function syncGroup(
  { calls, leader }: { readonly calls: GroupCalls; readonly leader: GroupLeader },
  identity: MemberIdentity,
  { generation, leader: leaderId, members, protocol, skipAssignment }: JoinAnswer,
  signal: AbortSignal,
): Promise<{ errorCode: number; share: Share }> {
  const leads = leaderId === identity.memberId
  const divided = leads && !skipAssignment ? await leader.assign(protocol, members, signal) : undefined
  const assignments = divided?.assignments ?? []
  const answer = await calls.sync({ ...identity, generation, protocol, assignments }, signal)
  const partitions = answer.errorCode === brokerCodes.none ? decodeAssignment(answer.assignment) : []
  return { errorCode: answer.errorCode, share: { partitions, counts: divided?.counts } }
}
