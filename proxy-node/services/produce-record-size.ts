/** What Java's producer counts for a batch without records, and at most for a record without its data (KIP-98). */
export const BATCH_OVERHEAD_BYTES = 61
const RECORD_OVERHEAD_BYTES = 21
const NO_HEADERS_BYTES = 1

/**
 * The size that Java's producer holds against `max.request.size` and `batch.size`: an upper bound for one record of a
 * batch, uncompressed and without headers. A record alone in its batch has `BATCH_OVERHEAD_BYTES` more.
 */
export function recordBytesMax(key: Buffer | null, value: Buffer | null): number {
  return RECORD_OVERHEAD_BYTES + fieldBytes(key) + fieldBytes(value) + NO_HEADERS_BYTES
}

function fieldBytes(field: Buffer | null): number {
  return field === null ? 1 : varintBytes(field.length) + field.length
}

/** Bytes of a length as zigzag varint. */
function varintBytes(length: number): number {
  let bytes = 1
  for (let rest = length * 2; rest > 127; rest = Math.floor(rest / 128)) bytes++
  return bytes
}
