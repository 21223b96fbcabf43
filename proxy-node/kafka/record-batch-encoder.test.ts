import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkProperty } from '../../test/support/property.ts'
import { compressors } from './compression.ts'
import { anonymous, BATCH_HEADER_BYTES, encodeRecordBatch, varintBytes } from './record-batch-encoder.ts'

// That Java reads these batches, in every compression, is shown by test/contract/kafka-producer.test.ts.

/** Reads the records of an uncompressed batch by the format of KIP-98, with BigInt and byte by byte. */
function decode(batch: Buffer) {
  let at = BATCH_HEADER_BYTES
  const varint = () => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(batch[at++] ?? 0)
      value |= (byte & 127n) << shift
      if (byte < 128n) return Number((value >> 1n) ^ -(value & 1n))
    }
  }
  const field = () => {
    const length = varint()
    if (length < 0) return null
    at += length
    return batch.subarray(at - length, at)
  }
  const baseTimestamp = Number(batch.readBigInt64BE(27))
  const records = Array.from({ length: batch.readInt32BE(57) }, (_, index) => {
    const length = varint()
    const end = at + length
    expect(batch[at++]).toBe(0)
    const timestamp = baseTimestamp + varint()
    expect(varint()).toBe(index)
    const key = field()
    const value = field()
    const headers = Array.from({ length: varint() }, () => [`${field()}`, field()] as const)
    expect(at).toBe(end)
    return { key, value, timestamp, headers }
  })
  expect(at).toBe(batch.length)
  return records
}

const field = fc.option(fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes)))
const record = fc.record({
  key: field,
  value: field,
  timestamp: fc.integer({ min: 0, max: 2 ** 42 }),
  headers: fc.array(fc.tuple(fc.string({ unit: 'binary' }), field), { maxLength: 3 }),
})

test('records come back as they were, with their offsets and times', async () => {
  await checkProperty(
    'record batches',
    fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 20 }), async records => {
      const batch = await encodeRecordBatch(records, compressors.none, anonymous)
      expect(decode(batch)).toEqual(records)
      expect(batch.readInt32BE(8)).toBe(batch.length - 12)
      expect(batch.readInt32BE(23)).toBe(records.length - 1)
      expect(Number(batch.readBigInt64BE(35))).toBe(Math.max(...records.map(({ timestamp }) => timestamp)))
    }),
    200,
  )
})

test('the identity is in the header', async () => {
  const records = [{ key: null, value: null, timestamp: 0, headers: [] }]
  const identity = { producerId: 2n ** 40n, epoch: 7, firstSequence: 2 ** 31 - 1 }
  const batch = await encodeRecordBatch(records, compressors.none, identity)
  expect([batch.readBigInt64BE(43), batch.readInt16BE(51), batch.readInt32BE(53)]).toEqual([
    2n ** 40n,
    7,
    2 ** 31 - 1,
  ])
})

test.each([
  [0, 1],
  [-1, 1],
  [63, 1],
  [64, 2],
  [-64, 1],
  [-65, 2],
  [2 ** 31, 5],
  [-(2 ** 31), 5],
  [2 ** 41 - 1, 6],
  [2 ** 42 + 1, 7],
])('%d takes %d bytes as a varint', (value, bytes) => {
  expect(varintBytes(value)).toBe(bytes)
})
