import { abortable } from '../../shared/abortable.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import type { KafkaCluster, TopicMetadata, TopicPartition } from '../ports/kafka-cluster.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import { brokerCodes } from './broker-codes.ts'
import type { BrokerAddress } from './broker-connections.ts'
import { brokerError, timedOut } from './kafka-errors.ts'
import { type MetadataRequestSettings, MetadataRequests, type TopicAnswer } from './metadata-requests.ts'
import type { PlatformaticConnections } from './platformatic-connections.ts'

export interface ClusterSettings extends MetadataRequestSettings {
  /** `metadata.max.age.ms`: a topic older than this is asked for again. */
  readonly metadataMaxAgeMs: number
  /** How long "unknown" is doubted before it is believed, and how long it is then remembered. */
  readonly unknownTopicDoubtMs: number
  readonly unknownTopicCacheMs: number
  /** `retry.backoff.ms`: shortest pause between two looks at a topic whose metadata is known to be out of date. */
  readonly retryBackoffMs: number
  /** Bound on cached topics; the one with the oldest answer makes room. */
  readonly topicsCachedMax: number
}

interface CachedTopic {
  /** Undefined: the topic does not exist. */
  readonly topic: TopicMetadata | undefined
  /** Whether the broker was let create it: without that, "unknown" says nothing to a producer. */
  readonly creating: boolean
  readonly at: number
  outdated: boolean
}

/** The node's shared metadata; also knows where brokers listen, for the other drivers. */
export class PlatformaticCluster implements KafkaCluster {
  readonly #settings: ClusterSettings
  readonly #requests: MetadataRequests
  readonly #clock: Clock
  readonly #topics = new Map<string, CachedTopic>()
  readonly #looking = new Map<string, Promise<TopicMetadata | undefined>>()
  #listing: Promise<readonly TopicMetadata[]> | undefined
  #listed: { topics: readonly TopicMetadata[]; at: number } | undefined
  readonly #stop = new AbortController()

  constructor(deps: {
    settings: ClusterSettings
    connections: PlatformaticConnections
    clock: Clock
    log: Logger
  }) {
    this.#settings = deps.settings
    this.#requests = new MetadataRequests({ ...deps, stopped: this.#stop.signal })
    this.#clock = deps.clock
  }

