import { expect, test } from 'vitest'
import { logCalls } from './log-calls.ts'

test.each([
  ["log.warn('a b')", 'warn', 'a b'],
  ["this.#deps.log.error({ err: error, at: f(x) }, 'it (really) failed')", 'error', 'it (really) failed'],
  ["log.warn(\n  { key: 'x' },\n  'over lines',\n)", 'warn', 'over lines'],
  ['log.error({ expires }, `$' + '{event}, but it has expired`)', 'error', '…, but it has expired'],
  ['log.fatal({ err: error }, event)', 'fatal', undefined],
  ["deps.log?.warn('the registry\\'s', )", 'warn', "the registry's"],
])('%s', (source, level, message) => {
  expect(logCalls(`before(); ${source}; after('x')`)).toEqual([{ level, message }])
})

test('calls of something else are not taken, and several are told apart', () => {
  expect(
    logCalls("console.warn('a'); log.warn('b').catch(e => log.error({ e }, 'c')); log.debug('d')"),
  ).toEqual([
    { level: 'warn', message: 'b' },
    { level: 'error', message: 'c' },
  ])
})
