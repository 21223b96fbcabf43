import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { systemClock } from './clock.ts'

test('a wait beyond what Node’s timers take does not end at once', async () => {
  let ended = 0
  const count = () => (ended += 1)
  const timer = systemClock.after(2 ** 31, count)
  const controller = new AbortController()
  const waiting = systemClock.sleep(2 ** 40, controller.signal).then(count)
  await sleep(5)
  await setImmediate()
  expect(ended).toBe(0)
  timer.cancel()
  controller.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')
})
