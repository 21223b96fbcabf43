import { expect, test } from 'vitest'
import { loadSettings, SettingsError } from '../shared/settings/load.ts'
import { proxyNodeSettings } from './settings.ts'
import { checkSettings } from './settings-check.ts'

const check = (entries: Record<string, string>, found: readonly string[] = []) =>
  checkSettings(
    loadSettings(
      proxyNodeSettings,
      new Map(
        Object.entries({ 'bootstrap.servers': 'kafka:9092', listeners: 'http://127.0.0.1:1', ...entries }),
      ),
      {},
    ),
    found,
  )

function problemsOf(entries: Record<string, string>, found: readonly string[]): readonly string[] {
  try {
    check(entries, found)
  } catch (error) {
    if (error instanceof SettingsError) return error.problems
    throw error
  }
  return []
}

test('takeovers need the token that they are asked for with', () => {
  expect(() => check({ 'failover.mode': 'takeover' })).toThrow('failover.mode=takeover needs internal.token')
  const both = { 'failover.mode': 'takeover', 'internal.token': 'secret' }
  expect(check(both).listener).toBe('http://127.0.0.1:1')
})

test('all problems are told at once, with those that others found', () => {
  const settings = { 'bootstrap.servers': '', 'internal.token': '', 'failover.mode': 'takeover' }
  const text = problemsOf(settings, ['consumer.enable.auto.commit is wrong'])
  expect(text).toEqual([
    'consumer.enable.auto.commit is wrong',
    expect.stringContaining('failover.mode=takeover'),
    'bootstrap.servers needs to be configured',
  ])
  expect(problemsOf({ 'bootstrap.servers': 'kafka' }, [])).toEqual([
    'bootstrap.servers: kafka is not host:port',
  ])
})

test('a lease leaves time for a renewal that fails, and for one more', () => {
  expect(check({}).listener).toBe('http://127.0.0.1:1')
  expect(check({ 'lease.ms': '3000' }).listener).toBe('http://127.0.0.1:1')
  expect(() => check({ 'lease.ms': '2999' })).toThrow('redis.timeout.ms must be at most a third of lease.ms')
  expect(() => check({ 'lease.ms': '1500', 'redis.timeout.ms': '500' })).toThrow(
    'lease.renew.interval.ms must be at most half of lease.ms',
  )
})
