import { crc32c } from '@platformatic/kafka'
import type { ProducerRecord } from '../ports/kafka-producer.ts'
import type { Compressor } from './compression.ts'

/**
 * What lets a broker recognise a batch that it was sent before (KIP-98): the producer's id and epoch, and the number of
 * the first record in this producer's sequence for the partition.
 */
export interface BatchIdentity {
  readonly producerId: bigint
  readonly epoch: number
  readonly firstSequence: number
}

/** A batch that the broker writes as often as it arrives. */
export const anonymous: BatchIdentity = { producerId: -1n, epoch: -1, firstSequence: -1 }

/** Bytes before the records of a batch: KIP-98, "RecordBatch", magic 2. */
export const BATCH_HEADER_BYTES = 61
/** From the start to the end of the length field, and to the start of what the checksum covers. */
const LENGTH_END = 12
const CHECKED_START = 21

/**
 * Encodes records as one record batch of magic 2, which Kafka stores as it is. Our own and not kafkajs's encoder: that
 * one allocates several buffers and computes with BigInt for each record, which cost more than everything else on the
 * way to the socket.
 */
export async function encodeRecordBatch(
  records: readonly ProducerRecord[],
  compressor: Compressor,
  identity: BatchIdentity,
): Promise<Buffer> {
  const baseTimestamp = records[0]?.timestamp ?? 0
  const plain = encodeRecords(records, baseTimestamp)
  const body = compressor.compress ? await compressor.compress(plain.subarray(BATCH_HEADER_BYTES)) : undefined
  const batch = body ? Buffer.concat([Buffer.alloc(BATCH_HEADER_BYTES), body]) : plain
  batch.writeInt32BE(batch.length - LENGTH_END, 8)
  batch.writeInt32BE(-1, 12) // partition leader epoch: the broker fills it in
  batch.writeInt8(2, 16)
  batch.writeInt16BE(compressor.attribute, 21)
  batch.writeInt32BE(records.length - 1, 23)
  batch.writeBigInt64BE(BigInt(baseTimestamp), 27)
  batch.writeBigInt64BE(BigInt(maxTimestamp(records)), 35)
  batch.writeBigInt64BE(identity.producerId, 43)
  batch.writeInt16BE(identity.epoch, 51)
  batch.writeInt32BE(identity.firstSequence, 53)
  batch.writeInt32BE(records.length, 57)
  batch.writeUInt32BE(crc32c(batch.subarray(CHECKED_START)) >>> 0, 17)
  return batch
}

/** The records, behind room for the header, in one buffer. */
function encodeRecords(records: readonly ProducerRecord[], baseTimestamp: number): Buffer {
  const sizes = records.map((record, index) => recordBytes(record, record.timestamp - baseTimestamp, index))
  const total = sizes.reduce((sum, size) => sum + varintBytes(size) + size, BATCH_HEADER_BYTES)
  // Zeroed only where it has to be: the header's base offset.
  const buffer = Buffer.allocUnsafe(total)
  buffer.fill(0, 0, BATCH_HEADER_BYTES)
  let at = BATCH_HEADER_BYTES
  for (const [index, record] of records.entries()) {
    at = writeVarint(buffer, at, sizes[index] ?? 0)
    at = buffer.writeInt8(0, at) // attributes: none exist
    at = writeVarint(buffer, at, record.timestamp - baseTimestamp)
    at = writeVarint(buffer, at, index)
    at = writeBytes(buffer, at, record.key)
    at = writeBytes(buffer, at, record.value)
    at = writeVarint(buffer, at, record.headers.length)
    for (const [name, value] of record.headers) {
      at = writeBytes(buffer, at, Buffer.from(name, 'utf8'))
      at = writeBytes(buffer, at, value)
    }
  }
  return buffer
}

/** Bytes of a record without its length field. */
function recordBytes(record: ProducerRecord, timestampDelta: number, offsetDelta: number): number {
  let bytes = 1 + varintBytes(timestampDelta) + varintBytes(offsetDelta)
  bytes += fieldBytes(record.key) + fieldBytes(record.value) + varintBytes(record.headers.length)
  for (const [name, value] of record.headers) {
    const nameBytes = Buffer.byteLength(name, 'utf8')
    bytes += varintBytes(nameBytes) + nameBytes + fieldBytes(value)
  }
  return bytes
}

function fieldBytes(field: Buffer | null): number {
  return field === null ? 1 : varintBytes(field.length) + field.length
}

function maxTimestamp(records: readonly ProducerRecord[]): number {
  let max = records[0]?.timestamp ?? 0
  for (const { timestamp } of records) if (timestamp > max) max = timestamp
  return max
}

function writeBytes(buffer: Buffer, at: number, field: Buffer | null): number {
  if (field === null) return writeVarint(buffer, at, -1)
  const start = writeVarint(buffer, at, field.length)
  return start + field.copy(buffer, start)
}

/** Zigzag, then 7 bits a byte. By arithmetic and not by bits, so that differences of times beyond 2^31 ms fit. */
function writeVarint(buffer: Buffer, start: number, value: number): number {
  let rest = zigzag(value)
  let at = start
  while (rest > 127) {
    buffer[at++] = (rest % 128) + 128
    rest = Math.floor(rest / 128)
  }
  buffer[at++] = rest
  return at
}

/** Bytes of a whole number as zigzag varint; its size stays below 2^53. */
export function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = zigzag(value); rest > 127; rest = Math.floor(rest / 128)) bytes++
  return bytes
}

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1
}
