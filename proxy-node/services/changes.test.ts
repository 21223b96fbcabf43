import { expect, test } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { Changes } from './changes.ts'

const open = new AbortController().signal

test('a change wakes all who wait, and nobody who comes later', async () => {
  const changes = new Changes()
  const clock = new ManualClock()
  const waiting = [changes.wait(1000, clock, open), changes.wait(1000, clock, open)]
  changes.notify()
  await Promise.all(waiting)
  const later = changes.wait(1000, clock, open)
  expect(changes.waiting).toBe(1)
  await clock.advance(1000)
  await later
})

test('whoever gives up leaves nothing behind', async () => {
  const changes = new Changes()
  const clock = new ManualClock()
  const gone = new AbortController()
  const waiting = [changes.wait(500, clock, open), changes.wait(1000, clock, gone.signal)]
  await clock.advance(500)
  await waiting[0]
  gone.abort(new Error('gone'))
  await expect(waiting[1]).rejects.toThrow('gone')
  expect(changes.waiting).toBe(0)
})
