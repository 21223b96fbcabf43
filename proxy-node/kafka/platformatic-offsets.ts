import { listOffsetsV7, offsetCommitV8, offsetFetchV8 } from '@platformatic/kafka'
import type { Clock } from '../../shared/clock.ts'
import type { TopicPartition } from '../ports/kafka-cluster.ts'
import type {
  CommittedOffset,
  GroupMember,
  Isolation,
  OffsetAnswer,
  PartitionOffset,
} from '../ports/kafka-consumer.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import { brokerCodes, isCoordinatorError, isLeaderError } from './broker-codes.ts'
import type { BrokerAddress } from './broker-connections.ts'
import { brokerError } from './kafka-errors.ts'
import type { PlatformaticCluster } from './platformatic-cluster.ts'
import type { CallOptions, PlatformaticConnections } from './platformatic-connections.ts'
import type { PlatformaticCoordinators } from './platformatic-coordinators.ts'
import { isConnectionFailure } from './platformatic-errors.ts'
import { RetryBackoff, type RetryBackoffSettings } from './retry-backoff.ts'

export interface OffsetSettings extends RetryBackoffSettings {
  /** Of one request, and of all attempts together (`default.api.timeout.ms`). */
  readonly requestTimeoutMs: number
  readonly apiTimeoutMs: number
}

interface Deps {
  readonly settings: OffsetSettings
  readonly connections: Pick<PlatformaticConnections, 'call'>
  readonly cluster: Pick<PlatformaticCluster, 'leader' | 'outdated'>
  readonly coordinators: Pick<PlatformaticCoordinators, 'call'>
  readonly clock: Clock
  readonly random: () => number
}

type Signal = AbortSignal | undefined
type At = 'earliest' | 'latest' | { readonly timestampMs: number }

/** An answer, and whether a look at fresh metadata may mend its failure. */
interface Answer extends OffsetAnswer {
  readonly mends: boolean
}

