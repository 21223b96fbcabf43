import { expect, test } from 'vitest'
import { loadSettings } from '../shared/settings/load.ts'
import { proxyNodeSettings } from './settings.ts'
import { checkSettings } from './settings-check.ts'

const check = (entries: Record<string, string>) =>
  checkSettings(
    loadSettings(
      proxyNodeSettings,
      new Map(
        Object.entries({ 'bootstrap.servers': 'kafka:9092', listeners: 'http://127.0.0.1:1', ...entries }),
      ),
      {},
    ),
  )

test('takeovers need the token that they are asked for with', () => {
  expect(() => check({ 'failover.mode': 'takeover' })).toThrow('failover.mode=takeover needs internal.token')
  const both = { 'failover.mode': 'takeover', 'internal.token': 'secret' }
  expect(check(both).listener).toBe('http://127.0.0.1:1')
})

test('a lease leaves time for a renewal that fails, and for one more', () => {
  expect(check({}).listener).toBe('http://127.0.0.1:1')
  expect(check({ 'lease.ms': '3000' }).listener).toBe('http://127.0.0.1:1')
  expect(() => check({ 'lease.ms': '2999' })).toThrow('redis.timeout.ms must be at most a third of lease.ms')
  expect(() => check({ 'lease.ms': '1500', 'redis.timeout.ms': '500' })).toThrow(
    'lease.renew.interval.ms must be at most half of lease.ms',
  )
})
