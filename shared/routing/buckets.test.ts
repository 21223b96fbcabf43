import { expect, test } from 'vitest'
import { instanceKey } from '../ids.ts'
import { bucketCount, bucketOf } from './buckets.ts'

test('every key has a bucket, and they fill evenly', () => {
  const sizes = Array.from({ length: bucketCount }, () => 0)
  const perBucket = 100
  for (let index = 0; index < bucketCount * perBucket; index++) {
    const bucket = bucketOf(instanceKey({ group: `group-${index % 50}`, instance: `consumer-${index}` }))
    expect(bucket).toBeGreaterThanOrEqual(0)
    expect(bucket).toBeLessThan(bucketCount)
    sizes[bucket] = (sizes[bucket] ?? 0) + 1
  }
  expect(Math.min(...sizes)).toBeGreaterThan(perBucket * 0.5)
  expect(Math.max(...sizes)).toBeLessThan(perBucket * 1.5)
})

test('the bucket of a key is part of the stored layout', () => {
  // All processes of a deployment must agree, old and new versions alike.
  expect(['g/i', 'orders/rest-consumer-1', ''].map(bucketOf)).toEqual([187, 240, 217])
})
