import type { Clock } from '../../shared/clock.ts'
import { RestError } from '../../shared/errors/rest-error.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import type { KafkaCluster, TopicPartition } from '../ports/kafka-cluster.ts'
import type {
  GroupMember,
  GroupMembership,
  KafkaConsumers,
  MayJoin,
  MembershipOptions,
} from '../ports/kafka-consumer.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import { waitAtMost } from './bounded-wait.ts'
import type { Changes } from './changes.ts'
import type { Commits } from './commits.ts'
import type { ConsumerSettings } from './consumer-settings.ts'
import type { PatternMatcher } from './pattern-matcher.ts'
import type { PositionResolver } from './position-resolver.ts'
import type { Positions } from './positions.ts'
import type { RecordedSubscription } from './recorded-instance.ts'
import { isTopicName, TopicChecks } from './topic-checks.ts'
import { compileTopicPattern, type TopicPattern } from './topic-pattern.ts'

/** What an instance reads: topics as a member of its group, a pattern of topics, or partitions of its own choice. */
export type SubscriptionState =
  | { readonly kind: 'none' }
  | { readonly kind: 'topics'; readonly topics: readonly string[] }
  | { readonly kind: 'pattern'; readonly pattern: TopicPattern; readonly topics: readonly string[] }
  | { readonly kind: 'assigned' }

export interface SubscriptionDeps {
  readonly group: string
  readonly groupInstanceId: string
  readonly autoCommit: boolean
  readonly consumers: Pick<KafkaConsumers, 'join'>
  readonly cluster: Pick<KafkaCluster, 'cachedTopic' | 'topic' | 'topics'>
  readonly positions: Positions
  readonly resolver: PositionResolver
  readonly patterns: PatternMatcher
  readonly commits: Commits
  readonly changes: Changes
  readonly settings: ConsumerSettings
  readonly mayServe: () => Promise<boolean>
  readonly mayRejoin: () => Promise<MayJoin>
  /** The broker has seen another holder of this identity: final. */
  readonly onFenced: () => void
  /** The broker has named or renamed the member: whoever removes it after a crash needs the name. */
  readonly onMemberId: () => void
  readonly clock: Clock
  readonly log: Logger
  /** Aborts when the instance is closed. */
  readonly closed: AbortSignal
}

/**
 * What an instance is subscribed to or assigned, and its membership in the group. The membership lives without HTTP
 * traffic: it is joined when the instance subscribes and left when it unsubscribes or ends. Topics that are missing,
 * invalid or forbidden never stop it; reads tell the client.
 */
export class Subscription {
  readonly #deps: SubscriptionDeps
  #state: SubscriptionState = { kind: 'none' }
  #membership: GroupMembership | undefined
  #memberId = ''
  /** The topics that the membership was last asked to subscribe to. */
  #askedTopics: readonly string[] = []
  #joinedTopics: readonly string[] | undefined
  readonly #checks: TopicChecks

  constructor(deps: SubscriptionDeps) {
    this.#deps = deps
    this.#checks = new TopicChecks(deps)
  }

  get state(): SubscriptionState {
    return this.#state
  }

  /** The topics that GET …/subscription shows: for a pattern those that match now. */
  get topics(): readonly string[] {
    return this.#state.kind === 'topics' || this.#state.kind === 'pattern' ? this.#state.topics : []
  }

  /** The broker's id of the membership, empty without one: whoever removes it after a crash needs it. */
  get memberId(): string {
    return this.#memberId
  }

  /** The topics that the group's last assignment was made for; undefined before the first. */
  get joinedTopics(): readonly string[] | undefined {
    return this.#joinedTopics
  }

  /** The identity that commits carry now; undefined without a stable membership. */
  get member(): GroupMember | undefined {
    return this.#membership?.member
  }

  /** Whether the instance is, or is becoming, a member of its group. */
  get isMember(): boolean {
    return this.#membership !== undefined
  }

