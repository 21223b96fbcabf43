import { expect, test } from 'vitest'
import { loadSettings, SettingsError } from '../shared/settings/load.ts'
import { gatewaySettings } from './settings.ts'
import { checkSettings } from './settings-check.ts'

function check(entries: Record<string, string>, hasTable = true) {
  return checkSettings(loadSettings(gatewaySettings, new Map(Object.entries(entries)), {}).settings, hasTable)
}

test('the defaults need only a way to know the nodes', () => {
  expect(() => check({}, false)).toThrow('redis.url or nodes needs to be configured')
  expect(check({}).listener).toBe('http://127.0.0.1:8082')
  expect(check({ 'redis.url': 'redis://localhost:6379' }, false).nodes.size).toBe(0)
})

test('nodes are id=url', () => {
  expect([...check({ nodes: 'a=http://h:1, b=https://h:2' }, false).nodes]).toEqual([
    ['a', 'http://h:1'],
    ['b', 'https://h:2'],
  ])
})

test('entries of admin.tokens are name:hash', () => {
  expect(() => check({ 'admin.tokens': `alice:${'0'.repeat(64)}` })).not.toThrow()
  expect(() => check({ 'admin.tokens': 'alice:x' })).toThrow('admin.tokens: entry 1')
})

test('an address other than loopback needs the token', () => {
  for (const listener of ['http://127.0.0.1:1', 'http://localhost:1', 'http://[::1]:1', 'http://127.9.9.9:1'])
    expect(check({ listeners: listener }).listener).toBe(listener)
  for (const listener of ['http://0.0.0.0:1', 'http://[::]:1', 'http://10.0.0.1:1', 'http://host:1']) {
    expect(() => check({ listeners: listener })).toThrow('needs internal.token')
    expect(() => check({ listeners: listener, 'internal.token': 'change-me' })).toThrow(
      '16 characters at least',
    )
    expect(check({ listeners: listener, 'internal.token': 't'.repeat(16) }).listener).toBe(listener)
  }
})

test('all that is wrong is told at once', () => {
  const wrong = {
    listeners: 'http://a:1,http://b:2',
    id: 'ä',
    'forwarded.trusted': 'everyone',
    nodes: 'http://h:1',
    'public.url': 'https://user@kafka.example?x',
    'redis.url': 'http://redis',
  }
  try {
    check(wrong)
    expect.unreachable()
  } catch (error) {
    expect(error).toBeInstanceOf(SettingsError)
    expect((error as SettingsError).problems).toHaveLength(7)
  }
})

test('the public url loses its trailing slash', () => {
  expect(check({ 'public.url': 'https://kafka.example/rest/' }).publicUrl).toBe('https://kafka.example/rest')
})
