import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import type { KafkaCluster } from '../ports/kafka-cluster.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import {
  type BatchProducer,
  type ProducerOptions,
  type ProducerRecord,
  RecordsRefused,
} from '../ports/kafka-producer.ts'
import { compressors } from './compression.ts'
import { brokerError, notPresentInMetadata, stopping } from './kafka-errors.ts'
import { BrokerSender, type SenderSettings } from './kafkajs-broker-sender.ts'
import { type PartitionAnswer, partitionKey } from './kafkajs-produce-request.ts'
import { NoSequences, type ProducerId, ProducerSequences } from './producer-sequences.ts'
import { encodeRecordBatch } from './record-batch-encoder.ts'

export interface KafkajsProducerDeps {
  readonly options: ProducerOptions
  readonly connection: Omit<SenderSettings, keyof ProducerOptions>
  /** Where leaders are and listen. */
  readonly cluster: Pick<KafkaCluster, 'cachedTopic' | 'topic' | 'outdated'> & {
    /** @throws KafkaError LEADER_NOT_AVAILABLE when no such broker is alive. */
    addressOf(topic: string, leader: number): Promise<{ readonly host: string; readonly port: number }>
  }
  readonly clock: Clock
  readonly log: Logger
}

/** Opens a producer of its own connections; they are made when they are needed. */
export function createKafkajsProducer(deps: KafkajsProducerDeps): BatchProducer {
  return new KafkajsProducer(deps)
}

/** Batches to the leaders of their partitions, over kafkajs's connections. */
class KafkajsProducer implements BatchProducer {
  readonly #deps: KafkajsProducerDeps
  readonly #senders = new Map<number, BrokerSender>()
  #sequences: Pick<ProducerSequences, 'identify' | 'written' | 'refused' | 'lost' | 'forget'>
  /** The leader that was last sent to, or is about to be: it is there, as far as anyone knows. */
  #leader: BrokerSender | undefined
  #stopped = false

  constructor(deps: KafkajsProducerDeps) {
    this.#deps = deps
    const { idempotence, acks } = deps.options
    this.#sequences =
      idempotence && acks === -1 ? new ProducerSequences(() => this.#newProducerId()) : new NoSequences()
  }

  async send(
    topic: string,
    partition: number,
    records: readonly ProducerRecord[],
  ): Promise<{ baseOffset: bigint }> {
    const key = partitionKey(topic, partition)
    const sender = await this.#leaderOf(topic, partition)
    this.#leader = sender
    const identity = await this.#identify(key, records).catch(error => {
      // As below: without an id for the batch it does not even get to its leader.
      this.#deps.cluster.outdated(topic)
      throw error
    })
    const compressor = compressors[this.#deps.options.compression]
    const batch = await encodeRecordBatch(records, compressor, identity)
    let answer: PartitionAnswer
    try {
      answer = await sender.send({ topic, partition, batch })
    } catch (error) {
      this.#sequences.lost(key, records)
      // The leader may have moved, together with the connection that ended.
      this.#deps.cluster.outdated(topic)
      throw error
    }
    if (answer.errorCode === 0) {
      this.#sequences.written(key, records)
      return { baseOffset: answer.baseOffset }
    }
    throw this.#failure(topic, key, records, answer)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const sender of this.#senders.values()) sender.stop(stopping())
    this.#senders.clear()
  }

