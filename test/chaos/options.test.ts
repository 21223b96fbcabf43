import { expect, test } from 'vitest'
import { parseChaosOptions } from './options.ts'

test('without options: seed 1, ten minutes, recreate', () => {
  expect(parseChaosOptions([])).toEqual({
    help: false,
    seed: 1,
    minutes: 10,
    mode: 'recreate',
    recordsPerSecond: 150,
  })
})

test('options are taken, and wrong ones are told', () => {
  const args = ['--seed', '7', '--minutes', '3', '--failover', 'takeover', '--rate', '300']
  expect(parseChaosOptions(args)).toMatchObject({
    seed: 7,
    minutes: 3,
    mode: 'takeover',
    recordsPerSecond: 300,
  })
  expect(() => parseChaosOptions(['--failover', 'none'])).toThrow('recreate or takeover')
  expect(() => parseChaosOptions(['--minutes', '0'])).toThrow('--minutes takes')
  expect(() => parseChaosOptions(['--sead', '1'])).toThrow('--help lists')
})
