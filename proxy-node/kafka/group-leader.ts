import type { Clock, Timer } from '../../shared/clock.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import type { KafkaCluster, TopicPartition } from '../ports/kafka-cluster.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import { assignors } from './assignors.ts'
import { decodeSubscription, encodeAssignment, type MemberSubscription } from './consumer-protocol.ts'
import type { JoinedMember } from './group-calls.ts'

interface Deps {
  readonly cluster: Pick<KafkaCluster, 'topic'>
  readonly clock: Clock
  readonly log: Logger
  /** How often the leader compares the topics of the group with the shared metadata. */
  readonly watchIntervalMs: number
}

/**
 * What a broker says of a topic itself. Any other failure (one that is starting, or is no broker any more) leaves open
 * whether the topic exists.
 */
const saysOfTopic: ReadonlySet<string> = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'INVALID_TOPIC_EXCEPTION',
  'TOPIC_AUTHORIZATION_FAILED',
])

/** Partition counts of the topics that exist, by name. */
export type PartitionCounts = ReadonlyMap<string, number>

/**
 * What the member that the broker chose as leader does for its group: divides the partitions of all members' topics,
 * and watches these topics afterwards. Metadata never stops membership: topics that do not exist, or that we may not
 * describe, are left out, and come in when the watch finds them.
 */
export class GroupLeader {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Divides the partitions by the group's protocol.
   * @returns each member's share, and the counts it is based on.
   * @throws KafkaError when no broker tells the topics: a division by guess would leave partitions unread.
   */
  async assign(
    protocol: string,
    members: readonly JoinedMember[],
    signal: AbortSignal,
  ): Promise<{ assignments: { memberId: string; assignment: Buffer }[]; counts: PartitionCounts }> {
    const assignor = assignors.get(protocol)
    if (!assignor) throw new Error(`the group chose the protocol ${protocol}, which was not offered`)
    const subscriptions = members.map(({ memberId, groupInstanceId, metadata }) => {
      const { topics, ...rest } = this.#subscriptionOf(memberId, metadata)
      return { memberId, groupInstanceId, topics: new Set(topics), ...rest }
    })
    const counts = await this.#counts(this.topics(members), signal)
    const shares = assignor(subscriptions, counts)
    const assignments = members.map(({ memberId }) => ({
      memberId,
      assignment: encodeAssignment(shares.get(memberId) ?? NO_PARTITIONS),
    }))
    return { assignments, counts }
  }

  /** The topics of all members. */
  topics(members: readonly JoinedMember[]): ReadonlySet<string> {
    return new Set(
      members.flatMap(({ memberId, metadata }) => this.#subscriptionOf(memberId, metadata).topics),
    )
  }

  /**
   * Calls `onChange` once when a topic of the group appears, goes, or changes its number of partitions. Without
   * `counts` (a leader that came back and was told to skip the assignment) it starts from what it finds first.
   */
  watch(
    topics: ReadonlySet<string>,
    counts: PartitionCounts | undefined,
    onChange: () => void,
  ): { stop(): void } {
    const end = new AbortController()
    let known = counts
    let timer: Timer | undefined
    const look = async () => {
      try {
        const found = await this.#counts(topics, end.signal)
        known ??= found
        if (!end.signal.aborted && !same(known, found)) {
          onChange()
          return
        }
      } catch (error) {
        if (end.signal.aborted) return
        this.#deps.log.debug({ err: error }, 'the topics of a group could not be looked at; tried again')
      }
      next()
    }
    const next = () => {
      if (!end.signal.aborted) timer = this.#deps.clock.after(this.#deps.watchIntervalMs, () => void look())
    }
    if (counts) next()
    else void look()
    return {
      stop() {
        end.abort()
        timer?.cancel()
      },
    }
  }

  #subscriptionOf(memberId: string, metadata: Buffer): MemberSubscription {
    try {
      return decodeSubscription(metadata)
    } catch (error) {
      // One member's damaged metadata must not keep the others from their partitions.
      this.#deps.log.warn({ memberId, err: error }, 'a group member sent metadata that cannot be read')
      return { topics: [], userData: null, owned: [], generation: -1 }
    }
  }

  async #counts(topics: ReadonlySet<string>, signal: AbortSignal): Promise<PartitionCounts> {
    const counts = new Map<string, number>()
    await Promise.all(
      [...topics].map(async name => {
        try {
          const topic = await this.#deps.cluster.topic(name, { signal })
          if (topic) counts.set(name, topic.partitions.length)
        } catch (error) {
          if (!(error instanceof KafkaError) || !saysOfTopic.has(error.kind)) throw error
          this.#deps.log.debug(
            { topic: name, err: error },
            'a topic of a group cannot be described; left out',
          )
        }
      }),
    )
    return counts
  }
}

const NO_PARTITIONS: readonly TopicPartition[] = []

function same(a: PartitionCounts, b: PartitionCounts): boolean {
  return a.size === b.size && [...a].every(([topic, count]) => b.get(topic) === count)
}
