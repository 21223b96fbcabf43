import type { Clock } from '../../shared/clock.ts'
import { RestError } from '../../shared/errors/rest-error.ts'
import type { KafkaCluster, TopicMetadata } from '../ports/kafka-cluster.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import type { BatchProducer, ProducerRecord } from '../ports/kafka-producer.ts'
import { Delivery, type QueuedRecord, type RecordOutcome } from './format-producer-batch.ts'
import { ProducerBuffer } from './format-producer-buffer.ts'
import {
  PartitionQueue,
  type ProducerMetrics,
  type QueueDeps,
  type QueueSettings,
} from './format-producer-queue.ts'
import { partitionForKey, StickyPartitions } from './partitioner.ts'
import { BATCH_OVERHEAD_BYTES, recordBytesMax } from './produce-record-size.ts'

export interface FormatProducerSettings extends QueueSettings {
  /** `buffer.memory`. */
  readonly bufferBytesMax: number
  /** `max.block.ms`: the wait for metadata and for room, each. */
  readonly maxBlockMs: number
  /** `max.request.size`, held against each record. */
  readonly recordBytesMax: number
  /** How long `stop` waits for what was accepted. */
  readonly stopTimeoutMs: number
}

export interface FormatProducerDeps {
  readonly settings: FormatProducerSettings
  readonly cluster: Pick<KafkaCluster, 'topic' | 'cachedTopic'>
  readonly batches: BatchProducer
  readonly clock: Clock
  readonly random: () => number
  readonly metrics: ProducerMetrics
}

/** A record with its key and value encoded; `partition` is the client's choice, if it made one. */
export interface EncodedRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly partition: number | null
}

interface FoundTopic {
  readonly topic: TopicMetadata
  /** How long the metadata was looked for. */
  readonly waitedMs: number
}

/**
 * What a queued record costs beyond its bytes: the objects around key, value and result. Without it a buffer full of
 * tiny records would take ten times its bound.
 */
const RECORD_MEMORY_BYTES = 256

const noHeaders: ProducerRecord['headers'] = []

/**
 * One format's shared producer (contract v2 §2.8): an accumulator in front of the driver. All requests of the format
 * share its buffer, its batches and its connections. Delivery is at least once, as far as the driver cannot have the
 * broker drop repetitions; each record of a request is acknowledged at one offset.
 */
export class FormatProducer {
  readonly #deps: FormatProducerDeps
  readonly #buffer: ProducerBuffer
  readonly #sticky: StickyPartitions
  readonly #queues = new Map<string, PartitionQueue>()
  readonly #queueDeps: QueueDeps
  /** Fails what is queued. */
  readonly #giveUp = new AbortController()
  /** Fails what waits and is not queued yet: safe to be repeated. */
  readonly #turnAway = new AbortController()
  #underWay = 0
  #stopping: PromiseWithResolvers<void> | undefined

  constructor(deps: FormatProducerDeps) {
    this.#deps = deps
    this.#buffer = new ProducerBuffer(deps.settings.bufferBytesMax, deps.clock)
    this.#sticky = new StickyPartitions(deps.random)
    const { settings, batches, clock, random, metrics } = deps
    const release = (records: readonly QueuedRecord[]) => this.#release(records)
    this.#queueDeps = { settings, batches, clock, random, metrics, release, signal: this.#giveUp.signal }
  }

  /** Bytes that wait for Kafka now. */
  get bufferedBytes(): number {
    return this.#buffer.used
  }

  /** Requests that wait for room. */
  get waitingRequests(): number {
    return this.#buffer.waiting
  }

  /**
   * Sends records of one topic in order and waits until each is acknowledged or has failed. The signal counts until the
   * records are queued; from then on they are sent whoever listens.
   * @returns the outcomes in the order of `records`.
   * @throws RestError producerBufferFull or draining, and then nothing was queued; the signal's reason.
   */
  async produce(
    topic: string,
    records: readonly EncodedRecord[],
    signal: AbortSignal,
  ): Promise<readonly RecordOutcome[]> {
    if (this.#stopping) throw new RestError('draining')
    this.#underWay++
    try {
      const found = await this.#metadata(topic, records, signal)
      if (found instanceof KafkaError) return records.map(() => ({ error: found }))
      const delivery = new Delivery(records.length)
      const accepted: number[] = []
      let memoryBytes = 0
      for (const [index, record] of records.entries()) {
        const bytes = recordBytesMax(record.key, record.value)
        const error = this.#refusal(found, record, BATCH_OVERHEAD_BYTES + bytes)
        if (error) delivery.settle(index, { error })
        else {
          accepted.push(index)
          memoryBytes += bytes + RECORD_MEMORY_BYTES
        }
      }
      // Nothing to send, nothing to wait for.
      if (accepted.length === 0) return await delivery.done
      if (!this.#buffer.tryAdmit(memoryBytes)) {
        await this.#buffer.admit(memoryBytes, this.#deps.settings.maxBlockMs, this.#patience(signal))
      }
      this.#enqueue(found.topic, records, accepted, delivery)
      return await delivery.done
    } finally {
      this.#underWay--
      this.#checkStopped()
    }
  }

  /**
   * Finishes what was accepted, without lingering, and fails what is left after `stopTimeoutMs`. Accepts nothing
   * from now on.
   */
  async stop(): Promise<void> {
    this.#stopping ??= Promise.withResolvers()
    this.#checkStopped()
    for (const queue of this.#queues.values()) queue.flush()
    const timer = this.#deps.clock.after(this.#deps.settings.stopTimeoutMs, () => {
      const text = 'The producer was closed before the record was acknowledged.'
      this.#turnAway.abort(new RestError('draining'))
      this.#giveUp.abort(new KafkaError('CLOSED', { code: -1, retriable: false, text }))
      void this.#deps.batches.stop()
    })
    await this.#stopping.promise
    timer.cancel()
    await this.#deps.batches.stop()
  }

