import { expect, test } from 'vitest'
import { faultSchedule } from './schedule.ts'

test('the faults of a seed are always the same, and others than those of another seed', () => {
  expect(faultSchedule(7, 10)).toEqual(faultSchedule(7, 10))
  expect(faultSchedule(7, 10)).not.toEqual(faultSchedule(8, 10))
})

test('ten minutes have every kind of fault, in order, and leave the end quiet', () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const faults = faultSchedule(seed, 10)
    expect(new Set(faults.map(({ kind }) => kind)).size).toBe(12)
    expect(faults.map(({ atMs }) => atMs)).toEqual(
      faults.map(({ atMs }) => atMs).toSorted((left, right) => left - right),
    )
    expect(faults.at(-1)?.atMs).toBeLessThan(588_000)
  }
})

test('a longer run begins like a shorter one', () => {
  const short = faultSchedule(3, 2)
  expect(faultSchedule(3, 10).slice(0, short.length)).toEqual(short)
})
