import { abortable } from '../../shared/abortable.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import type { TopicPartition } from '../ports/kafka-cluster.ts'
import type { GroupMember, GroupMembership, MembershipOptions } from '../ports/kafka-consumer.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import { assignors } from './assignors.ts'
import { brokerCodes, isCoordinatorError } from './broker-codes.ts'
import { encodeSubscription } from './consumer-protocol.ts'
import type { GroupCalls, JoinAnswer, MemberIdentity } from './group-calls.ts'
import { GroupHeartbeats, type HeartbeatVerdict } from './group-heartbeats.ts'
import { GroupJoins } from './group-joins.ts'
import type { GroupLeader } from './group-leader.ts'
import { leaveGroup, leaveWhileJoining } from './group-leave.ts'
import { revoke } from './group-revocation.ts'
import { type Share, syncGroup } from './group-sync.ts'
import { brokerError } from './kafka-errors.ts'
import { isConnectionFailure } from './platformatic-errors.ts'
import { RetryBackoff, type RetryBackoffSettings } from './retry-backoff.ts'

export interface MembershipSettings extends RetryBackoffSettings {
  /** Pause before joining again after an error that only an operator mends, such as a missing right. */
  readonly problemRetryMs: number
  /** Bound on leaving: the broker that does not answer by then removes the member when its session ends. */
  readonly leaveTimeoutMs: number
}

interface Deps {
  readonly options: MembershipOptions
  readonly settings: MembershipSettings
  readonly calls: GroupCalls
  readonly leader: GroupLeader
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
}

/** A generation that was joined. */
interface Generation {
  readonly member: GroupMember
  /** The subscription that was sent with the join. */
  readonly topics: readonly string[]
  readonly answer: JoinAnswer
  readonly heartbeats: GroupHeartbeats
}

/** Why a stable generation ends. */
type Cause = HeartbeatVerdict | 'topicsChanged' | 'metadataChanged' | 'ended'

/**
 * joining → syncing → stable → revoking → joining …, until it ends: left, stopped, or fenced. One loop (`#run`) makes
 * all transitions; heartbeats, the leader's watch and `setTopics` only tell it why a stable generation is over.
 */
export type MembershipState = 'joining' | 'syncing' | 'stable' | 'revoking' | 'left' | 'stopped' | 'fenced'

/**
 * A static member of a consumer group (KIP-345) over the classic group protocol. Ours and not the library's consumer:
 * that one joins again when it is fenced, so that old and new owner steal the identity from each other for ever; a
 * topic that does not exist ends its heartbeats; and its unhandled 'error' events end the process.
 */
export class StaticMembership implements GroupMembership {
  readonly #deps: Deps
  readonly #options: MembershipOptions
  readonly #backoff: RetryBackoff
  readonly #end = new AbortController()
  #state: MembershipState = 'joining'
  #topics: readonly string[]
  #memberId: string
  readonly #joins: GroupJoins
  #generation: Generation | undefined
  #assignment: readonly TopicPartition[] = []
  #problem: Error | undefined
  /** Sent with the next join to make it differ from the last one, so that it starts a rebalance; −1 for none. */
  #insistence = -1
  /** What an earlier holder had, until this member has joined. */
  #inherits: MembershipOptions['inherits']
  #endGeneration: (cause: Cause) => void = () => {}
  readonly #settling = new Set<() => void>()
  readonly #running: Promise<void>

  constructor(deps: Deps) {
    this.#deps = deps
    this.#options = deps.options
    this.#topics = deps.options.topics
    this.#memberId = deps.options.memberId
    this.#inherits = deps.options.inherits
    this.#joins = new GroupJoins(deps.calls)
    this.#backoff = new RetryBackoff(deps)
    this.#running = this.#run()
  }

  /** Resolves when it is over: left, stopped or fenced. Never rejects. */
  get ended(): Promise<void> {
    return this.#running
  }

  get state(): MembershipState {
    return this.#state
  }

  get member(): GroupMember | undefined {
    return this.#held()?.member
  }

  get assignment(): readonly TopicPartition[] {
    return this.#held() ? this.#assignment : []
  }

  get problem(): Error | undefined {
    return this.#problem
  }

