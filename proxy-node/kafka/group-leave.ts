import type { Clock } from '../../shared/clock.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import { brokerCodes, isCoordinatorError } from './broker-codes.ts'
import type { GroupCalls, JoinAnswer, MemberIdentity } from './group-calls.ts'
import { brokerError } from './kafka-errors.ts'
import { isConnectionFailure } from './platformatic-errors.ts'
import { RetryBackoff, type RetryBackoffSettings } from './retry-backoff.ts'

interface LeaveDeps {
  readonly calls: GroupCalls
  readonly settings: RetryBackoffSettings & { readonly leaveTimeoutMs: number }
  readonly clock: Clock
  readonly random: () => number
}

/**
 * Makes the broker remove a static member at once; without it the group waits for the member's session to end. Repeated
 * while the coordinator moves or cannot be reached. UNKNOWN_MEMBER_ID and FENCED_INSTANCE_ID mean that the member is
 * gone already.
 * @throws KafkaError when the broker refuses, or did not answer within `leaveTimeoutMs`.
 */
export async function leaveGroup(deps: LeaveDeps, identity: MemberIdentity): Promise<void> {
  const { calls, clock, settings } = deps
  const backoff = new RetryBackoff(deps)
  const deadline = clock.monotonic() + settings.leaveTimeoutMs
  for (;;) {
    let failure: KafkaError
    try {
      const code = await calls.leave(identity, Math.max(1, deadline - clock.monotonic()))
      if (gone.has(code)) return
      failure = brokerError(code, { subject: identity.group })
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      failure = error
    }
    const passes = isConnectionFailure(failure) || isCoordinatorError(failure.code)
    const pauseMs = backoff.next()
    if (!passes || clock.monotonic() + pauseMs >= deadline) throw failure
    await clock.sleep(pauseMs)
  }
}

/**
 * Leaves while a JoinGroup may be in flight, which stays so: the broker reads connections in any order, so the leave may
 * overtake the join, find nobody, and be followed by a member that nobody keeps alive. Left alone, the join is answered:
 * with an error if the leave met it, else with a member id, which then leaves too.
 * @param identity with an empty member id while the first join is unanswered: whoever holds the group.instance.id leaves.
 * @throws KafkaError
 */
export async function leaveWhileJoining(
  deps: LeaveDeps,
  identity: MemberIdentity,
  joining: Promise<JoinAnswer> | undefined,
): Promise<void> {
  await leaveGroup(deps, identity)
  if (!joining) return
  const { promise: late, resolve } = Promise.withResolvers<undefined>()
  const timer = deps.clock.after(deps.settings.leaveTimeoutMs, () => resolve(undefined))
  const answer = await Promise.race([joining, late]).catch(() => undefined)
  timer.cancel()
  if (answer?.errorCode === brokerCodes.none && answer.memberId !== identity.memberId) {
    await leaveGroup(deps, { ...identity, memberId: answer.memberId })
  }
}

const gone: ReadonlySet<number> = new Set([
  brokerCodes.none,
  brokerCodes.unknownMemberId,
  brokerCodes.fencedInstanceId,
])
