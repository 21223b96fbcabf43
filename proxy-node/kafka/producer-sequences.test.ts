import { beforeEach, describe, expect, test } from 'vitest'
import type { ProducerRecord } from '../ports/kafka-producer.ts'
import { ProducerSequences } from './producer-sequences.ts'

let ids: number
let sequences: ProducerSequences

beforeEach(() => {
  ids = 0
  sequences = new ProducerSequences(async () => ({ producerId: BigInt(++ids), epoch: 0 }))
})

const batch = (records: number): readonly ProducerRecord[] =>
  Array.from({ length: records }, () => ({ key: null, value: null, timestamp: 0, headers: [] }))

const identify = async (partition: string, records: readonly ProducerRecord[]) => {
  const { producerId, firstSequence } = await sequences.identify(partition, records)
  return `${producerId}:${firstSequence}`
}

test('numbers go on by partition, under one id', async () => {
  for (const [expected, size] of [
    ['1:0', 3],
    ['1:3', 2],
    ['1:5', 1],
  ] as const) {
    const records = batch(size)
    expect(await identify('t/0', records)).toBe(expected)
    sequences.written('t/0', records)
  }
  expect(await identify('t/1', batch(1))).toBe('1:0')
})

describe('a number is used for another batch only if the broker refused the first', () => {
  test('the same batch again: the same number', async () => {
    const records = batch(2)
    await identify('t/0', records)
    sequences.lost('t/0', records)
    expect(await identify('t/0', records)).toBe('1:0')
    sequences.written('t/0', records)
    expect(await identify('t/0', batch(1))).toBe('1:2')
  })

  test('refused: its number is free', async () => {
    const refused = batch(2)
    await identify('t/0', refused)
    sequences.refused('t/0', refused)
    expect(await identify('t/0', batch(2))).toBe('1:0')
  })

  test('given up with an unknown end: a new id, and only for this partition', async () => {
    const other = batch(1)
    await identify('t/1', other)
    sequences.written('t/1', other)
    const lost = batch(2)
    await identify('t/0', lost)
    sequences.lost('t/0', lost)
    expect(await identify('t/0', batch(2))).toBe('2:0')
    expect(await identify('t/1', batch(1))).toBe('1:1')
  })

  test('refused after an attempt with an unknown end: a new id', async () => {
    const records = batch(2)
    await identify('t/0', records)
    sequences.lost('t/0', records)
    await identify('t/0', records)
    sequences.refused('t/0', records)
    expect(await identify('t/0', batch(2))).toBe('2:0')
  })

  test('forgotten by the broker: a new id, never the old one from zero', async () => {
    const records = batch(2)
    await identify('t/0', records)
    sequences.forget('t/0')
    expect(await identify('t/0', records)).toBe('2:0')
  })
})

test('numbers end at 2^31 − 1: then a new id', async () => {
  // Without elements, so it takes no memory.
  const huge = new Array<ProducerRecord>(2 ** 31 - 3)
  await identify('t/0', huge)
  sequences.written('t/0', huge)
  const two = batch(2)
  expect(await identify('t/0', two)).toBe(`1:${2 ** 31 - 3}`)
  sequences.written('t/0', two)
  expect(await identify('t/0', batch(1))).toBe('2:0')
})

test('an id that cannot be had is asked for again', async () => {
  let fail = true
  sequences = new ProducerSequences(async () => {
    if (fail) throw new Error('not now')
    return { producerId: 9n, epoch: 0 }
  })
  await expect(identify('t/0', batch(1))).rejects.toThrow('not now')
  fail = false
  expect(await identify('t/0', batch(1))).toBe('9:0')
})