  setTopics(topics: readonly string[]): void {
    if (sameSet(new Set(this.#topics), topics)) return
    this.#topics = [...topics]
    this.#endGeneration('topicsChanged')
  }

  async settled(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if ((this.#state === 'stable' && this.#held()) || this.#end.signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = this.#deps.clock.after(timeoutMs, resolve)
    this.#settling.add(resolve)
    try {
      await abortable(promise, signal)
    } finally {
      timer.cancel()
      this.#settling.delete(resolve)
    }
  }

  async leave(): Promise<void> {
    if (this.#ended()) return
    this.#state = 'left'
    this.#release()
    const { running, inDoubt } = this.#joins
    try {
      if (this.#memberId !== '' || (inDoubt && (await this.#options.mayJoin()) === 'yes')) {
        await leaveWhileJoining(this.#deps, this.#identity(), running)
      }
    } catch (error) {
      this.#deps.log.warn(
        { group: this.#options.group, err: error },
        'a group member could not leave its group',
      )
    }
    this.#end.abort()
    this.#settle()
    await this.#running
  }

  async stop(): Promise<void> {
    if (!this.#ended()) this.#finish('stopped')
    await this.#running
  }

  /** The generation whose assignment may be used: stable, or being revoked, and not silently lost meanwhile. */
  #held(): Generation | undefined {
    const usable = this.#state === 'stable' || this.#state === 'revoking'
    return usable && this.#generation && !this.#generation.heartbeats.expired ? this.#generation : undefined
  }

  #ended(): boolean {
    return this.#state === 'left' || this.#state === 'stopped' || this.#state === 'fenced'
  }

  #finish(state: 'stopped' | 'fenced'): void {
    this.#state = state
    this.#release()
    this.#end.abort()
    this.#settle()
    if (state === 'fenced') this.#guarded('onFenced', () => this.#options.onFenced())
  }

  #release(): void {
    this.#generation?.heartbeats.stop()
    this.#generation = undefined
    this.#assignment = []
    this.#endGeneration('ended')
  }

  #settle(): void {
    for (const resolve of this.#settling) resolve()
  }

  async #run(): Promise<void> {
    // The owner has the membership in hand before any of its callbacks is called.
    await Promise.resolve()
    while (!this.#ended()) {
      try {
        this.#state = 'joining'
        const generation = await this.#join()
        if (!generation) continue
        this.#state = 'syncing'
        const assigned = await this.#sync(generation)
        if (assigned) await this.#hold(generation, assigned)
      } catch (error) {
        if (this.#ended()) return
        await this.#pauseAfter(error)
      }
    }
  }

  /** One JoinGroup. Undefined: not joined, try again. */
  async #join(): Promise<Generation | undefined> {
    if (this.#memberId === '' && !(await this.#mayJoin())) return undefined
    if (this.#ended()) return undefined
    const { sessionTimeoutMs, rebalanceTimeoutMs } = this.#options
    const topics = this.#topics
    const metadata = encodeSubscription(topics, this.#insistence)
    const protocols = [...assignors.keys()].map(name => ({ name, metadata }))
    this.#generation?.heartbeats.stop()
    const request = { ...this.#identity(), sessionTimeoutMs, rebalanceTimeoutMs, protocols }
    const answer = await this.#joins.send(request, this.#end.signal)
    if (this.#ended()) return undefined
    switch (answer.errorCode) {
      case brokerCodes.none:
        this.#named(answer.memberId)
        this.#insistence = -1
        return this.#joined(topics, answer)
      case brokerCodes.memberIdRequired:
        this.#named(answer.memberId)
        return undefined
      case brokerCodes.rebalanceInProgress:
        await this.#backoff.pause(this.#end.signal)
        return undefined
      default:
        await this.#refused(answer.errorCode)
        return undefined
    }
  }

  /**
   * A JoinGroup with an empty member id makes the broker fence whoever holds the group.instance.id. A process that was
   * stopped for longer than its session would so fence its own successor when it goes on; so the owner is asked first.
   */
  async #mayJoin(): Promise<boolean> {
    const mayJoin = await abortable(this.#options.mayJoin(), this.#end.signal)
    if (mayJoin === 'no') this.#fenced()
    if (mayJoin === 'unknown') await this.#backoff.pause(this.#end.signal)
    return mayJoin === 'yes'
  }

  #named(memberId: string): void {
    if (memberId === this.#memberId || memberId === '') return
    this.#memberId = memberId
    this.#guarded('onMemberId', () => this.#options.onMemberId(memberId))
  }

  #joined(topics: readonly string[], answer: JoinAnswer): Generation {
    const { groupInstanceId } = this.#options
    const member = { memberId: this.#memberId, groupInstanceId, generation: answer.generation }
    const heartbeats = new GroupHeartbeats({
      send: timeoutMs => this.#deps.calls.heartbeat({ group: this.#options.group, ...member }, timeoutMs),
      intervalMs: this.#options.heartbeatIntervalMs,
      sessionTimeoutMs: this.#options.sessionTimeoutMs,
      settings: this.#deps.settings,
      clock: this.#deps.clock,
      random: this.#deps.random,
      onVerdict: verdict => {
        if (this.#generation !== generation) return
        // Final wherever it comes from: in the middle of a sync or a revocation too.
        if (verdict === 'fenced') this.#fenced()
        else this.#endGeneration(verdict)
      },
      onProblem: problem => {
        this.#problem = problem
      },
    })
    const generation = { member, topics, answer, heartbeats }
    this.#generation = generation
    return generation
  }

  /** One SyncGroup. Undefined: no assignment that may be used, join again. */
  async #sync({ member, topics, answer }: Generation): Promise<Share | undefined> {
    const { errorCode, share } = await syncGroup(this.#deps, this.#identity(), answer, this.#end.signal)
    if (this.#ended() || errorCode === brokerCodes.rebalanceInProgress) return undefined
    if (errorCode !== brokerCodes.none) {
      await this.#refused(errorCode)
      return undefined
    }
    const own = new Set(topics)
    const inherits = this.#inherits
    this.#inherits = undefined
    const sameTopics = inherits === undefined || sameSet(own, inherits.topics)
    if (sameTopics && share.partitions.every(({ topic }) => own.has(topic))) return share
    // A static member that comes back inherits what the broker has on record, even from another subscription, which is
    // not to be handed out. The broker has taken our topics by now, so the same join again would change nothing.
    const { group } = this.#options
    this.#deps.log.info(
      { group },
      'a group member inherited the assignment of another subscription; it joins again',
    )
    this.#insistence = member.generation
    await this.#backoff.pause(this.#end.signal)
    return undefined
  }

  /** Announces the assignment, and returns when the generation is over and given up. */
  async #hold(generation: Generation, { partitions, counts }: Share): Promise<void> {
    const { answer, heartbeats, member, topics } = generation
    const { promise: over, resolve: endGeneration } = Promise.withResolvers<Cause>()
    this.#endGeneration = endGeneration
    // What happened during the sync: the subscription was replaced, or the heartbeats came to an end. The next join
    // finds out the rest; nothing of this assignment is handed out.
    if (topics !== this.#topics || heartbeats.over) return
    this.#assignment = partitions
    this.#state = 'stable'
    this.#problem = undefined
    this.#backoff.reset()
    const { leader } = this.#deps
    const watch =
      answer.leader === member.memberId
        ? leader.watch(leader.topics(answer.members), counts, () => endGeneration('metadataChanged'))
        : undefined
    this.#guarded('onAssigned', () => this.#options.onAssigned(partitions, member))
    this.#settle()
    const cause = await over
    watch?.stop()
    if (this.#ended()) return
    this.#state = 'revoking'
    await revoke(this.#deps, partitions, this.#end.signal)
    if (cause === 'unknownMember') this.#memberId = ''
  }

  /** What the broker's refusal of a join or sync means for the next join. */
  async #refused(code: number): Promise<void> {
    if (code === brokerCodes.fencedInstanceId) {
      this.#fenced()
      return
    }
    if (code === brokerCodes.inconsistentGroupProtocol && this.#inherits !== undefined) {
      // The group has agreed on what the earlier holder brought, and we do not have it: it has to go first.
      const { memberId } = this.#inherits
      this.#inherits = undefined
      await leaveGroup(this.#deps, { ...this.#identity(), memberId })
      return
    }
    if (code === brokerCodes.unknownMemberId) {
      // At once the first time: the broker removed the member, and a new one may join.
      const first = this.#memberId !== ''
      this.#memberId = ''
      if (first) return
    }
    if (
      isCoordinatorError(code) ||
      code === brokerCodes.illegalGeneration ||
      code === brokerCodes.unknownMemberId
    ) {
      await this.#backoff.pause(this.#end.signal)
      return
    }
    await this.#pauseAfter(brokerError(code, { subject: this.#options.group }))
  }

  async #pauseAfter(error: unknown): Promise<void> {
    const kafka = error instanceof KafkaError ? error : undefined
    if (!kafka || !(isConnectionFailure(kafka) || isCoordinatorError(kafka.code))) {
      const problem = error instanceof Error ? error : new Error(String(error))
      const said = { group: this.#options.group, err: error }
      if (this.#problem?.message !== problem.message)
        this.#deps.log.warn(said, 'a group member cannot join; tried again')
      this.#problem = problem
    }
    const pauseMs = kafka?.retriable ? this.#backoff.next() : this.#deps.settings.problemRetryMs
    await this.#deps.clock.sleep(pauseMs, this.#end.signal).catch(() => {})
  }

  /** Final for this instance on this node: the broker gave its identity to another. */
  #fenced(): void {
    if (this.#ended()) return
    this.#problem = brokerError(brokerCodes.fencedInstanceId)
    this.#finish('fenced')
  }

  #identity(): MemberIdentity {
    const { group, groupInstanceId } = this.#options
    return { group, groupInstanceId, memberId: this.#memberId }
  }

  /** Callbacks of the owner: a mistake in one must not end the membership. */
  #guarded(name: string, callback: () => void): void {
    try {
      callback()
    } catch (error) {
      this.#deps.log.error({ callback: name, err: error }, 'a callback of a group membership failed')
    }
  }
}

function sameSet(left: ReadonlySet<string>, right: readonly string[]): boolean {
  return left.size === right.length && right.every(item => left.has(item))
}
