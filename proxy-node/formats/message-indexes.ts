import { UndecodableRecord } from './format.ts'

/** Deeper than any schema nests its messages. */
const indexesMax = 100

/**
 * Reads the list that stands between the schema id and a Protobuf payload: which message of the schema it is, as
 * the path of indexes through nested messages; zig-zag varints, a count first, and one byte 0 for the path [0]
 * (contract v2 §6.3).
 * @throws UndecodableRecord
 */
export function readMessageIndexes(bytes: Buffer): {
  readonly path: readonly number[]
  readonly end: number
} {
  let position = 0
  const next = () => {
    let bits = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = bytes[position]
      if (byte === undefined) break
      position++
      bits |= (byte & 0x7f) << shift
      if (byte < 0x80) return (bits >>> 1) ^ -(bits & 1)
    }
    throw new UndecodableRecord('the record has no valid message indexes')
  }
  const count = next()
  if (count === 0) return { path: [0], end: position }
  if (count < 0 || count > indexesMax) throw new UndecodableRecord('the record has no valid message indexes')
  const path = Array.from({ length: count }, next)
  return { path, end: position }
}

/** The list for the first message of a schema, the only one that is written. */
export const firstMessageIndexes = 0
