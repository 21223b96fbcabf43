import { expect, test } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { RateLimiter } from './rate-limiter.ts'

test('one permit at a time, at the rate', async () => {
  const clock = new ManualClock()
  const limiter = new RateLimiter(10, clock)
  expect(limiter.take(1, 0)).toBe(0)
  expect(limiter.take(1, 0)).toBeUndefined()
  await clock.advance(99)
  expect(limiter.take(1, 0)).toBeUndefined()
  await clock.advance(1)
  expect(limiter.take(1, 0)).toBe(0)
})

test('permits of one second are stored, no more', async () => {
  const clock = new ManualClock()
  const limiter = new RateLimiter(10, clock)
  await clock.advance(60_000)
  const taken = Array.from({ length: 20 }, () => limiter.take(1, 0))
  // The last one is let through on credit.
  expect(taken.filter(wait => wait === 0)).toHaveLength(11)
})

test('a large one goes at once, and the next waits until it is paid for', async () => {
  const clock = new ManualClock()
  const limiter = new RateLimiter(10, clock)
  expect(limiter.take(20, 0)).toBe(0)
  expect(limiter.take(1, 1999)).toBeUndefined()
  expect(limiter.take(1, 2000)).toBe(2000)
  expect(limiter.take(1, 2000)).toBeUndefined()
  expect(limiter.take(1, 2100)).toBe(2100)
  await clock.advance(2199)
  expect(limiter.take(1, 0)).toBeUndefined()
  await clock.advance(1)
  expect(limiter.take(1, 0)).toBe(0)
})

test('what costs nothing is let through, and takes nothing', () => {
  const limiter = new RateLimiter(1, new ManualClock())
  expect([limiter.take(0, 0), limiter.take(0, 0), limiter.take(1, 0)]).toEqual([0, 0, 0])
})
