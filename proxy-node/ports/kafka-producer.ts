import { KafkaError } from './kafka-error.ts'

/** One record on its way to Kafka; `null` is Kafka's null (a tombstone as a value). */
export interface ProducerRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** Ms since the epoch. */
  readonly timestamp: number
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[]
}

/**
 * Sends batches. One topic-partition a call, at most one call in flight for each partition, no retries inside: a
 * driver that retries a send over several partitions repeats those that succeeded, and can resolve without having
 * sent. Retrying is the accumulator's (services/format-producer.ts).
 */
export interface BatchProducer {
  /**
   * A retry passes the same array: that is how the driver knows that it may be a repetition, and has the broker write it
   * once (KIP-98), if the settings and the broker allow it.
   * @returns the offset of the first record, and −1n with acks=0. Resolving means what `acks` promises: an answer
   *   that lacks the partition is a failure.
   * @throws RecordsRefused, KafkaError
   */
  send(topic: string, partition: number, records: readonly ProducerRecord[]): Promise<{ baseOffset: bigint }>
  stop(): Promise<void>
}

/**
 * The broker has refused a batch because of some of its records, and has written nothing of it (KIP-467). Others may
 * come to light when the rest is sent.
 */
export class RecordsRefused extends KafkaError {
  /** The broker's reason for each culprit, by its position in the batch. Never empty. */
  readonly refused: ReadonlyMap<number, string>

  constructor(error: KafkaError, refused: ReadonlyMap<number, string>) {
    super(error.kind, { code: error.code, retriable: false, text: error.message, cause: error })
    this.name = 'RecordsRefused'
    this.refused = refused
  }
}

/** The settings of a producer, from the `client.*` and `producer.*` pass-through (contract v2 §5.2). */
export interface ProducerOptions {
  readonly acks: -1 | 0 | 1
  readonly compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  /** Ms the broker may take for one batch (`producer.request.timeout.ms`, 30000). */
  readonly requestTimeoutMs: number
  /** Whether a batch that is sent again is written once (`producer.enable.idempotence`); only with acks=all. */
  readonly idempotence: boolean
  /** Bytes of batches in one request to a broker (`producer.max.request.size`). */
  readonly requestBytesMax: number
  /** Requests to one broker that wait for their answer (`producer.max.in.flight.requests.per.connection`). */
  readonly inFlightMax: number
}
