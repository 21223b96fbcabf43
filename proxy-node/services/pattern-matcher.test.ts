import { expect, test } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { PatternMatcher } from './pattern-matcher.ts'
import type { TopicPattern } from './topic-pattern.ts'

const signal = new AbortController().signal

/** A pattern that matches every name and tells of each. */
function telling(text: string, tested: string[]): TopicPattern {
  return { text, tester: () => name => tested.push(`${text} ${name}`) > 0 }
}

test('what matches is sorted', async () => {
  const matcher = new PatternMatcher(systemClock)
  const pattern = { text: '', tester: () => (name: string) => name !== 'c' }
  expect(await matcher.matching(pattern, ['b', 'c', 'a'], signal)).toEqual(['a', 'b'])
  expect(await matcher.matching(pattern, [], signal)).toEqual([])
})

test('slow patterns take turns, and others have theirs between any two', async () => {
  const tested: string[] = []
  // Each name takes its whole slice.
  const matcher = new PatternMatcher(systemClock, 0)
  const matching = ['p', 'q'].map(text => matcher.matching(telling(text, tested), ['a', 'b'], signal))
  const others = setInterval(() => tested.push('others'), 0)
  await Promise.all(matching)
  clearInterval(others)
  expect(tested.filter(entry => entry !== 'others')).toEqual(['p a', 'q a', 'p b', 'q b'])
  for (const entry of ['q a', 'p b', 'q b']) expect(tested[tested.indexOf(entry) - 1]).toBe('others')
})

test('it ends with its signal, and lets the others go on', async () => {
  const tested: string[] = []
  const matcher = new PatternMatcher(systemClock, 0)
  const aborting = new AbortController()
  const pattern = {
    text: 'p',
    tester: () => () => {
      aborting.abort(new Error('closed'))
      return true
    },
  }
  const ended = matcher.matching(pattern, ['a', 'b'], aborting.signal)
  const other = matcher.matching(telling('q', tested), ['a'], signal)
  await expect(ended).rejects.toThrow('closed')
  expect(await other).toEqual(['a'])
})