  #checkStopped(): void {
    if (this.#underWay === 0) this.#stopping?.resolve()
  }

  /** Waits end with the client or with the producer. Costs something, so it is made only for a wait. */
  #patience(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#turnAway.signal])
  }

  /**
   * The topic's metadata, waited for while no broker answers, up to `max.block.ms`. A partition that it lacks is looked
   * for once more by a forced refresh: partitions may have been added.
   * @returns the KafkaError that all records fail with when there is none.
   */
  async #metadata(
    topic: string,
    records: readonly EncodedRecord[],
    signal: AbortSignal,
  ): Promise<FoundTopic | KafkaError> {
    const { cluster, clock, settings } = this.#deps
    const highest = records.reduce((max, { partition }) => Math.max(max, partition ?? 0), 0)
    const cached = cluster.cachedTopic(topic)
    if (cached && highest < cached.partitions.length) return { topic: cached, waitedMs: 0 }
    const giveUp = this.#patience(signal)
    const options = { autoCreate: true, signal: giveUp }
    const start = clock.monotonic()
    const elapsedMs = () => Math.round(clock.monotonic() - start)
    for (let pauseMs = settings.retryBackoffMs; ; pauseMs *= 2) {
      try {
        const known = await cluster.topic(topic, options)
        if (known && highest < known.partitions.length) return { topic: known, waitedMs: elapsedMs() }
        const fresh = known && (await cluster.topic(topic, { ...options, refresh: true }))
        if (fresh) return { topic: fresh, waitedMs: elapsedMs() }
        return notPresent(`Topic ${topic} not present in metadata after ${elapsedMs()} ms.`)
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error
        if (error.kind === 'INVALID_TOPIC_EXCEPTION') return invalidTopic(topic, error)
        if (!error.retriable) return error
        if (elapsedMs() >= settings.maxBlockMs)
          return notPresent(`Topic ${topic} not present in metadata after ${elapsedMs()} ms.`)
        const leftMs = settings.maxBlockMs - elapsedMs()
        await clock.sleep(Math.min(pauseMs, settings.retryBackoffMaxMs, leftMs), giveUp)
      }
    }
  }

  /** Why a record cannot even be queued. The texts are Java's (contract v2 §2.8). */
  #refusal({ topic, waitedMs }: FoundTopic, record: EncodedRecord, bytes: number): KafkaError | undefined {
    const count = topic.partitions.length
    if (record.partition !== null && record.partition >= count) {
      const missing = `Partition ${record.partition} of topic ${topic.name} with partition count ${count}`
      return notPresent(`${missing} is not present in metadata after ${waitedMs} ms.`)
    }
    const max = this.#deps.settings.recordBytesMax
    if (bytes <= max) return undefined
    const text = `The message is ${bytes} bytes when serialized which is larger than ${max}, which is the value of the max.request.size configuration.`
    return new KafkaError('MESSAGE_TOO_LARGE', { code: 10, retriable: false, text })
  }

  #release(records: readonly QueuedRecord[]): void {
    this.#buffer.release(records.reduce((sum, { bytes }) => sum + bytes + RECORD_MEMORY_BYTES, 0))
  }

  /** Without a pause from the first record to the last, so that a request's records stay together and in order. */
  #enqueue(
    topic: TopicMetadata,
    records: readonly EncodedRecord[],
    accepted: readonly number[],
    delivery: Delivery,
  ): void {
    const timestamp = this.#deps.clock.now()
    const queues = new Map<number, PartitionQueue>()
    for (const index of accepted) {
      const record = records[index]
      if (!record) continue
      const { key, value } = record
      const bytes = recordBytesMax(key, value)
      const partition = this.#partitionFor(topic, record, bytes)
      let queue = queues.get(partition)
      if (!queue) {
        queue = this.#queue(topic.name, partition)
        queues.set(partition, queue)
      }
      queue.append({ key, value, timestamp, headers: noHeaders, bytes, delivery, index })
    }
    for (const queue of queues.values()) {
      if (this.#stopping) queue.flush()
      else queue.wake()
    }
  }

  #partitionFor(topic: TopicMetadata, { key, partition }: EncodedRecord, bytes: number): number {
    if (partition !== null) return partition
    if (key !== null) return partitionForKey(key, topic.partitions.length)
    const current = this.#sticky.current(topic)
    const hasRoom = this.#queues.get(queueName(topic.name, current))?.hasRoom(bytes) ?? false
    return hasRoom ? current : this.#sticky.next(topic)
  }

  #queue(topic: string, partition: number): PartitionQueue {
    const name = queueName(topic, partition)
    const known = this.#queues.get(name)
    if (known) return known
    const queue = new PartitionQueue(topic, partition, this.#queueDeps, () => this.#queues.delete(name))
    this.#queues.set(name, queue)
    return queue
  }
}

/** A topic's name holds no `/`. */
function queueName(topic: string, partition: number): string {
  return `${topic}/${partition}`
}

function notPresent(text: string): KafkaError {
  return new KafkaError('NOT_PRESENT_IN_METADATA', { code: -1, retriable: true, text })
}

/** Java's text for a name that is no topic name; the metadata endpoints have another one. */
function invalidTopic(topic: string, error: KafkaError): KafkaError {
  const { kind, code } = error
  return new KafkaError(kind, { code, retriable: false, text: `Invalid topics: [${topic}]`, cause: error })
}
