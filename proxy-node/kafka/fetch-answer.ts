import type { Reader } from '@platformatic/kafka'
import type { AbortedTransaction } from './partition-records.ts'

/** A Fetch answer, version 13, with the records of each partition left as they are. */
export interface FetchAnswer {
  readonly throttleTimeMs: number
  readonly errorCode: number
  readonly partitions: readonly FetchAnswerPartition[]
}

export interface FetchAnswerPartition {
  readonly topicId: string
  readonly partition: number
  readonly errorCode: number
  readonly highWatermark: bigint
  readonly lastStableOffset: bigint
  readonly logStartOffset: bigint
  readonly abortedTransactions: readonly AbortedTransaction[]
  readonly data: Buffer
}

/**
 * Parses a Fetch answer (Kafka protocol, "Fetch API", version 13) without touching the records. The library's parser
 * unpacks them at once and rejects the whole answer for one partition's error.
 */
export function parseFetchAnswer(_id: number, _key: number, _version: number, reader: Reader): FetchAnswer {
  const throttleTimeMs = reader.readInt32()
  const errorCode = reader.readInt16()
  reader.readInt32() // session id: none is asked for
  const topics = reader.readArray(
    topic => {
      const topicId = topic.readUUID()
      const partitions = topic.readArray(partition => parsePartition(topicId, partition), true, false)
      topic.readTaggedFields()
      return partitions
    },
    true,
    false,
  )
  return { throttleTimeMs, errorCode, partitions: topics.flat() }
}

function parsePartition(topicId: string, reader: Reader): FetchAnswerPartition {
  const head = {
    topicId,
    partition: reader.readInt32(),
    errorCode: reader.readInt16(),
    highWatermark: reader.readInt64(),
    lastStableOffset: reader.readInt64(),
    logStartOffset: reader.readInt64(),
  }
  const aborted = reader.readNullableArray(
    transaction => {
      const entry = { producerId: transaction.readInt64(), firstOffset: transaction.readInt64() }
      transaction.readTaggedFields()
      return entry
    },
    true,
    false,
  )
  reader.readInt32() // preferred read replica: only with a rack id, which is not sent
  const data = reader.readNullableBytes() ?? EMPTY
  reader.readTaggedFields()
  return { ...head, abortedTransactions: aborted ?? [], data }
}

const EMPTY = Buffer.alloc(0)
