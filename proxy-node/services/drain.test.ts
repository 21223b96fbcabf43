import { expect, test } from 'vitest'
import { silentLogger } from '../../shared/observability/logger.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { Drain } from './drain.ts'

function draining(letGo: (signal: AbortSignal) => Promise<void>) {
  const clock = new ManualClock()
  const events: string[] = []
  const drain = new Drain({
    instances: {
      size: 3,
      drain: () => events.push('accepts nothing new'),
      undrain: () => events.push('accepts again'),
      letGo: async ({ signal }) => {
        events.push('lets go')
        await letGo(signal)
      },
    },
    membership: {
      setState: async state => {
        events.push(`says ${state}`)
      },
    },
    settings: { delayMs: 1500, concurrency: 8, pauseMs: 10, timeoutMs: 30_000 },
    clock,
    log: silentLogger,
  })
  return { clock, drain, events }
}

const untilAborted = (signal: AbortSignal) =>
  new Promise<void>(resolve => signal.addEventListener('abort', () => resolve()))

test('gateways are told first, and instances are let go only after the delay', async () => {
  const { clock, drain, events } = draining(async () => undefined)
  const done = drain.start()
  await clock.advance(1499)
  expect(events).toEqual(['says draining'])
  await clock.advance(1)
  await done
  expect(events).toEqual(['says draining', 'accepts nothing new', 'lets go'])
  expect(drain.state).toBe('drained')
  expect(drain.start()).toBe(done)
})

test('what is not let go in time does not hold the node up', async () => {
  const { clock, drain } = draining(untilAborted)
  const done = drain.start()
  await clock.advance(1500)
  expect(drain.state).toBe('draining')
  await clock.advance(30_000)
  await done
  expect(drain.state).toBe('drained')
})

test.each([0, 1500])('it can be undone after %i ms, and begun again', async passed => {
  const { clock, drain, events } = draining(untilAborted)
  const done = drain.start()
  await clock.advance(passed)
  await drain.undo()
  await done
  expect(drain.state).toBe('active')
  expect(events.slice(-2)).toEqual(['accepts again', 'says active'])
  void drain.start()
  await clock.advance(1500)
  expect(events.at(-1)).toBe('lets go')
})
