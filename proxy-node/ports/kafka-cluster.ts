/**
 * The node's one shared view of the Kafka cluster. Metadata is one cache for the whole node, refreshed on
 * errors and by age: a thousand idle consumers must not refresh a thousand caches.
 */
export interface KafkaCluster {
  /**
   * A topic's metadata. Unknown is believed only after the broker was asked again over 1 s (KRaft answers
   * UNKNOWN_TOPIC_OR_PARTITION while it creates a topic), and then cached for a few seconds.
   * @param options.autoCreate lets the broker create the topic if it is set up so (produce does, reads don't).
   * @param options.refresh asks the brokers even when the cache has an answer.
   * @returns undefined for a topic that does not exist.
   * @throws KafkaError when no broker answers, or the topic's name or the access to it is refused.
   */
  topic(
    name: string,
    options?: { autoCreate?: boolean; refresh?: boolean; signal?: AbortSignal },
  ): Promise<TopicMetadata | undefined>
  /**
   * A topic's metadata, asked for anew if it has no such partition and is not just a few seconds young: partitions can
   * be added, and a client that asks for a wrong one must not cost a look-up each time.
   * @returns undefined for a topic that does not exist. @throws KafkaError as `topic`.
   */
  topicWith(partition: TopicPartition, signal?: AbortSignal): Promise<TopicMetadata | undefined>
  /** What the cache holds of a topic now, without asking anyone; undefined when it holds nothing fresh. */
  cachedTopic(name: string): TopicMetadata | undefined
  /**
   * All topics that may be described, internal ones included and marked.
   * @param maxAgeMs how old a shared listing may be (topic patterns are matched on a timer); 0, the default, asks.
   */
  topics(signal?: AbortSignal, maxAgeMs?: number): Promise<readonly TopicMetadata[]>
  /** Ids of the brokers that are alive. */
  brokers(signal?: AbortSignal): Promise<readonly number[]>
  /** One metadata round trip: what `/ready` follows. */
  ping(timeoutMs: number): Promise<void>
  /** Says that an answer showed the cached leader or partition count of a topic to be out of date. */
  outdated(topic: string): void
  stop(): Promise<void>
}

export interface TopicMetadata {
  readonly name: string
  /** Kafka's topic id (KIP-516), as a UUID string. */
  readonly id: string
  readonly internal: boolean
  /** By partition number, dense from 0. */
  readonly partitions: readonly PartitionMetadata[]
}

export interface PartitionMetadata {
  readonly partition: number
  /** Broker id, or −1 when there is none at the moment. */
  readonly leader: number
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly inSyncReplicas: readonly number[]
}

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** What the metadata endpoints need beyond the cache. All throw KafkaError. */
export interface KafkaAdmin {
  /** All effective configs of a topic, defaults included; sensitive ones have a null value (contract v2 §2.4). */
  topicConfigs(topic: string, signal?: AbortSignal): Promise<ReadonlyMap<string, string | null>>
  /** Log start offset and high watermark, read-uncommitted (contract v2 §2.7). */
  partitionOffsets(
    topicPartition: TopicPartition,
    signal?: AbortSignal,
  ): Promise<{ beginning: bigint; end: bigint }>
  stop(): Promise<void>
}
