import { describe, expect, test } from 'vitest'
import type { TopicMetadata } from '../ports/kafka-cluster.ts'
import { murmur2, partitionForKey, StickyPartitions } from './partitioner.ts'

// That these agree with Java on any key is shown by test/integration/produce-partitioner.test.ts.
test.each([
  ['', 275646681],
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
])('murmur2 of %j', (text, hash) => {
  expect(murmur2(Buffer.from(text))).toBe(hash)
})

test('a key has its partition, also among one', () => {
  expect(partitionForKey(Buffer.from('foobar'), 10)).toBe((-790332482 & 0x7fffffff) % 10)
  expect(partitionForKey(Buffer.from('foobar'), 1)).toBe(0)
})

describe('StickyPartitions', () => {
  const topic = (...leaders: number[]): TopicMetadata => ({
    name: 't',
    id: '',
    internal: false,
    partitions: leaders.map((leader, partition) => ({
      partition,
      leader,
      leaderEpoch: 0,
      replicas: [],
      inSyncReplicas: [],
    })),
  })

  test('stays until asked for another, which is a different one', () => {
    let seed = 1
    const sticky = new StickyPartitions(() => {
      seed = (seed * 16807) % 2147483647
      return seed / 2147483647
    })
    const counts = [0, 0, 0, 0]
    for (let round = 0; round < 4000; round++) {
      const before = sticky.current(topic(1, 1, 1, 1))
      expect(sticky.current(topic(1, 1, 1, 1))).toBe(before)
      const after = sticky.next(topic(1, 1, 1, 1))
      expect(after).not.toBe(before)
      counts[after] = (counts[after] ?? 0) + 1
    }
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(120)
  })

  test('leaves out partitions without a leader, while others have one', () => {
    const sticky = new StickyPartitions(() => 0.999)
    expect(sticky.current(topic(1, -1, -1))).toBe(0)
    expect(sticky.next(topic(1, -1, -1))).toBe(0)
    expect(sticky.current(topic(-1, 1, -1))).toBe(1)
    expect(sticky.next(topic(-1, -1))).toBe(0)
  })

  test('a partition that is gone is not chosen again', () => {
    const sticky = new StickyPartitions(() => 0.999)
    expect(sticky.current(topic(1, 1, 1))).toBe(2)
    expect(sticky.current(topic(1, 1))).toBeLessThan(2)
  })
})