  /**
   * Subscribes to topics, in place of earlier ones.
   * @throws RestError illegalState when subscribed to a pattern or assigned partitions.
   */
  async subscribe(topics: readonly string[]): Promise<void> {
    if (this.#state.kind === 'pattern' || this.#state.kind === 'assigned') throw exclusive()
    this.#state = { kind: 'topics', topics }
    await this.#member()
  }

  /**
   * Subscribes to all topics that match, now and whenever the node lists the topics anew; internal ones never match.
   * @throws RestError illegalState when subscribed to topics or assigned partitions.
   */
  async subscribePattern(pattern: TopicPattern): Promise<void> {
    if (this.#state.kind === 'topics' || this.#state.kind === 'assigned') throw exclusive()
    let names: string[] = []
    try {
      const listed = await this.#deps.cluster.topics(this.#deps.closed)
      names = listed.filter(topic => !topic.internal).map(topic => topic.name)
    } catch (error) {
      // The next listing tells: subscribing does not fail because Kafka is away (contract v2 §2.11).
      this.#deps.log.info({ group: this.#deps.group, err: error }, 'topics cannot be listed now')
    }
    const topics = await this.#deps.patterns.matching(pattern, names, this.#deps.closed)
    this.#state = { kind: 'pattern', pattern, topics }
    await this.#member()
  }

  /**
   * Takes a new listing of the topics (without internal ones), if a pattern is subscribed.
   * @throws the reason why the instance was closed meanwhile.
   */
  async topicsListed(names: readonly string[]): Promise<void> {
    const state = this.#state
    if (state.kind !== 'pattern') return
    const topics = await this.#deps.patterns.matching(state.pattern, names, this.#deps.closed)
    // Unsubscribed, or subscribed anew with a listing of its own.
    if (this.#state !== state) return
    if (topics.join() === state.topics.join()) return
    this.#state = { ...state, topics }
    this.#setTopics(topics)
  }

  /**
   * Goes on with what an earlier holder of the instance was subscribed to or assigned. It joins as the same member, and
   * so inherits the assignment without a rebalance; where its subscription has changed since, it starts one.
   */
  resume(recorded: RecordedSubscription, memberId: string): void {
    switch (recorded.kind) {
      case 'none':
        return
      case 'assigned':
        this.#state = { kind: 'assigned' }
        this.#deps.positions.assignManually(recorded.partitions)
        this.#deps.resolver.start()
        break
      case 'topics':
        this.#state = { kind: 'topics', topics: recorded.topics }
        this.#joinAgain(recorded.topics.filter(isTopicName), recorded.joined, memberId)
        break
      case 'pattern': {
        // The next listing finds what matches by now.
        const topics = recorded.joined ?? []
        this.#state = { kind: 'pattern', pattern: compileTopicPattern(recorded.text), topics }
        this.#joinAgain(topics, recorded.joined, memberId)
      }
    }
    this.#checks.start(this.#names(), false)
  }

  #joinAgain(topics: readonly string[], joined: readonly string[] | undefined, memberId: string): void {
    // Until the broker names the new one, whoever comes after us has to know of this.
    this.#memberId = memberId
    this.#joinedTopics = joined
    this.#join(topics, joined && { topics: joined, memberId })
  }

  /**
   * Reads partitions of the client's choice, outside of the group's assignment.
   * @throws RestError illegalState when subscribed.
   */
  async assign(partitions: readonly TopicPartition[]): Promise<void> {
    if (this.#state.kind === 'topics' || this.#state.kind === 'pattern') throw exclusive()
    const { positions, resolver, changes } = this.#deps
    await this.#autoCommit()
    this.#state = { kind: 'assigned' }
    positions.assignManually(partitions)
    this.#checks.clear()
    resolver.start()
    changes.notify()
    this.#checks.start(this.#names(), this.#deps.settings.autoCreateTopics)
  }

  /** Ends a subscription or a manual assignment; leaves the group. */
  async unsubscribe(): Promise<void> {
    if (this.#state.kind === 'none') return
    await this.#autoCommit()
    await this.#leave()
    this.#state = { kind: 'none' }
    this.#deps.positions.clear()
    this.#checks.clear()
    this.#deps.changes.notify()
  }

  /** Leaves the group, so that its other members take over at once: for an instance that ends. Bounded. */
  async leave(): Promise<void> {
    await this.#leave()
  }

  /** Stops without leaving: another holder goes on as this member. */
  async stop(): Promise<void> {
    const membership = this.#membership
    this.#membership = undefined
    await membership?.stop()
  }

  /**
   * Waits until the first assignment is known and its positions are found, or nothing more can be expected, for at
   * most `timeoutMs`.
   */
  async settled(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const { clock, changes, resolver } = this.#deps
    const deadline = clock.monotonic() + timeoutMs
    await this.#membership?.settled(timeoutMs, signal)
    while (resolver.busy && clock.monotonic() < deadline)
      await changes.wait(deadline - clock.monotonic(), clock, signal)
  }

  /** Waits, for at most `timeoutMs`, until the assignment is known again that a rebalance has taken. */
  async assignmentKnown(timeoutMs: number, signal: AbortSignal): Promise<void> {
    await this.#membership?.settled(timeoutMs, signal)
  }

  /**
   * What keeps a read from being answered with records (contract v2 §2.11: an invalid or a forbidden topic shows at
   * the next read, as 400 / 40002 or 403 / 40301).
   */
  problem(): Error | undefined {
    const invalid = this.topics.filter(topic => !isTopicName(topic))
    if (invalid.length > 0) return new RestError('kafkaBadRequest', `Invalid topics: [${invalid.join(', ')}]`)
    if (this.#checks.problem !== undefined) return this.#checks.problem
    const problem = this.#membership?.problem
    if (problem instanceof KafkaError && problem.retriable) return undefined
    return problem
  }

  /**
   * Asks again about topics that were missing or forbidden, and waits for the answers if something was forbidden: it
   * may be allowed by now.
   */
  async recheckTopics(): Promise<void> {
    this.#checks.start(this.#names(), false)
    if (this.#checks.problem !== undefined) await this.#checks.running
  }

  async #member(): Promise<void> {
    const { settings, closed, clock } = this.#deps
    this.#checks.clear()
    this.#checks.start(this.#names(), this.#deps.settings.autoCreateTopics)
    // A topic that the broker creates now should be there when the group assigns partitions. Half of the wait: an
    // unknown topic takes a second to be believed missing.
    if (this.#checks.running !== undefined)
      await waitAtMost(this.#checks.running, settings.subscriptionWaitMs / 2, clock, closed)
    closed.throwIfAborted()
    // As they are by now: a listing that came meanwhile has changed what a pattern matches.
    const topics = this.topics.filter(isTopicName)
    if (this.#membership === undefined) this.#join(topics)
    else this.#setTopics(topics)
  }

  #setTopics(topics: readonly string[]): void {
    this.#askedTopics = topics
    this.#membership?.setTopics(topics)
  }

  /** @param inherits what an earlier holder's assignment was made for. */
  #join(topics: readonly string[], inherits?: MembershipOptions['inherits']): void {
    const { consumers, group, groupInstanceId, settings, positions, changes, resolver } = this.#deps
    this.#askedTopics = topics
    const run: { membership?: GroupMembership; named: boolean } = { named: this.#memberId !== '' }
    // An event of a membership that was left meanwhile means nothing to the one after it.
    const isCurrent = () => run.membership === undefined || run.membership === this.#membership
    run.membership = consumers.join({
      group,
      groupInstanceId,
      memberId: '',
      topics,
      inherits,
      sessionTimeoutMs: settings.sessionTimeoutMs,
      heartbeatIntervalMs: settings.heartbeatIntervalMs,
      rebalanceTimeoutMs: settings.rebalanceTimeoutMs,
      mayJoin: async () => {
        // A client that subscribes is served like any other request. One whose member the broker has dropped may have a
        // successor, and nobody has asked this node for anything.
        if (run.named) return this.#deps.mayRejoin()
        return (await this.#deps.mayServe()) ? 'yes' : 'no'
      },
      onRevoked: async () => {
        if (!isCurrent()) return
        const pending = this.#deps.autoCommit ? positions.uncommitted() : []
        // Given up before the commit is sent: a read that is under way must hand out nothing more of it.
        positions.revoke()
        changes.notify()
        await this.#deps.commits.autoCommit(pending, settings.rebalanceTimeoutMs)
      },
      onAssigned: (partitions, member) => {
        if (!isCurrent()) return
        this.#joinedTopics = this.#askedTopics
        positions.assignGeneration(partitions, member)
        resolver.start()
        changes.notify()
      },
      onMemberId: memberId => {
        run.named = true
        if (!isCurrent()) return
        this.#memberId = memberId
        this.#deps.onMemberId()
      },
      onFenced: () => {
        if (isCurrent()) this.#deps.onFenced()
      },
    })
    this.#membership = run.membership
  }

  async #leave(): Promise<void> {
    const membership = this.#membership
    this.#membership = undefined
    this.#memberId = ''
    this.#joinedTopics = undefined
    if (membership === undefined) return
    const { clock, settings, group, log } = this.#deps
    const left = membership.leave().catch(error => {
      log.warn({ group, err: error }, 'a member could not leave its group; the broker drops it later')
    })
    await waitAtMost(left, settings.instanceCloseTimeoutMs, clock)
  }

  async #autoCommit(): Promise<void> {
    const { autoCommit, commits, positions, settings, clock } = this.#deps
    const committed = autoCommit
      ? commits.autoCommit(positions.uncommitted(), settings.instanceCloseTimeoutMs)
      : Promise.resolve()
    // Commits that are under way are for the assignment that ends.
    await waitAtMost(
      committed.then(() => commits.idle()),
      settings.instanceCloseTimeoutMs,
      clock,
    )
  }

  /** Topics whose existence matters to this instance. */
  #names(): readonly string[] {
    if (this.#state.kind !== 'assigned') return this.topics
    return [...new Set(this.#deps.positions.partitions.map(({ topic }) => topic))]
  }
}

/** The contract's text (v2 §2.11). */
function exclusive(): RestError {
  return new RestError(
    'illegalState',
    'Subscription to topics, partitions and pattern are mutually exclusive',
  )
}
