import { expect, test } from 'vitest'
import { SingleFlight } from './single-flight.ts'

test('concurrent callers share one call; the next caller begins another', async () => {
  const flight = new SingleFlight<string, number>()
  let calls = 0
  const begin = async () => ++calls
  expect(await Promise.all([flight.run('a', undefined, begin), flight.run('a', undefined, begin)])).toEqual([
    1, 1,
  ])
  expect(await flight.run('a', undefined, begin)).toBe(2)
  expect(flight.size).toBe(0)
})

test('a caller that aborts stops waiting; the others get the answer', async () => {
  const flight = new SingleFlight<string, number>()
  const { promise, resolve } = Promise.withResolvers<number>()
  const gone = new AbortController()
  const first = flight.run('a', gone.signal, () => promise)
  const second = flight.run('a', new AbortController().signal, () => Promise.reject(new Error('not called')))
  gone.abort(new Error('gone'))
  await expect(first).rejects.toThrow('gone')
  await expect(flight.run('a', gone.signal, () => promise)).rejects.toThrow('gone')
  resolve(7)
  expect(await second).toBe(7)
})

test('whoever must not join an older call waits for it and begins the next, which all of them share', async () => {
  const flight = new SingleFlight<string, number>()
  const { promise, reject } = Promise.withResolvers<number>()
  const older = flight.run('a', undefined, () => promise)
  expect([flight.isUnderWay('a'), flight.isUnderWay('b')]).toEqual([true, false])
  let calls = 0
  const begin = async () => ++calls
  const newer = [flight.runAnew('a', undefined, begin), flight.runAnew('a', undefined, begin)]
  expect(calls).toBe(0)
  reject(new Error('no'))
  await expect(older).rejects.toThrow('no')
  expect(await Promise.all(newer)).toEqual([1, 1])
  expect(await flight.runAnew('a', undefined, begin)).toBe(2)
  expect(flight.size).toBe(0)
})

test('a failure reaches every caller and is forgotten', async () => {
  const flight = new SingleFlight<string, number>()
  const fail = () => Promise.reject(new Error('no'))
  const outcomes = await Promise.allSettled([
    flight.run('a', undefined, fail),
    flight.run('a', undefined, fail),
  ])
  expect(outcomes.map(outcome => outcome.status)).toEqual(['rejected', 'rejected'])
  expect(await flight.run('a', undefined, async () => 1)).toBe(1)
})
