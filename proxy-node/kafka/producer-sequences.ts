import type { ProducerRecord } from '../ports/kafka-producer.ts'
import { anonymous, type BatchIdentity } from './record-batch-encoder.ts'

/** What InitProducerId gave. */
export interface ProducerId {
  readonly producerId: bigint
  readonly epoch: number
}

interface PartitionSequence {
  producer: ProducerId
  next: number
  /** The batch that was sent last and is not known to be written or refused. */
  open: readonly ProducerRecord[] | undefined
  /** Whether an attempt at `open` may have been written. */
  uncertain: boolean
}

/** Beyond this many partitions everything is forgotten, and the sequences start anew under a new id. */
const PARTITIONS_MAX = 100_000
const SEQUENCE_MAX = 2 ** 31 - 1

/**
 * The identities under which batches are sent (KIP-98), so that a broker writes a batch once although it is sent again
 * after a lost answer. A retry is recognised by its array: the same array gets the same identity.
 *
 * The danger of sequence numbers is a number that is used twice: the broker then takes the second batch for a repetition of
 * the first and acknowledges it without writing it. So a number is only ever given to another batch after the broker
 * said that it refused the first one. When it is not known what became of a batch (the caller gave up on it after a lost
 * answer), the partition goes on under a new producer id, where every number is unused:
 *
 *   batch A, number 5 → written, answer lost → A given up → batch B, number 5 → "duplicate", acknowledged, lost
 *   batch A, number 5 → written, answer lost → A given up → batch B, new id, number 0 → written
 */
export class ProducerSequences {
  readonly #newProducerId: () => Promise<ProducerId>
  readonly #partitions = new Map<string, PartitionSequence>()
  #producer: Promise<ProducerId> | undefined

  /** @param newProducerId asks a broker; its failures reach the caller of `identify`. */
  constructor(newProducerId: () => Promise<ProducerId>) {
    this.#newProducerId = newProducerId
  }

  /** The identity to send a batch with. At most one batch of a partition may be under way. */
  async identify(partition: string, records: readonly ProducerRecord[]): Promise<BatchIdentity> {
    let sequence = this.#partitions.get(partition)
    if (sequence && this.#mustRenew(sequence, records)) {
      this.forget(partition)
      sequence = undefined
    }
    if (!sequence) {
      this.#producer ??= this.#newProducerId().catch(error => {
        this.#producer = undefined
        throw error
      })
      sequence = { producer: await this.#producer, next: 0, open: undefined, uncertain: false }
      if (this.#partitions.size >= PARTITIONS_MAX) this.#forgetAll()
      this.#partitions.set(partition, sequence)
    }
    sequence.open = records
    return { ...sequence.producer, firstSequence: sequence.next }
  }

  #mustRenew(sequence: PartitionSequence, records: readonly ProducerRecord[]): boolean {
    if (sequence.open !== undefined && sequence.open !== records && sequence.uncertain) return true
    return sequence.next + records.length > SEQUENCE_MAX
  }

  /** The batch was acknowledged. */
  written(partition: string, records: readonly ProducerRecord[]): void {
    const sequence = this.#partitions.get(partition)
    if (sequence?.open !== records) return
    sequence.next += records.length
    sequence.open = undefined
    sequence.uncertain = false
  }

  /** The broker answered that it has not written the batch. An earlier attempt may still have been. */
  refused(partition: string, records: readonly ProducerRecord[]): void {
    const sequence = this.#partitions.get(partition)
    if (sequence?.open === records && !sequence.uncertain) sequence.open = undefined
  }

  /** Nobody knows whether the batch was written. */
  lost(partition: string, records: readonly ProducerRecord[]): void {
    const sequence = this.#partitions.get(partition)
    if (sequence?.open === records) sequence.uncertain = true
  }

  /** The next batch of the partition goes under a new producer id. */
  forget(partition: string): void {
    const sequence = this.#partitions.get(partition)
    if (!sequence) return
    this.#partitions.delete(partition)
    // Not the same id again, with a number that the broker has seen. The others keep theirs until they need a new one.
    this.#producer = undefined
  }

  /** Partitions whose batch is under way keep their entry by their own reference; its result finds none and is dropped. */
  #forgetAll(): void {
    this.#partitions.clear()
    this.#producer = undefined
  }
}

/** For producers whose batches carry no identity. */
export class NoSequences {
  async identify(): Promise<BatchIdentity> {
    return anonymous
  }

  written(): void {}
  refused(): void {}
  lost(): void {}
  forget(): void {}
}
