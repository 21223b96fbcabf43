import type { KafkaError } from '../ports/kafka-error.ts'
import type { ProducerRecord } from '../ports/kafka-producer.ts'
import { BATCH_OVERHEAD_BYTES } from './produce-record-size.ts'

/** What became of one record: its place in Kafka, or why it has none. */
export type RecordOutcome =
  | { readonly partition: number; readonly offset: bigint }
  | { readonly error: KafkaError }

/** The records of one request on their way: collects their outcomes in the request's order. */
export class Delivery {
  readonly #outcomes: (RecordOutcome | undefined)[]
  readonly #done = Promise.withResolvers<readonly RecordOutcome[]>()
  #open: number

  constructor(recordCount: number) {
    this.#outcomes = new Array(recordCount)
    this.#open = recordCount
    if (recordCount === 0) this.#done.resolve([])
  }

  settle(index: number, outcome: RecordOutcome): void {
    if (this.#outcomes[index]) return
    this.#outcomes[index] = outcome
    this.#open--
    if (this.#open === 0) this.#done.resolve(this.#outcomes.filter(settled => settled !== undefined))
  }

  /** Resolves when every record has its outcome. */
  get done(): Promise<readonly RecordOutcome[]> {
    return this.#done.promise
  }
}

/**
 * A record in a batch, and whose it is. One object with what the driver wants of it: there may be a hundred thousand in
 * a request.
 */
export interface QueuedRecord extends ProducerRecord {
  /** `recordBytesMax` of the record. */
  readonly bytes: number
  readonly delivery: Delivery
  /** Its position in the request. */
  readonly index: number
}

/** Records of one partition that are sent together. */
export class Batch {
  /** Monotonic ms; what `delivery.timeout.ms` and `linger.ms` are counted from. */
  readonly createdAt: number
  readonly #records: QueuedRecord[]
  #closed = false
  #bytes = BATCH_OVERHEAD_BYTES

  constructor(createdAt: number, records: readonly QueuedRecord[] = []) {
    this.createdAt = createdAt
    this.#records = [...records]
    for (const { bytes } of records) this.#bytes += bytes
  }

  get size(): number {
    return this.#records.length
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The records, in order; always the same array, by which the driver recognises a batch that it was given before. */
  get records(): readonly QueuedRecord[] {
    return this.#records
  }

  /** From here on the batch takes no more: it is about to be sent. */
  close(): void {
    this.#closed = true
  }

  /** Whether a record of this size may still join. */
  hasRoom(bytes: number, batchBytesMax: number): boolean {
    return !this.#closed && this.#bytes + bytes <= batchBytesMax
  }

  append(record: QueuedRecord): void {
    this.#records.push(record)
    this.#bytes += record.bytes
  }

  /** The batch without some of its records. */
  without(positions: ReadonlyMap<number, unknown>): Batch {
    return new Batch(
      this.createdAt,
      this.#records.filter((_, position) => !positions.has(position)),
    )
  }

  /** Two halves, in order. */
  halves(): readonly [Batch, Batch] {
    const middle = Math.ceil(this.#records.length / 2)
    return [
      new Batch(this.createdAt, this.#records.slice(0, middle)),
      new Batch(this.createdAt, this.#records.slice(middle)),
    ]
  }
}
