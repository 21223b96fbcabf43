import type { TopicMetadata } from '../ports/kafka-cluster.ts'

/**
 * The partition of a record with a key: the one that Java's producer chooses for the same bytes, so that records of
 * one key meet in one partition whoever writes them (contract v2 §2.8). Partitions without a leader count too.
 */
export function partitionForKey(key: Uint8Array, partitionCount: number): number {
  return (murmur2(key) & 0x7fffffff) % partitionCount
}

/**
 * MurmurHash2 in the 32-bit variant and with the seed that Kafka's clients share, on signed ints as in Java.
 * Source: Austin Appleby's MurmurHash2; the seed is a constant of Kafka's Java client.
 */
export function murmur2(data: Uint8Array): number {
  const length = data.length
  let hash = SEED ^ length
  let at = 0
  for (; at + 4 <= length; at += 4) {
    let word =
      byte(data, at) | (byte(data, at + 1) << 8) | (byte(data, at + 2) << 16) | (byte(data, at + 3) << 24)
    word = Math.imul(word, MIX)
    word ^= word >>> ROTATION
    word = Math.imul(word, MIX)
    hash = Math.imul(hash, MIX) ^ word
  }
  const left = length - at
  if (left >= 3) hash ^= byte(data, at + 2) << 16
  if (left >= 2) hash ^= byte(data, at + 1) << 8
  if (left >= 1) hash = Math.imul(hash ^ byte(data, at), MIX)
  hash ^= hash >>> 13
  hash = Math.imul(hash, MIX)
  return hash ^ (hash >>> 15)
}

const SEED = 0x9747b28c | 0
const MIX = 0x5bd1e995
const ROTATION = 24

function byte(data: Uint8Array, at: number): number {
  return data[at] ?? 0
}

/** Topics beyond this many start with a new partition: nothing but an even spread hangs on it. */
const TOPICS_MAX = 10_000

/**
 * The partition of records without a key: the same one until its batch is full or has left, then another, so that
 * batches fill up and partitions still get equal shares (KIP-480). Partitions without a leader are left out while
 * others have one.
 */
export class StickyPartitions {
  readonly #random: () => number
  readonly #current = new Map<string, number>()

  /** @param random a number from 0 up to, but not including, 1. */
  constructor(random: () => number) {
    this.#random = random
  }

  /** Where to put a record if that partition's batch has room. */
  current(topic: TopicMetadata): number {
    const partition = this.#current.get(topic.name)
    const leader = partition === undefined ? undefined : topic.partitions[partition]?.leader
    if (partition !== undefined && leader !== undefined && leader >= 0) return partition
    return this.next(topic)
  }

  /** Another partition, where a new batch begins. */
  next(topic: TopicMetadata): number {
    const before = this.#current.get(topic.name)
    const led = topic.partitions.filter(({ leader }) => leader >= 0)
    const available = led.length > 0 ? led : topic.partitions
    const others = available.filter(({ partition }) => partition !== before)
    const choices = others.length > 0 ? others : available
    const partition = choices[Math.floor(this.#random() * choices.length)]?.partition ?? 0
    if (this.#current.size >= TOPICS_MAX) this.#current.clear()
    this.#current.set(topic.name, partition)
    return partition
  }
}
