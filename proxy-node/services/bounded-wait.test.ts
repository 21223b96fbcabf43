import { expect, test } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { waitAtMost } from './bounded-wait.ts'

test('it ends with the work, however that ends', async () => {
  const clock = new ManualClock()
  expect(await waitAtMost(Promise.resolve(1), 100, clock)).toBe(true)
  expect(await waitAtMost(Promise.reject(new Error('failed')), 100, clock)).toBe(true)
})

test('it ends with the time, and the work goes on', async () => {
  const clock = new ManualClock()
  const gate = Promise.withResolvers<void>()
  const waited = waitAtMost(gate.promise, 100, clock)
  await clock.advance(100)
  expect(await waited).toBe(false)
  gate.resolve()
})

test('it ends when its caller gives up, before or during the wait', async () => {
  const clock = new ManualClock()
  const never = new Promise<void>(() => undefined)
  const leaving = new AbortController()
  const waited = waitAtMost(never, 100, clock, leaving.signal)
  leaving.abort()
  expect(await waited).toBe(false)
  expect(await waitAtMost(never, 100, clock, leaving.signal)).toBe(false)
})
