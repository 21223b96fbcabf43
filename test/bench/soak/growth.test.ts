import { expect, test } from 'vitest'
import { growthOf } from './growth.ts'

const MB = 2 ** 20

/** 15 minutes of samples, one every 10 s. */
const samples = (bytesAt: (seconds: number) => number, count = 90) =>
  Array.from({ length: count }, (_, index) => ({ seconds: index * 10, bytes: bytesAt(index * 10) }))

const sawtooth = (seconds: number) => (seconds % 70) * 0.3 * MB

test('a leak of a megabyte a minute grows', () => {
  const growth = growthOf(samples(seconds => 150 * MB + (seconds / 60) * MB * 2 + sawtooth(seconds)))
  expect(growth.verdict).toBe('grows')
  expect(growth.perHour / MB).toBeGreaterThan(90)
  expect(growth.perHour / MB).toBeLessThan(150)
})

test('a heap that is filled and collected is steady', () => {
  expect(growthOf(samples(seconds => 150 * MB + sawtooth(seconds))).verdict).toBe('steady')
})

test('what happens in the first third is the warm-up', () => {
  const warming = (seconds: number) => 150 * MB + Math.min(seconds, 280) * 0.5 * MB + sawtooth(seconds)
  expect(growthOf(samples(warming)).verdict).toBe('steady')
})

test('growth that is sure but tiny is none', () => {
  expect(growthOf(samples(seconds => 150 * MB + (seconds / 600) * MB)).verdict).toBe('steady')
})

test('a few samples prove nothing', () => {
  expect(growthOf(samples(seconds => seconds * MB, 15)).verdict).toBe('too short to tell')
})
