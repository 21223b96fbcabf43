import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import type { TopicPartition } from '../ports/kafka-cluster.ts'
import type {
  CommittedOffset,
  FetchedPartition,
  FetchRequest,
  GroupMember,
  GroupMembership,
  Isolation,
  KafkaConsumers,
  MembershipOptions,
  OffsetAnswer,
  PartitionOffset,
} from '../ports/kafka-consumer.ts'
import { GroupLeader } from './group-leader.ts'
import { leaveGroup } from './group-leave.ts'
import type { PlatformaticCluster } from './platformatic-cluster.ts'
import type { PlatformaticConnections } from './platformatic-connections.ts'
import { type CoordinatorSettings, PlatformaticCoordinators } from './platformatic-coordinators.ts'
import { type FetchSettings, PlatformaticFetcher } from './platformatic-fetch.ts'
import { PlatformaticGroupCalls } from './platformatic-group-calls.ts'
import { type OffsetSettings, PlatformaticOffsets } from './platformatic-offsets.ts'
import { type MembershipSettings, StaticMembership } from './static-membership.ts'

export interface ConsumerDriverSettings
  extends CoordinatorSettings,
    FetchSettings,
    OffsetSettings,
    MembershipSettings {
  /** How often a group's leader compares the group's topics with the shared metadata. */
  readonly watchIntervalMs: number
}

interface Deps {
  readonly settings: ConsumerDriverSettings
  readonly connections: PlatformaticConnections
  readonly cluster: PlatformaticCluster
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
}

/**
 * The consumer side of Kafka over @platformatic/kafka's raw protocol calls and connections. Shared by all instances of
 * the node: an instance costs a membership (two timers), and sockets only while it reads.
 */
export class PlatformaticConsumers implements KafkaConsumers {
  readonly #deps: Deps
  readonly #fetcher: PlatformaticFetcher
  readonly #offsets: PlatformaticOffsets
  readonly #calls: PlatformaticGroupCalls
  readonly #leader: GroupLeader
  readonly #memberships = new Set<StaticMembership>()

  constructor(deps: Deps) {
    this.#deps = deps
    const coordinators = new PlatformaticCoordinators(deps)
    this.#fetcher = new PlatformaticFetcher(deps)
    this.#offsets = new PlatformaticOffsets({ ...deps, coordinators })
    this.#calls = new PlatformaticGroupCalls({
      connections: deps.connections,
      coordinators,
      requestTimeoutMs: deps.settings.requestTimeoutMs,
    })
    this.#leader = new GroupLeader({ ...deps, watchIntervalMs: deps.settings.watchIntervalMs })
  }

  fetch(request: FetchRequest): Promise<readonly FetchedPartition[]> {
    return this.#fetcher.fetch(request)
  }

  listOffsets(
    partitions: readonly TopicPartition[],
    at: 'earliest' | 'latest' | { readonly timestampMs: number },
    options: { readonly isolation: Isolation; readonly signal?: AbortSignal },
  ): Promise<readonly PartitionOffset[]> {
    return this.#offsets.listOffsets(partitions, at, options)
  }

  askOffsets(
    partitions: readonly TopicPartition[],
    at: 'earliest' | 'latest' | { readonly timestampMs: number },
    options: {
      readonly isolation: Isolation
      readonly signal?: AbortSignal
      readonly onAnswer: (answers: readonly OffsetAnswer[]) => void
    },
  ): Promise<void> {
    return this.#offsets.askOffsets(partitions, at, options)
  }

  committed(
    group: string,
    partitions: readonly TopicPartition[],
    signal?: AbortSignal,
  ): Promise<readonly CommittedOffset[]> {
    return this.#offsets.committed(group, partitions, signal)
  }

  commit(
    group: string,
    member: GroupMember | undefined,
    offsets: readonly CommittedOffset[],
    signal?: AbortSignal,
  ): Promise<void> {
    return this.#offsets.commit(group, member, offsets, signal)
  }

  join(options: MembershipOptions): GroupMembership {
    const membership = new StaticMembership({
      ...this.#deps,
      options,
      calls: this.#calls,
      leader: this.#leader,
    })
    this.#memberships.add(membership)
    void membership.ended.then(() => this.#memberships.delete(membership))
    return membership
  }

  removeMember(group: string, member: { memberId: string; groupInstanceId: string }): Promise<void> {
    return leaveGroup({ ...this.#deps, calls: this.#calls }, { group, ...member })
  }

  /** Stops all memberships without leaving; connections and cluster are stopped by whoever opened them. */
  async stop(): Promise<void> {
    await Promise.all([...this.#memberships].map(membership => membership.stop()))
  }
}
