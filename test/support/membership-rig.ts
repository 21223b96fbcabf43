import { brokerCodes } from '../../proxy-node/kafka/broker-codes.ts'
import { encodeAssignment } from '../../proxy-node/kafka/consumer-protocol.ts'
import type {
  GroupCalls,
  JoinAnswer,
  JoinRequest,
  MemberIdentity,
  SyncAnswer,
  SyncRequest,
} from '../../proxy-node/kafka/group-calls.ts'
import { GroupLeader } from '../../proxy-node/kafka/group-leader.ts'
import { StaticMembership } from '../../proxy-node/kafka/static-membership.ts'
import type { KafkaCluster, TopicMetadata, TopicPartition } from '../../proxy-node/ports/kafka-cluster.ts'
import type { GroupMember, MayJoin, MembershipOptions } from '../../proxy-node/ports/kafka-consumer.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { ManualClock } from './manual-clock.ts'

/**
 * A membership on a broker that the test plays and a clock that it moves: for the faults that a healthy broker does not
 * show. What it does show is tested on a real one, in test/contract.
 */

/** A call in flight, to be answered by the test. */
export interface Open<Request, Answer> {
  readonly request: Request
  readonly signal: AbortSignal
  readonly answer: (answer: Answer) => Promise<void>
  readonly fail: (error: Error) => Promise<void>
}

export class ScriptedBroker implements GroupCalls {
  readonly joins: Open<JoinRequest, Partial<JoinAnswer>>[] = []
  readonly syncs: Open<SyncRequest, Partial<SyncAnswer>>[] = []
  readonly left: string[] = []
  heartbeats = 0
  heartbeatCode: number = brokerCodes.none
  leaveCodes: number[] = []

  /** Whether the broker can be reached: a join that fails now was not sent. */
  reachable = true

  join(request: JoinRequest, signal: AbortSignal, onSent: () => void): Promise<JoinAnswer> {
    if (this.reachable) onSent()
    const defaults = {
      errorCode: 0,
      generation: 1,
      protocol: 'range',
      leader: 'other',
      skipAssignment: false,
      members: [],
    }
    const opened = open(request, signal, (answer: Partial<JoinAnswer>) => ({
      memberId: 'm1',
      ...defaults,
      ...answer,
    }))
    this.joins.push(opened.open)
    return opened.promise
  }

  sync(request: SyncRequest, signal: AbortSignal): Promise<SyncAnswer> {
    const defaults = { errorCode: 0, assignment: Buffer.alloc(0) }
    const opened = open(request, signal, (answer: Partial<SyncAnswer>) => ({ ...defaults, ...answer }))
    this.syncs.push(opened.open)
    return opened.promise
  }

  heartbeat(): Promise<number> {
    this.heartbeats += 1
    return Promise.resolve(this.heartbeatCode)
  }

  leave({ memberId }: MemberIdentity): Promise<number> {
    this.left.push(memberId)
    return Promise.resolve(this.leaveCodes.shift() ?? brokerCodes.none)
  }
}

function open<Request, Partly, Answer>(
  request: Request,
  signal: AbortSignal,
  fill: (answer: Partly) => Answer,
) {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  signal.addEventListener('abort', () => reject(signal.reason))
  const entry: Open<Request, Partly> = {
    request,
    signal,
    answer: answer => {
      resolve(fill(answer))
      return turns()
    },
    fail: error => {
      reject(error)
      return turns()
    },
  }
  return { open: entry, promise }
}

/** Lets everything run that needs no time. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await Promise.resolve()
}

export class FakeCluster implements Pick<KafkaCluster, 'topic'> {
  readonly counts = new Map<string, number>()
  failure: Error | undefined

  topic(name: string): Promise<TopicMetadata | undefined> {
    if (this.failure) return Promise.reject(this.failure)
    const count = this.counts.get(name)
    if (count === undefined) return Promise.resolve(undefined)
    const partitions = Array.from({ length: count }, (_, partition) => ({
      partition,
      leader: 1,
      leaderEpoch: 0,
      replicas: [],
      inSyncReplicas: [],
    }))
    return Promise.resolve({ name, id: '', internal: false, partitions })
  }
}

/** Partitions of the topic `t`. */
export const t = (...partitions: number[]): TopicPartition[] =>
  partitions.map(partition => ({ topic: 't', partition }))

/** The answer to a SyncGroup that assigns them. */
export const assigned = (...partitions: number[]): Partial<SyncAnswer> => ({
  assignment: encodeAssignment(t(...partitions)),
})

export class MembershipRig {
  readonly clock = new ManualClock()
  readonly broker = new ScriptedBroker()
  readonly cluster = new FakeCluster()
  events: string[] = []
  lastMember: GroupMember | undefined
  mayJoin: () => Promise<MayJoin> = () => Promise.resolve('yes')
  revoking: () => Promise<void> = () => Promise.resolve()
  readonly #memberships: StaticMembership[] = []

  async join(options: Partial<MembershipOptions> = {}): Promise<StaticMembership> {
    const numbers = (partitions: readonly TopicPartition[]) =>
      partitions.map(({ partition }) => partition).join()
    const { broker, clock, cluster } = this
    const membership = new StaticMembership({
      options: {
        group: 'g',
        groupInstanceId: 'i',
        memberId: '',
        topics: ['t'],
        sessionTimeoutMs: 10_000,
        heartbeatIntervalMs: 1000,
        rebalanceTimeoutMs: 10_000,
        mayJoin: () => this.mayJoin(),
        onRevoked: async partitions => {
          this.events.push(`revoked ${numbers(partitions)}`)
          await this.revoking()
        },
        onAssigned: (partitions, member) => {
          this.lastMember = member
          this.events.push(`assigned ${numbers(partitions)}`)
        },
        onMemberId: memberId => this.events.push(`member ${memberId}`),
        onFenced: () => this.events.push('fenced'),
        ...options,
      },
      settings: { retryBackoffMs: 100, retryBackoffMaxMs: 1000, problemRetryMs: 5000, leaveTimeoutMs: 2000 },
      calls: broker,
      leader: new GroupLeader({
        cluster: { topic: name => cluster.topic(name) },
        clock,
        log: silentLogger,
        watchIntervalMs: 1000,
      }),
      clock,
      random: () => 1,
      log: silentLogger,
    })
    this.#memberships.push(membership)
    await turns()
    return membership
  }

  /** A member in generation 1 with partitions 0 and 1. */
  async stable(options: Partial<MembershipOptions> = {}): Promise<StaticMembership> {
    const membership = await this.join(options)
    await this.broker.joins[0]?.answer({})
    await this.broker.syncs[0]?.answer(assigned(0, 1))
    if (membership.state !== 'stable') throw new Error(`the member is ${membership.state}`)
    this.events = []
    return membership
  }

  async stop(): Promise<void> {
    await Promise.all(this.#memberships.map(membership => membership.stop()))
  }
}