  async topic(
    name: string,
    options: { autoCreate?: boolean; refresh?: boolean; signal?: AbortSignal } = {},
  ): Promise<TopicMetadata | undefined> {
    const autoCreate = options.autoCreate ?? false
    const cached = this.#topics.get(name)
    const answers = cached && (cached.topic || !autoCreate || cached.creating)
    if (answers && !options.refresh && this.#fresh(cached)) return cached.topic
    const lookup = `${autoCreate ? '+' : '-'}${name}`
    let looking = this.#looking.get(lookup)
    if (!looking) {
      looking = this.#look(name, autoCreate).finally(() => this.#looking.delete(lookup))
      this.#looking.set(lookup, looking)
    }
    return abortable(looking, options.signal)
  }

  async topicWith(
    { topic: name, partition }: TopicPartition,
    signal?: AbortSignal,
  ): Promise<TopicMetadata | undefined> {
    const options = signal ? { signal } : {}
    const topic = await this.topic(name, options)
    const known = topic?.partitions[partition] !== undefined
    if (topic === undefined || known || this.#ageMs(name) <= this.#settings.unknownTopicCacheMs) return topic
    return this.topic(name, { ...options, refresh: true })
  }

  cachedTopic(name: string): TopicMetadata | undefined {
    const cached = this.#topics.get(name)
    return cached && this.#fresh(cached) ? cached.topic : undefined
  }

  topics(signal?: AbortSignal, maxAgeMs = 0): Promise<readonly TopicMetadata[]> {
    const listed = this.#listed
    if (listed && this.#clock.monotonic() - listed.at < maxAgeMs) return Promise.resolve(listed.topics)
    this.#listing ??= this.#list().finally(() => {
      this.#listing = undefined
    })
    return abortable(this.#listing, signal)
  }

  async brokers(signal?: AbortSignal): Promise<readonly number[]> {
    const answer = await abortable(this.#requests.brokers(), signal)
    return answer.brokers.map(broker => broker.nodeId).sort((a, b) => a - b)
  }

  async ping(timeoutMs: number): Promise<void> {
    const late = new AbortController()
    const timer = this.#clock.after(timeoutMs, () =>
      late.abort(timedOut(`No broker answered within ${timeoutMs} ms.`)),
    )
    try {
      await abortable(this.#requests.brokers(), late.signal)
    } finally {
      timer.cancel()
    }
  }

  outdated(topic: string): void {
    const cached = this.#topics.get(topic)
    if (cached) cached.outdated = true
  }

  async stop(): Promise<void> {
    this.#stop.abort(new KafkaError('STOPPED', { code: -1, retriable: false, text: 'The node is stopping.' }))
  }

  /**
   * Where a broker listens; asks once when its id is not known.
   * @throws KafkaError BROKER_NOT_AVAILABLE when it is not alive.
   */
  async broker(id: number, signal?: AbortSignal): Promise<BrokerAddress> {
    const known = this.#requests.address(id)
    if (known) return known
    await abortable(this.#requests.brokers(), signal)
    const found = this.#requests.address(id)
    if (!found) throw brokerError(brokerCodes.brokerNotAvailable)
    return found
  }

  /**
   * Who leads a partition.
   * @throws KafkaError UNKNOWN_TOPIC_OR_PARTITION or LEADER_NOT_AVAILABLE.
   */
  async leader(
    { topic: name, partition }: TopicPartition,
    signal?: AbortSignal,
  ): Promise<{ broker: BrokerAddress; topicId: string; leaderEpoch: number }> {
    const topic = await this.topicWith({ topic: name, partition }, signal)
    const found = topic?.partitions[partition]
    if (!topic || !found) throw brokerError(brokerCodes.unknownTopicOrPartition, { subject: name })
    if (found.leader < 0) {
      this.outdated(name)
      throw brokerError(brokerCodes.leaderNotAvailable, { subject: name })
    }
    const broker = await this.addressOf(name, found.leader, signal)
    return { broker, topicId: topic.id, leaderEpoch: found.leaderEpoch }
  }

  /**
   * Where a topic's leader listens. A leader that is no broker any more has a successor, of which the topic's metadata
   * does not know yet.
   * @throws KafkaError LEADER_NOT_AVAILABLE; the next look asks for the topic anew.
   */
  async addressOf(topic: string, leader: number, signal?: AbortSignal): Promise<BrokerAddress> {
    try {
      return await this.broker(leader, signal)
    } catch (error) {
      if (!(error instanceof KafkaError) || error.code !== brokerCodes.brokerNotAvailable) throw error
      this.outdated(topic)
      throw brokerError(brokerCodes.leaderNotAvailable, { subject: topic })
    }
  }

  /** Runs a call that any broker can answer, on one broker after the other until one answers. */
  onAnyBroker<T>(call: (address: BrokerAddress) => Promise<T>): Promise<T> {
    return this.#requests.onAnyBroker(call)
  }

  #ageMs(name: string): number {
    const cached = this.#topics.get(name)
    return cached ? this.#clock.monotonic() - cached.at : Number.POSITIVE_INFINITY
  }

  #fresh(cached: CachedTopic): boolean {
    const { metadataMaxAgeMs, unknownTopicCacheMs } = this.#settings
    const maxAgeMs = cached.topic ? metadataMaxAgeMs : unknownTopicCacheMs
    return !cached.outdated && this.#clock.monotonic() - cached.at < maxAgeMs
  }

  /** Asks for one topic until the answer can be believed. */
  async #look(name: string, autoCreate: boolean): Promise<TopicMetadata | undefined> {
    const { unknownTopicDoubtMs, retryBackoffMs } = this.#settings
    const cached = this.#topics.get(name)
    if (cached?.outdated) {
      // After a leader was lost its successor is not known at once: don't ask in a tight loop, and ask another
      // broker, since the one that gave the last answer may lag behind.
      this.#requests.askAnother()
      const waitMs = cached.at + retryBackoffMs - this.#clock.monotonic()
      if (waitMs > 0) await this.#clock.sleep(waitMs, this.#stop.signal)
    }
    const start = this.#clock.monotonic()
    for (;;) {
      const answer = await this.#requests.topic(name, autoCreate)
      if (answer.errorCode === 0) return this.#store(name, topicMetadata(name, answer), autoCreate)
      const doubtful =
        answer.errorCode === brokerCodes.unknownTopicOrPartition ||
        answer.errorCode === brokerCodes.leaderNotAvailable
      if (!doubtful) throw brokerError(answer.errorCode, { subject: name })
      if (this.#clock.monotonic() - start >= unknownTopicDoubtMs) {
        if (answer.errorCode === brokerCodes.leaderNotAvailable)
          throw brokerError(answer.errorCode, { subject: name })
        return this.#store(name, undefined, autoCreate)
      }
      // Another broker next time: one that lags behind in the metadata log does not know the topic yet.
      this.#requests.askAnother()
      await this.#clock.sleep(Math.min(retryBackoffMs, unknownTopicDoubtMs / 4), this.#stop.signal)
    }
  }

  #store(name: string, topic: TopicMetadata | undefined, creating = false): TopicMetadata | undefined {
    this.#topics.delete(name)
    this.#topics.set(name, { topic, creating, at: this.#clock.monotonic(), outdated: false })
    if (this.#topics.size > this.#settings.topicsCachedMax) {
      for (const oldest of this.#topics.keys()) {
        this.#topics.delete(oldest)
        break
      }
    }
    return topic
  }

  async #list(): Promise<readonly TopicMetadata[]> {
    const answer = await this.#requests.allTopics()
    const topics = answer.topics.flatMap(topic =>
      topic.errorCode === 0 && topic.name ? [topicMetadata(topic.name, topic)] : [],
    )
    this.#listed = { topics, at: this.#clock.monotonic() }
    for (const topic of topics) if (this.#topics.has(topic.name)) this.#store(topic.name, topic)
    return topics
  }
}

function topicMetadata(name: string, answer: TopicAnswer): TopicMetadata {
  const partitions = answer.partitions
    .map(partition => ({
      partition: partition.partitionIndex,
      // A partition without a leader carries an error; its leader field is not to be used then.
      leader: partition.errorCode === brokerCodes.leaderNotAvailable ? -1 : partition.leaderId,
      leaderEpoch: partition.leaderEpoch,
      replicas: partition.replicaNodes,
      inSyncReplicas: partition.isrNodes,
    }))
    .sort((a, b) => a.partition - b.partition)
  return { name, id: answer.topicId, internal: answer.isInternal, partitions }
}
