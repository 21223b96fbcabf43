/**
 * The group protocol's calls as the membership state machine sees them: one attempt each, at the coordinator as it is
 * known. Broker errors are numbers in the answers; what gets no answer is thrown as a KafkaError (CONNECTION_LOST,
 * TIMED_OUT, or the coordinator look-up's own).
 */
export interface GroupCalls {
  /** @param onSent called when the request goes out: from then on the broker may act on it, whatever is thrown here. */
  join(request: JoinRequest, signal: AbortSignal, onSent: () => void): Promise<JoinAnswer>
  sync(request: SyncRequest, signal: AbortSignal): Promise<SyncAnswer>
  /** @returns the answer's error number. */
  heartbeat(identity: MemberIdentity & { readonly generation: number }, timeoutMs: number): Promise<number>
  /** @returns the error number of the group or of the member. */
  leave(identity: MemberIdentity, timeoutMs: number): Promise<number>
}

export interface MemberIdentity {
  readonly group: string
  readonly groupInstanceId: string
  /** Empty before the first JoinGroup was answered. */
  readonly memberId: string
}

export interface JoinRequest extends MemberIdentity {
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** In the order of preference; each with the member's subscription. */
  readonly protocols: readonly { readonly name: string; readonly metadata: Buffer }[]
}

export interface JoinAnswer {
  readonly errorCode: number
  readonly generation: number
  readonly protocol: string
  readonly memberId: string
  readonly leader: string
  /** KIP-814: this static member came back as the leader of a group that goes on as it is. */
  readonly skipAssignment: boolean
  /** All members, for the leader only. */
  readonly members: readonly JoinedMember[]
}

export interface JoinedMember {
  readonly memberId: string
  readonly groupInstanceId: string | undefined
  readonly metadata: Buffer
}

export interface SyncRequest extends MemberIdentity {
  readonly generation: number
  readonly protocol: string
  /** Of all members, from the leader; empty from the others. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[]
}

export interface SyncAnswer {
  readonly errorCode: number
  readonly assignment: Buffer
}
