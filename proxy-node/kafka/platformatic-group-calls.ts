import { type Connection, heartbeatV4, joinGroupV9, leaveGroupV5, syncGroupV5 } from '@platformatic/kafka'
import { brokerCodes } from './broker-codes.ts'
import type { BrokerAddress } from './broker-connections.ts'
import type {
  GroupCalls,
  JoinAnswer,
  JoinRequest,
  MemberIdentity,
  SyncAnswer,
  SyncRequest,
} from './group-calls.ts'
import type { CallOptions, PlatformaticConnections } from './platformatic-connections.ts'
import type { PlatformaticCoordinators } from './platformatic-coordinators.ts'

const PROTOCOL_TYPE = 'consumer'

/** The calls over the library's raw protocol; each finds the coordinator, and forgets it when it was the wrong one. */
export class PlatformaticGroupCalls implements GroupCalls {
  readonly #connections: PlatformaticConnections
  readonly #coordinators: PlatformaticCoordinators
  readonly #requestTimeoutMs: number

  constructor(deps: {
    connections: PlatformaticConnections
    coordinators: PlatformaticCoordinators
    requestTimeoutMs: number
  }) {
    this.#connections = deps.connections
    this.#coordinators = deps.coordinators
    this.#requestTimeoutMs = deps.requestTimeoutMs
  }

  /**
   * JoinGroup, version 9. The broker answers when all members have joined, at the latest after the largest rebalance
   * time-out in the group; a Java member's may be minutes. Ours is not the largest then, and a join that runs into the
   * time-out here is simply sent again: the broker forgets the first.
   */
  async join(request: JoinRequest, signal: AbortSignal, onSent: () => void): Promise<JoinAnswer> {
    const { group, sessionTimeoutMs, rebalanceTimeoutMs, memberId, groupInstanceId, protocols } = request
    const timeoutMs = rebalanceTimeoutMs + this.#requestTimeoutMs
    const options = { lane: 'group', what: 'JoinGroup', timeoutMs, signal } as const
    const answer = await this.#call(group, options, connection => {
      onSent()
      return joinGroupV9.api.async(
        connection,
        group,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        memberId,
        groupInstanceId,
        PROTOCOL_TYPE,
        [...protocols],
        null,
      )
    })
    return {
      errorCode: answer.errorCode,
      generation: answer.generationId,
      protocol: answer.protocolName ?? '',
      memberId: answer.memberId ?? '',
      leader: answer.leader,
      skipAssignment: answer.skipAssignment,
      members: (answer.members ?? []).map(member => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId ?? undefined,
        metadata: member.metadata ?? Buffer.alloc(0),
      })),
    }
  }

  /** SyncGroup, version 5: answered when the leader has sent its assignments. */
  async sync(request: SyncRequest, signal: AbortSignal): Promise<SyncAnswer> {
    const { group, generation, memberId, groupInstanceId, protocol, assignments } = request
    const options = { lane: 'group', what: 'SyncGroup', timeoutMs: this.#requestTimeoutMs, signal } as const
    const answer = await this.#call(group, options, connection =>
      syncGroupV5.api.async(
        connection,
        group,
        generation,
        memberId,
        groupInstanceId,
        PROTOCOL_TYPE,
        protocol,
        [...assignments],
      ),
    )
    return { errorCode: answer.errorCode, assignment: answer.assignment }
  }

  async heartbeat(identity: MemberIdentity & { generation: number }, timeoutMs: number): Promise<number> {
    const { group, generation, memberId, groupInstanceId } = identity
    const options = { lane: 'control', what: 'A heartbeat', timeoutMs } as const
    const answer = await this.#call(group, options, connection =>
      heartbeatV4.api.async(connection, group, generation, memberId, groupInstanceId),
    )
    return answer.errorCode
  }

  /**
   * LeaveGroup, version 5: with member id and group.instance.id, or with an empty member id for whoever holds the
   * group.instance.id. Error 0 of the group may hide an error of the member.
   */
  async leave(identity: MemberIdentity, timeoutMs: number): Promise<number> {
    const { group, memberId, groupInstanceId } = identity
    const options = { lane: 'group', what: 'LeaveGroup', timeoutMs } as const
    const answer = await this.#call(group, options, connection =>
      leaveGroupV5.api.async(connection, group, [{ memberId, groupInstanceId, reason: null }]),
    )
    if (answer.errorCode !== brokerCodes.none) return answer.errorCode
    return answer.members[0]?.errorCode ?? brokerCodes.none
  }

  async #call<T extends { errorCode: number }>(
    group: string,
    options: CallOptions,
    send: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    const address: BrokerAddress = await this.#coordinators.find(group, options.signal)
    try {
      const answer = await this.#connections.call(address, options, send)
      const moved =
        answer.errorCode === brokerCodes.notCoordinator ||
        answer.errorCode === brokerCodes.coordinatorNotAvailable
      if (moved) this.#coordinators.forget(group, address)
      return answer
    } catch (error) {
      // Nobody answered there; the coordinator may have moved while this broker was down.
      this.#coordinators.forget(group, address)
      throw error
    }
  }
}
