/**
 * Placements live in a fixed number of buckets, chosen by the key. A sweep or a listing goes through them one
 * by one, so each step costs what one bucket holds and never blocks the table; nodes share a sweep by
 * dividing the buckets among them; and in Redis a bucket is one hash, which is smaller than a key of its own for
 * each placement. The number is part of the stored layout: all processes of a deployment must agree on it.
 */
export const bucketCount = 256

/** The bucket of a placement's key: FNV-1a (32 bits) over its UTF-16 units; the keys are ASCII. */
export function bucketOf(key: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < key.length; index++)
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193) >>> 0
  // The low byte of FNV mixes less than the rest: fold the high half in.
  return (((hash >>> 16) ^ hash) >>> 0) % bucketCount
}
