/** Error numbers of the Kafka protocol ("Error codes") that these drivers act on. */
export const brokerCodes = {
  none: 0,
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  notLeaderOrFollower: 6,
  requestTimedOut: 7,
  brokerNotAvailable: 8,
  replicaNotAvailable: 9,
  coordinatorLoadInProgress: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  illegalGeneration: 22,
  inconsistentGroupProtocol: 23,
  unknownMemberId: 25,
  rebalanceInProgress: 27,
  kafkaStorageError: 56,
  fencedLeaderEpoch: 74,
  unknownLeaderEpoch: 75,
  offsetNotAvailable: 78,
  memberIdRequired: 79,
  fencedInstanceId: 82,
  unstableOffsetCommit: 88,
  unknownTopicId: 100,
  inconsistentTopicId: 103,
} as const

/** The coordinator moved, is not there yet, or is still reading its log: ask again, perhaps another broker. */
export function isCoordinatorError(code: number): boolean {
  return (
    code === brokerCodes.coordinatorLoadInProgress ||
    code === brokerCodes.coordinatorNotAvailable ||
    code === brokerCodes.notCoordinator
  )
}

const leaderErrors: ReadonlySet<number> = new Set([
  brokerCodes.unknownTopicOrPartition,
  brokerCodes.leaderNotAvailable,
  brokerCodes.notLeaderOrFollower,
  brokerCodes.replicaNotAvailable,
  brokerCodes.kafkaStorageError,
  brokerCodes.fencedLeaderEpoch,
  brokerCodes.unknownLeaderEpoch,
  brokerCodes.offsetNotAvailable,
  brokerCodes.unknownTopicId,
  brokerCodes.inconsistentTopicId,
])

/** The asked broker does not (any more, or not yet) lead the partition: fresh metadata may mend it. */
export function isLeaderError(code: number): boolean {
  return leaderErrors.has(code)
}
