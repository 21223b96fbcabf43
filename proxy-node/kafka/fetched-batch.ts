import { crc32c } from '@platformatic/kafka'
import type { FetchedRecord } from '../ports/kafka-consumer.ts'
import { decompress } from './decompression.ts'

/**
 * One of Kafka's record batches of magic 2 (Kafka protocol, "Record Batch"). Keys, values and headers of uncompressed
 * batches are views into the answer. The library's reader has no bound on what a batch decompresses to, ignores the
 * checksum and takes batches of an older magic for new ones; so this one is ours.
 */
export interface FetchedBatch {
  readonly baseOffset: bigint
  readonly lastOffset: bigint
  readonly producerId: bigint
  readonly control: boolean
  readonly transactional: boolean
  readonly codec: number
  readonly baseTimestamp: bigint
  /** Set when the broker stamps records at append (`message.timestamp.type=LogAppendTime`): it holds for all of them. */
  readonly appendTimestamp: bigint | undefined
  readonly count: number
  /** The records, still compressed. */
  readonly body: Buffer
}

/** A batch that cannot be read: damaged, cut off inside, or of a magic before 2. */
export class BadBatchError extends Error {
  override readonly name = 'BadBatchError'
}

/** Base offset and length, which every magic has. */
const LOG_OVERHEAD = 12
const HEAD = 61
const MAGIC_AT = 16
const CRC_AT = 17
const ATTRIBUTES_AT = 21

/** Where the batch at `at` ends, or undefined when it is not there whole: the last one of an answer may be cut off. */
export function batchEnd(data: Buffer, at: number): number | undefined {
  if (at + LOG_OVERHEAD > data.length) return undefined
  const end = at + LOG_OVERHEAD + data.readInt32BE(at + 8)
  return end <= data.length ? end : undefined
}

/**
 * Reads the head of the whole batch at `at`.
 * @throws BadBatchError
 */
export function readBatch(data: Buffer, at: number, end: number, checkCrc: boolean): FetchedBatch {
  if (end - at <= MAGIC_AT) throw new BadBatchError('it has no head')
  const magic = data.readInt8(at + MAGIC_AT)
  if (magic !== 2) throw new BadBatchError(`its magic is ${magic}, and only 2 (Kafka 0.11 and newer) is read`)
  if (end - at < HEAD) throw new BadBatchError('it has no head')
  if (checkCrc && data.readUInt32BE(at + CRC_AT) !== crc32c(data.subarray(at + ATTRIBUTES_AT, end))) {
    throw new BadBatchError('its checksum is wrong')
  }
  const attributes = data.readInt16BE(at + ATTRIBUTES_AT)
  const baseOffset = data.readBigInt64BE(at)
  return {
    baseOffset,
    lastOffset: baseOffset + BigInt(data.readInt32BE(at + 23)),
    codec: attributes & 0b111,
    appendTimestamp: (attributes & 0b1000) === 0 ? undefined : data.readBigInt64BE(at + 35),
    transactional: (attributes & 0b1_0000) !== 0,
    control: (attributes & 0b10_0000) !== 0,
    baseTimestamp: data.readBigInt64BE(at + 27),
    producerId: data.readBigInt64BE(at + 43),
    count: data.readInt32BE(at + 57),
    body: data.subarray(at + HEAD, end),
  }
}

/**
 * The records of a batch from an offset on (a batch starts where the broker stored it, which may be before what was
 * asked for), and the size of the decompressed batch in bytes.
 * @throws BadBatchError, DecompressionError
 */
export function readRecords(
  batch: FetchedBatch,
  fromOffset: bigint,
  decompressedBytesMax: number,
): { records: FetchedRecord[]; bytes: number } {
  const body = decompress(batch.codec, batch.body, decompressedBytesMax)
  const cursor = new RecordCursor(body)
  const records: FetchedRecord[] = []
  for (let i = 0; i < batch.count; i++) {
    const record = cursor.record(batch)
    if (record.offset >= fromOffset) records.push(record)
  }
  return { records, bytes: body.length }
}

/** Whether a control batch ends its producer's transaction by an abort. Source: the protocol's "Control Batches". */
export function isAbortMarker(batch: FetchedBatch): boolean {
  const key = readRecords(batch, batch.baseOffset, CONTROL_BYTES_MAX).records[0]?.key
  return key !== undefined && key !== null && key.length >= 4 && key.readInt16BE(2) === ABORT
}

const ABORT = 0
const CONTROL_BYTES_MAX = 1024 * 1024

/** Walks the varints of a batch's records; every step is checked against the end. */
class RecordCursor {
  readonly #data: Buffer
  #at = 0

  constructor(data: Buffer) {
    this.#data = data
  }

  record(batch: FetchedBatch): FetchedRecord {
    const length = this.#varint()
    const end = this.#at + length
    if (length < 0 || end > this.#data.length) throw new BadBatchError('a record is cut off')
    this.#at += 1 // attributes: unused
    const timestampDelta = this.#varlong()
    const offset = batch.baseOffset + BigInt(this.#varint())
    const key = this.#bytes()
    const value = this.#bytes()
    const headers: [Buffer | null, Buffer | null][] = []
    const headerCount = this.#varint()
    for (let i = 0; i < headerCount; i++) headers.push([this.#bytes(), this.#bytes()])
    if (this.#at !== end) throw new BadBatchError('a record is not as long as it says')
    const timestamp = batch.appendTimestamp ?? batch.baseTimestamp + timestampDelta
    return { offset, key, value, timestamp, headers }
  }

  #bytes(): Buffer | null {
    const length = this.#varint()
    if (length < 0) return null
    const start = this.#at
    this.#at += length
    if (this.#at > this.#data.length) throw new BadBatchError('a field is cut off')
    return this.#data.subarray(start, this.#at)
  }

  /** A zigzag-encoded 32-bit number. */
  #varint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1)
    }
    throw new BadBatchError('a number is too long')
  }

  /** A zigzag-encoded 64-bit number. Timestamps of one batch seldom differ by more than four bytes' worth. */
  #varlong(): bigint {
    let low = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte()
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) return BigInt((low >>> 1) ^ -(low & 1))
    }
    let value = BigInt(low)
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n))
    }
    throw new BadBatchError('a number is too long')
  }

  #byte(): number {
    const byte = this.#data[this.#at]
    if (byte === undefined) throw new BadBatchError('a record is cut off')
    this.#at += 1
    return byte
  }
}