/** Offset look-ups and commits, as `KafkaConsumers` describes them. */
export class PlatformaticOffsets {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Resolves positions at the leaders; those whose leader moved are asked for again until the time is over.
   * @throws KafkaError the first partition's failure that a look at fresh metadata does not mend.
   */
  async listOffsets(
    partitions: readonly TopicPartition[],
    at: At,
    { isolation, signal }: { isolation: Isolation; signal?: Signal },
  ): Promise<readonly PartitionOffset[]> {
    const { clock, settings } = this.#deps
    const backoff = new RetryBackoff(this.#deps)
    const deadline = clock.monotonic() + settings.apiTimeoutMs
    const found: PartitionOffset[] = []
    for (let left = partitions; ; ) {
      const again: TopicPartition[] = []
      let failure: KafkaError | undefined
      const onAnswer = (answers: readonly Answer[]) => {
        for (const { topic, partition, offset, error, mends } of answers) {
          if (error === undefined) found.push({ topic, partition, offset })
          else if (!mends) throw error
          else {
            failure = error
            again.push({ topic, partition })
          }
        }
      }
      await this.askOffsets(left, at, { isolation, signal, onAnswer })
      left = again
      const pauseMs = backoff.next()
      if (left.length === 0 || !failure) return found
      if (clock.monotonic() + pauseMs >= deadline) throw failure
      await clock.sleep(pauseMs, signal)
    }
  }

  /** @throws KafkaError; partitions that do not exist or have no commit are left out. */
  async committed(
    group: string,
    partitions: readonly TopicPartition[],
    signal?: Signal,
  ): Promise<readonly CommittedOffset[]> {
    const wanted = partitions.filter(({ partition }) => isPartitionNumber(partition))
    if (wanted.length === 0) return []
    const topics = byTopic(wanted).map(([name, list]) => ({
      name,
      partitionIndexes: list.map(({ partition }) => partition),
    }))
    const { settings } = this.#deps
    const answer = await this.#deps.coordinators.call(
      group,
      { timeoutMs: settings.apiTimeoutMs, signal },
      address =>
        this.#call(address, 'An offset look-up', signal, connection =>
          // Stable offsets only, as Java's consumer: an offset inside an open transaction may yet be taken back.
          offsetFetchV8.api.async(
            connection,
            [{ groupId: group, memberId: null, memberEpoch: -1, topics }],
            true,
          ),
        ),
      answered => againForFetch(answered.groups[0]),
    )
    return answer.groups.flatMap(answered => {
      if (answered.errorCode !== brokerCodes.none) throw brokerError(answered.errorCode, { subject: group })
      return answered.topics.flatMap(topic =>
        topic.partitions.flatMap(entry => {
          if (entry.errorCode === brokerCodes.unknownTopicOrPartition) return []
          if (entry.errorCode !== brokerCodes.none)
            throw brokerError(entry.errorCode, { subject: topic.name })
          if (entry.committedOffset < 0n) return []
          const { partitionIndex: partition, committedOffset: offset } = entry
          return [{ topic: topic.name, partition, offset, metadata: entry.metadata ?? '' }]
        }),
      )
    })
  }

  /**
   * One OffsetCommit with exactly the member's identity. It is repeated only while the coordinator cannot be reached
   * or moves, which changes nothing about what it says. Aborting ends it before an attempt, never during one.
   * @throws KafkaError the first partition's failure; ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID and
   *   REBALANCE_IN_PROGRESS mean that the identity is out of date.
   */
  async commit(
    group: string,
    member: GroupMember | undefined,
    offsets: readonly CommittedOffset[],
    signal?: Signal,
  ): Promise<void> {
    if (offsets.length === 0) return
    const wrong = offsets.find(({ partition }) => !isPartitionNumber(partition))
    if (wrong) throw brokerError(brokerCodes.unknownTopicOrPartition, { subject: wrong.topic })
    const topics = byTopic(offsets).map(([name, list]) => ({
      name,
      partitions: list.map(({ partition, offset, metadata }) => ({
        partitionIndex: partition,
        committedOffset: offset,
        committedLeaderEpoch: -1,
        committedMetadata: metadata,
      })),
    }))
    // Generation −1 with an empty member id: a group without members, as manually assigned instances have it.
    const { generation, memberId, groupInstanceId } = member ?? NO_MEMBER
    const answer = await this.#deps.coordinators.call(
      group,
      { timeoutMs: this.#deps.settings.apiTimeoutMs, signal },
      address =>
        this.#deps.connections.call(
          address,
          {
            lane: 'read',
            what: 'A commit',
            timeoutMs: this.#deps.settings.requestTimeoutMs,
            signal,
            finalOnceSent: true,
          },
          connection =>
            offsetCommitV8.api.async(connection, group, generation, memberId, groupInstanceId, topics),
        ),
      answered => firstError(answered.topics, isCoordinatorError)?.code ?? 0,
    )
    const failed = firstError(answer.topics, code => code !== brokerCodes.none)
    if (failed) throw brokerError(failed.code, { subject: isGroupError(failed.code) ? group : failed.topic })
  }

  /** Asks each leader once, as `KafkaConsumers` describes it. */
  async askOffsets(
    partitions: readonly TopicPartition[],
    at: At,
    options: { isolation: Isolation; signal?: Signal; onAnswer: (answers: readonly Answer[]) => void },
  ): Promise<void> {
    const { isolation, signal, onAnswer } = options
    const shares = new Map<
      number,
      { broker: BrokerAddress; targets: (TopicPartition & { leaderEpoch: number })[] }
    >()
    // All at once: one without a leader makes the metadata of its topic out of date, and each look after it would wait
    // for fresh ones.
    await Promise.all(
      partitions.map(async target => {
        const leader = await this.#leaderOf(target, signal)
        if ('error' in leader) return onAnswer([leader])
        const { broker, leaderEpoch } = leader
        const share = shares.get(broker.id) ?? { broker, targets: [] }
        shares.set(broker.id, share)
        share.targets.push({ ...target, leaderEpoch })
      }),
    )
    await Promise.all(
      [...shares.values()].map(async ({ broker, targets }) => {
        onAnswer(await this.#askLeader(broker, targets, { at, isolation, signal }))
      }),
    )
  }

  async #leaderOf(target: TopicPartition, signal: Signal) {
    try {
      return await this.#deps.cluster.leader(target, signal)
    } catch (error) {
      // Metadata that says so after its doubts is believed.
      if (error instanceof KafkaError && error.code === brokerCodes.unknownTopicOrPartition)
        return { ...target, offset: undefined, error, mends: false }
      return this.#failed(target, error)
    }
  }

  /** One leader's answer; when it gave none, the failure of each partition. */
  async #askLeader(
    broker: BrokerAddress,
    targets: readonly (TopicPartition & { readonly leaderEpoch: number })[],
    { at, isolation, signal }: { at: At; isolation: Isolation; signal: Signal },
  ): Promise<Answer[]> {
    const topics = byTopic(targets).map(([name, list]) => ({
      name,
      partitions: list.map(({ partition, leaderEpoch }) => ({
        partitionIndex: partition,
        currentLeaderEpoch: leaderEpoch,
        timestamp: timestampOf(at),
      })),
    }))
    try {
      const answer = await this.#call(broker, 'An offset look-up', signal, connection =>
        listOffsetsV7.api.async(connection, -1, isolation === 'read_committed' ? 1 : 0, topics),
      )
      return answer.topics.flatMap(({ name: topic, partitions }) =>
        partitions.map(({ partitionIndex: partition, errorCode, offset }) =>
          errorCode === brokerCodes.none
            ? { topic, partition, offset: offset < 0n ? undefined : offset, error: undefined, mends: false }
            : this.#failed({ topic, partition }, brokerError(errorCode, { subject: topic })),
        ),
      )
    } catch (error) {
      return targets.map(target => this.#failed(target, error))
    }
  }

  #failed({ topic, partition }: TopicPartition, error: unknown): Answer {
    if (!(error instanceof KafkaError)) throw error
    const mends = isConnectionFailure(error) || isLeaderError(error.code)
    if (mends) this.#deps.cluster.outdated(topic)
    return { topic, partition, offset: undefined, error, mends }
  }

  #call<T>(address: BrokerAddress, what: string, signal: Signal, send: Send<T>): Promise<T> {
    const options: CallOptions = {
      lane: 'read',
      what,
      timeoutMs: this.#deps.settings.requestTimeoutMs,
      signal,
    }
    return this.#deps.connections.call(address, options, send)
  }
}

