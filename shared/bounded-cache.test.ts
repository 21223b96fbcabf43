import { expect, test } from 'vitest'
import { BoundedCache } from './bounded-cache.ts'
import { type Clock, systemClock } from './clock.ts'

function clockAt(time: { ms: number }): Clock {
  return { ...systemClock, monotonic: () => time.ms }
}

test('the entry that was not used for longest goes first', () => {
  const cache = new BoundedCache<string, number>({ entriesMax: 2 }, systemClock)
  cache.set('a', 1)
  cache.set('b', 2)
  expect(cache.fresh('a')).toBe(1)
  cache.set('c', 3)
  expect(cache.fresh('b')).toBeUndefined()
  expect([cache.fresh('a'), cache.fresh('c'), cache.size]).toEqual([1, 3, 2])
})

test('weights are bounded, and what is too heavy is not kept', () => {
  const cache = new BoundedCache<string, number>({ entriesMax: 10, weightMax: 10 }, systemClock)
  cache.set('a', 1, 6)
  cache.set('b', 2, 6)
  expect([cache.fresh('a'), cache.fresh('b'), cache.weight]).toEqual([undefined, 2, 6])
  cache.set('b', 3, 11)
  expect([cache.fresh('b'), cache.weight, cache.size]).toEqual([undefined, 0, 0])
})

test('past its time an entry is stale, not fresh', () => {
  const time = { ms: 1000 }
  const cache = new BoundedCache<string, number>({ entriesMax: 10, freshMs: 100 }, clockAt(time))
  cache.set('a', 1)
  time.ms = 1099
  expect(cache.fresh('a')).toBe(1)
  time.ms = 1100
  expect(cache.fresh('a')).toBeUndefined()
  expect(cache.stale('a')).toBe(1)
})