  #failure(
    topic: string,
    key: string,
    records: readonly ProducerRecord[],
    answer: PartitionAnswer,
  ): KafkaError {
    const error = brokerError(answer.errorCode, { subject: topic, text: answer.errorText })
    if (staleMetadata.has(error.kind)) this.#deps.cluster.outdated(topic)
    if (lostSequence.has(error.kind)) {
      // The broker does not know where our sequence stands (its state expired, or a leader lost data). A new id is
      // always accepted; the batch may then be written twice, as without idempotence.
      this.#sequences.forget(key)
      const { code, kind, message: text } = error
      return new KafkaError(kind, { code, retriable: true, text, cause: error })
    }
    if (!notWritten.has(error.kind)) {
      this.#sequences.lost(key, records)
      return error
    }
    this.#sequences.refused(key, records)
    const refused = new Map(
      answer.recordErrors
        .filter(({ index }) => index >= 0 && index < records.length)
        .map(({ index, text }) => [index, text ?? error.message] as const),
    )
    return refused.size > 0 ? new RecordsRefused(error, refused) : error
  }

  async #identify(
    key: string,
    records: readonly ProducerRecord[],
  ): ReturnType<ProducerSequences['identify']> {
    try {
      return await this.#sequences.identify(key, records)
    } catch (error) {
      if (!(error instanceof KafkaError) || !noProducerIds.has(error.kind)) throw error
      // Needs a right of its own on brokers before 2.8, and not every system that speaks Kafka's protocol has it.
      this.#deps.log.warn(
        { err: error },
        'the brokers give no producer id: batches sent again may be doubled',
      )
      this.#sequences = new NoSequences()
      return this.#sequences.identify(key, records)
    }
  }

  async #newProducerId(): Promise<ProducerId> {
    // Any broker gives one. Not the first that was ever met: it may be gone for good.
    if (!this.#leader) throw brokerError(8)
    return this.#leader.initProducerId()
  }

  async #leaderOf(topic: string, partition: number): Promise<BrokerSender> {
    const { cluster, clock } = this.#deps
    const start = clock.monotonic()
    const metadata = cluster.cachedTopic(topic) ?? (await cluster.topic(topic))
    const waited = `after ${Math.round(clock.monotonic() - start)} ms.`
    if (!metadata) throw notPresentInMetadata(`Topic ${topic} not present in metadata ${waited}`)
    const leader = metadata.partitions[partition]?.leader
    if (leader === undefined) {
      const where = `Partition ${partition} of topic ${topic} with partition count ${metadata.partitions.length}`
      throw notPresentInMetadata(`${where} is not present in metadata ${waited}`)
    }
    if (leader >= 0) return this.#senderTo(leader, await cluster.addressOf(topic, leader))
    cluster.outdated(topic)
    throw brokerError(5)
  }

  /** The sender to a broker; a broker that moved to another address gets a new one. */
  #senderTo(broker: number, address: { readonly host: string; readonly port: number }): BrokerSender {
    if (this.#stopped) throw stopping()
    const known = this.#senders.get(broker)
    if (known && known.host === address.host && known.port === address.port) return known
    known?.stop(brokerError(13))
    const { connection, options, clock, log } = this.#deps
    const sender = new BrokerSender(address, { settings: { ...connection, ...options }, clock, log })
    this.#senders.set(broker, sender)
    return sender
  }
}

/** What a broker says that will not give a producer id to us. */
const noProducerIds: ReadonlySet<string> = new Set([
  'CLUSTER_AUTHORIZATION_FAILED',
  'TOPIC_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'UNSUPPORTED_VERSION',
])

/** Java's InvalidMetadataException: look for the leader again. */
const staleMetadata: ReadonlySet<string> = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'REPLICA_NOT_AVAILABLE',
  'NETWORK_EXCEPTION',
  'KAFKA_STORAGE_ERROR',
  'LISTENER_NOT_FOUND',
  'FENCED_LEADER_EPOCH',
])

/** The broker and we disagree about the sequence of the partition. */
const lostSequence: ReadonlySet<string> = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'DUPLICATE_SEQUENCE_NUMBER',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'UNKNOWN_PRODUCER_ID',
])

/** Decided before anything is appended to the log. Of any other failure, the leader may have written the batch. */
const notWritten: ReadonlySet<string> = new Set([
  'MESSAGE_TOO_LARGE',
  'INVALID_TOPIC_EXCEPTION',
  'RECORD_LIST_TOO_LARGE',
  'NOT_ENOUGH_REPLICAS',
  'INVALID_REQUIRED_ACKS',
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'INVALID_TIMESTAMP',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT',
  'POLICY_VIOLATION',
  'UNSUPPORTED_COMPRESSION_TYPE',
  'INVALID_RECORD',
])
