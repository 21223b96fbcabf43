import type { FetchedRecord, Isolation } from '../ports/kafka-consumer.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import { DecompressionError } from './decompression-error.ts'
import {
  BadBatchError,
  batchEnd,
  type FetchedBatch,
  isAbortMarker,
  readBatch,
  readRecords,
} from './fetched-batch.ts'

/** One partition's share of a Fetch answer. */
export interface PartitionBatches {
  readonly topic: string
  readonly partition: number
  readonly askedOffset: bigint
  readonly isolation: Isolation
  readonly data: Buffer
  readonly lastStableOffset: bigint
  readonly abortedTransactions: readonly AbortedTransaction[]
}

export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: bigint
}

export interface ReadLimits {
  /** Bound on one batch's decompressed size. */
  readonly batchBytesMax: number
  readonly checkCrcs: boolean
  /**
   * Decompressed bytes that may still be read; counted down. A batch is begun as long as it is above zero, and what is
   * left over is fetched again later: otherwise an answer of many small bombs is as large as one large one.
   */
  bytesLeft: number
}

/**
 * The records of a partition that a consumer may see, and where to go on. Control batches are never shown; with
 * read_committed neither are records of aborted transactions. The offset to go on from moves by batch, also over
 * compacted, filtered and empty ones: otherwise the same empty batch is fetched for ever.
 *
 * A batch that cannot be read ends the walk. What came before it is handed out, and the error only when it is the
 * first: it names the offset to seek past.
 */
export function partitionRecords(
  input: PartitionBatches,
  limits: ReadLimits,
): { records: readonly FetchedRecord[]; nextOffset: bigint; error: KafkaError | undefined } {
  const filter =
    input.isolation === 'read_committed' ? new AbortedFilter(input.abortedTransactions) : undefined
  const records: FetchedRecord[][] = []
  let nextOffset = input.askedOffset
  let error: KafkaError | undefined
  for (let at = 0; limits.bytesLeft > 0; ) {
    const end = batchEnd(input.data, at)
    if (end === undefined) break
    let lastOffset = nextOffset
    try {
      const batch = readBatch(input.data, at, end, limits.checkCrcs)
      lastOffset = batch.lastOffset
      if (filter && batch.baseOffset >= input.lastStableOffset) break
      const shown = filter ? filter.shows(batch) : !batch.control
      if (shown) {
        const read = readRecords(batch, input.askedOffset, limits.batchBytesMax)
        records.push(read.records)
        limits.bytesLeft -= read.bytes
      }
      if (batch.lastOffset >= nextOffset) nextOffset = batch.lastOffset + 1n
    } catch (cause) {
      if (records.length === 0) error = unreadable(input, nextOffset, lastOffset, limits, cause)
      break
    }
    at = end
  }
  return { records: records.flat(), nextOffset, error }
}

function unreadable(
  { topic, partition }: PartitionBatches,
  offset: bigint,
  lastOffset: bigint,
  { batchBytesMax }: ReadLimits,
  cause: unknown,
): KafkaError {
  // The whole batch has to be sought past, and only its head says where it ends.
  const where = `The record batch of ${topic}-${partition} at offsets ${offset} to ${lastOffset}`
  if (cause instanceof DecompressionError && cause.reason === 'tooLarge') {
    const text = `${where} is larger than ${batchBytesMax} bytes when decompressed.`
    return new KafkaError('BATCH_TOO_LARGE', { code: -1, retriable: false, text, cause })
  }
  if (cause instanceof DecompressionError || cause instanceof BadBatchError) {
    const text = `${where} cannot be read: ${cause.message}.`
    return new KafkaError('CORRUPT_BATCH', { code: -1, retriable: false, text, cause })
  }
  throw cause
}

/**
 * Hides aborted transactions. The broker lists, for the range that it answered, the producers that aborted and the
 * first offset of each such transaction; its end is the producer's ABORT marker in the log. Walking in offset order, a
 * transaction is entered into `#open` when the walk reaches its first offset, and leaves it at its marker, so that a
 * later transaction of the same producer is shown again.
 */
class AbortedFilter {
  readonly #upcoming: AbortedTransaction[]
  readonly #open = new Set<bigint>()

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#upcoming = aborted.toSorted((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1))
  }

  /** Whether the records of the next batch are to be shown. */
  shows(batch: FetchedBatch): boolean {
    for (
      let next = this.#upcoming[0];
      next && next.firstOffset <= batch.lastOffset;
      next = this.#upcoming[0]
    ) {
      this.#open.add(next.producerId)
      this.#upcoming.shift()
    }
    if (batch.control) {
      if (isAbortMarker(batch)) this.#open.delete(batch.producerId)
      return false
    }
    return !(batch.transactional && this.#open.has(batch.producerId))
  }
}
