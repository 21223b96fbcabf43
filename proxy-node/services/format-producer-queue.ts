import type { Clock, Timer } from '../../shared/clock.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import { type BatchProducer, RecordsRefused } from '../ports/kafka-producer.ts'
import { Batch, type QueuedRecord, type RecordOutcome } from './format-producer-batch.ts'

export interface QueueSettings {
  /** `batch.size`: a batch takes records up to this; a larger record goes alone. */
  readonly batchBytesMax: number
  readonly lingerMs: number
  /** `delivery.timeout.ms`, from the batch's first record to the last attempt. */
  readonly deliveryTimeoutMs: number
  readonly retryBackoffMs: number
  readonly retryBackoffMaxMs: number
}

/** What the producer counts; called often, so it must be cheap. */
export interface ProducerMetrics {
  /** A batch was acknowledged, `seconds` after its first record came. */
  sent(records: number, bytes: number, seconds: number): void
  retried(): void
  /** Records got an error of this kind. */
  failed(kind: string, records: number): void
}

export interface QueueDeps {
  readonly settings: QueueSettings
  readonly batches: BatchProducer
  readonly clock: Clock
  /** A number from 0 up to, but not including, 1. */
  readonly random: () => number
  readonly metrics: ProducerMetrics
  /** Takes the settled records' bytes out of the buffer. */
  readonly release: (records: readonly QueuedRecord[]) => void
  /** Aborts when what has not been sent by now is to fail. */
  readonly signal: AbortSignal
}

/**
 * The batches of one partition, sent in order, one at a time: so records keep their order when a batch is sent again
 * (contract v2 §2.8 sends them in list order), and a partition that is slow or leaderless holds up no other.
 */
