import { expect, test } from 'vitest'
import { parseBenchOptions, parseSoakOptions, partNames } from './options.ts'

test('defaults', () => {
  expect(parseBenchOptions([])).toEqual({ help: false, only: partNames, seconds: 5, rounds: 3 })
  expect(parseSoakOptions([])).toEqual({ help: false, minutes: 15 })
})

test('parts run in their own order', () => {
  const options = parseBenchOptions(['--only', 'memory, produce', '--seconds=2', '--rounds', '1'])
  expect(options).toEqual({ help: false, only: ['produce', 'memory'], seconds: 2, rounds: 1 })
})

test.each([
  [['--only', 'produce,x'], '--only takes produce, read, memory, instances, not "x".'],
  [['--seconds', '0'], '--seconds takes a whole number from 1 to 3600, not "0".'],
  [['--rounds', 'many'], '--rounds takes a whole number from 1 to 100, not "many".'],
  [['--fast'], "Unknown option '--fast'; --help lists the options."],
])('%j is refused', (args, text) => {
  expect(() => parseBenchOptions(args)).toThrow(text)
})

test('the soak takes whole minutes', () => {
  expect(parseSoakOptions(['--minutes', '3', '--help'])).toEqual({ help: true, minutes: 3 })
  expect(() => parseSoakOptions(['--minutes', '1.5'])).toThrow('--minutes takes a whole number')
})