type Send<T> = Parameters<PlatformaticConnections['call']>[2] extends (connection: infer C) => unknown
  ? (connection: C) => Promise<T>
  : never

const NO_MEMBER = { generation: -1, memberId: '', groupInstanceId: null }
const PARTITION_MAX = 2 ** 31 - 1

function isPartitionNumber(partition: number): boolean {
  return Number.isInteger(partition) && partition >= 0 && partition <= PARTITION_MAX
}

function byTopic<T extends TopicPartition>(partitions: readonly T[]): [string, T[]][] {
  return [...Map.groupBy(partitions, ({ topic }) => topic)]
}

/** ListOffsets' special times: −1 the end, −2 the start. */
function timestampOf(at: At): bigint {
  if (at === 'latest') return -1n
  return at === 'earliest' ? -2n : BigInt(at.timestampMs)
}

function firstError(
  topics: readonly { name: string; partitions: readonly { errorCode: number }[] }[],
  isWanted: (code: number) => boolean,
): { code: number; topic: string } | undefined {
  for (const { name, partitions } of topics) {
    const failed = partitions.find(({ errorCode }) => isWanted(errorCode))
    if (failed) return { code: failed.errorCode, topic: name }
  }
  return undefined
}

/** What a later OffsetFetch may answer better: the coordinator's own trouble, and an offset in an open transaction. */
function againForFetch(
  group:
    | { errorCode: number; topics: readonly { name: string; partitions: readonly { errorCode: number }[] }[] }
    | undefined,
): number {
  if (!group) return brokerCodes.none
  if (isCoordinatorError(group.errorCode)) return group.errorCode
  const unstable = (code: number) => code === brokerCodes.unstableOffsetCommit
  return firstError(group.topics, unstable)?.code ?? brokerCodes.none
}

/** Errors of an OffsetCommit that are the group's, though they are told for each partition. */
function isGroupError(code: number): boolean {
  return code === GROUP_AUTHORIZATION_FAILED
}

const GROUP_AUTHORIZATION_FAILED = 30