export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  readonly #deps: QueueDeps
  readonly #batches: Batch[] = []
  #running = false
  #linger: Timer | undefined
  #flushing = false
  readonly #onIdle: () => void

  /** @param onIdle called when nothing is left; the queue may be used again. */
  constructor(topic: string, partition: number, deps: QueueDeps, onIdle: () => void) {
    this.topic = topic
    this.partition = partition
    this.#deps = deps
    this.#onIdle = onIdle
  }

  /** Whether a record of this size joins a batch that is waiting anyway. */
  hasRoom(bytes: number): boolean {
    return this.#batches.at(-1)?.hasRoom(bytes, this.#deps.settings.batchBytesMax) ?? false
  }

  /** Puts a record behind all others. Nothing is sent before `wake`. */
  append(record: QueuedRecord): void {
    if (!this.hasRoom(record.bytes)) this.#batches.push(new Batch(this.#deps.clock.monotonic()))
    this.#batches.at(-1)?.append(record)
  }

  /** Sends what is ready: after a request has put all of its records in. */
  wake(): void {
    if (this.#running) return
    const waitMs = this.#lingerMs()
    if (waitMs <= 0) {
      this.#linger?.cancel()
      this.#linger = undefined
      void this.#run()
    } else {
      this.#linger ??= this.#deps.clock.after(waitMs, () => {
        this.#linger = undefined
        this.wake()
      })
    }
  }

  /** Waits for nobody any more: lingering batches leave now and from here on. */
  flush(): void {
    this.#flushing = true
    this.wake()
  }

  /** How long the first batch should wait for more records; it does not when another is behind it. */
  #lingerMs(): number {
    const [first, second] = this.#batches
    const { lingerMs, batchBytesMax } = this.#deps.settings
    if (!first || second || this.#flushing || lingerMs === 0 || first.bytes >= batchBytesMax) return 0
    return first.createdAt + lingerMs - this.#deps.clock.monotonic()
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#batches.length > 0 && this.#lingerMs() <= 0) await this.#deliverFirst()
    this.#running = false
    if (this.#batches.length > 0) this.wake()
    else this.#onIdle()
  }

  /** Sends the first batch until it is settled or replaced by parts. Never rejects. */
  async #deliverFirst(): Promise<void> {
    const { batches, clock, signal } = this.#deps
    for (let attempt = 1; ; attempt++) {
      this.#expire()
      const [batch] = this.#batches
      if (!batch) return
      if (signal.aborted) return this.#settle(batch, failureOf(signal.reason))
      batch.close()
      try {
        const { baseOffset } = await batches.send(this.topic, this.partition, batch.records)
        this.#deps.metrics.sent(batch.size, batch.bytes, (clock.monotonic() - batch.createdAt) / 1000)
        return this.#settle(batch, baseOffset)
      } catch (thrown) {
        const error = failureOf(thrown)
        if (!worthAnotherTry(error)) return this.#refused(batch, error)
        this.#deps.metrics.retried()
        await this.#pause(batch, attempt)
      }
    }
  }

  /**
   * The broker will not take the batch as it is. Other requests' records in it must not fail with the culprits: when the
   * broker named them, the rest goes again without them; when it did not, and the reason may lie in single records, the
   * halves go one after the other until the culprits are alone.
   */
  #refused(batch: Batch, error: KafkaError): void {
    if (error instanceof RecordsRefused) {
      const culprits = batch.records.filter((_, position) => error.refused.has(position))
      const rest = batch.without(error.refused)
      this.#batches.splice(0, 1, ...(rest.size > 0 ? [rest] : []))
      for (const [position, text] of error.refused) {
        const culprit = batch.records[position]
        culprit?.delivery.settle(culprit.index, { error: withText(error, text) })
      }
      this.#forget(culprits, error)
    } else if (batch.size > 1 && perRecordKinds.has(error.kind)) this.#batches.splice(0, 1, ...batch.halves())
    else this.#settle(batch, error)
  }

  /** Fails what has waited longer than `delivery.timeout.ms`; the batch behind one that is stuck has a deadline too. */
  #expire(): void {
    const { clock, settings } = this.#deps
    const now = clock.monotonic()
    for (let batch = this.#batches[0]; batch; batch = this.#batches[0]) {
      // Batches are in the order of their creation.
      if (now - batch.createdAt < settings.deliveryTimeoutMs) return
      const ageMs = Math.round(now - batch.createdAt)
      const where = `${this.topic}-${this.partition}`
      const text = `Expiring ${batch.size} record(s) for ${where}:${ageMs} ms has passed since batch creation`
      this.#settle(batch, new KafkaError('TIMED_OUT', { code: -1, retriable: true, text }))
    }
  }

  /** `retry.backoff.ms`, doubled with each attempt, with a fifth of it either way at random (KIP-580). */
  async #pause(batch: Batch, attempt: number): Promise<void> {
    const { settings, clock, random, signal } = this.#deps
    const doubled = Math.min(settings.retryBackoffMs * 2 ** (attempt - 1), settings.retryBackoffMaxMs)
    const leftMs = batch.createdAt + settings.deliveryTimeoutMs - clock.monotonic()
    // Woken by the signal, the next round fails the batch.
    await clock.sleep(Math.min(doubled * (0.8 + random() * 0.4), leftMs), signal).catch(() => undefined)
  }

  /** All records of the first batch got their offsets from `result` on, or the same error. */
  #settle(batch: Batch, result: bigint | KafkaError): void {
    this.#batches.shift()
    for (const [position, { delivery, index }] of batch.records.entries()) {
      delivery.settle(index, this.#outcome(result, position))
    }
    this.#forget(batch.records, typeof result === 'bigint' ? undefined : result)
  }

  #outcome(result: bigint | KafkaError, position: number): RecordOutcome {
    if (typeof result !== 'bigint') return { error: result }
    // acks=0: nobody knows the offset.
    return { partition: this.partition, offset: result < 0n ? -1n : result + BigInt(position) }
  }

  #forget(records: readonly QueuedRecord[], error: KafkaError | undefined): void {
    if (error) this.#deps.metrics.failed(error.kind, records.length)
    this.#deps.release(records)
  }
}

/** Refusals that may be about single records of a batch. */
const perRecordKinds: ReadonlySet<string> = new Set([
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'POLICY_VIOLATION',
])

/**
 * A topic that the brokers do not know has been asked for long enough (port KafkaCluster.topic); its records fail as
 * retriable, for the client to decide.
 */
function worthAnotherTry(error: KafkaError): boolean {
  return error.retriable && error.kind !== 'NOT_PRESENT_IN_METADATA'
}

/** Anything but a Kafka failure is an error of ours: it fails the batch, and the answer becomes 500 (contract v2 §2.8). */
function failureOf(thrown: unknown): KafkaError {
  if (thrown instanceof KafkaError) return thrown
  return new KafkaError('UNEXPECTED', { code: -1, retriable: false, text: String(thrown), cause: thrown })
}

function withText(error: KafkaError, text: string): KafkaError {
  const { kind, code } = error
  return new KafkaError(kind, { code, retriable: false, text, cause: error })
}
