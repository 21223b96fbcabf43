import { describe, expect, test } from 'vitest'
import { loadSettings, SettingsError } from '../../shared/settings/load.ts'
import { proxyNodePassThrough, proxyNodeSettings } from '../settings.ts'
import { consumerSettings } from './consumer-settings.ts'

const settingsOf = (entries: Readonly<Record<string, string>>) => {
  const file = new Map(Object.entries({ 'bootstrap.servers': 'kafka:9092', ...entries }))
  return consumerSettings(loadSettings(proxyNodeSettings, file, {}, proxyNodePassThrough))
}

function problemsOf(entries: Readonly<Record<string, string>>): readonly string[] {
  try {
    settingsOf(entries)
  } catch (error) {
    if (error instanceof SettingsError) return error.problems
    throw error
  }
  return []
}

describe('consumerSettings', () => {
  test('the defaults are the original’s (contract v2 §5.1) and the Java consumer’s', () => {
    expect(settingsOf({})).toMatchObject({
      instanceTimeoutMs: 300_000,
      requestMaxBytes: 67_108_864,
      threads: 50,
      sessionTimeoutMs: 45_000,
      heartbeatIntervalMs: 3000,
      autoCommitIntervalMs: 5000,
      isolation: 'read_uncommitted',
      autoCreateTopics: true,
      instanceDefaults: {
        autoOffsetReset: { from: 'latest' },
        autoCommit: true,
        fetchMinBytes: -1,
        requestTimeoutMs: 1000,
      },
    })
  })

  test('§9.38: consumer.* passes through, wins over client.*, and an instance may still say else', () => {
    expect(
      settingsOf({
        'client.auto.offset.reset': 'none',
        'consumer.auto.offset.reset': 'earliest',
        'client.enable.auto.commit': 'false',
        'consumer.allow.auto.create.topics': 'FALSE',
        'consumer.isolation.level': 'read_committed',
      }),
    ).toMatchObject({
      isolation: 'read_committed',
      autoCreateTopics: false,
      instanceDefaults: { autoOffsetReset: { from: 'earliest' }, autoCommit: false },
    })
  })

  test('a negative number of threads is no bound', () => {
    expect(settingsOf({ 'consumer.threads': '-1' }).threads).toBe(Number.POSITIVE_INFINITY)
  })

  test('what Kafka would refuse is refused at the start, all at once', () => {
    expect(
      problemsOf({
        'consumer.auto.offset.reset': 'Latest',
        'consumer.enable.auto.commit': 'maybe',
        'consumer.heartbeat.interval.ms': '20000',
        'group.instance.id.prefix': 'no spaces',
      }),
    ).toHaveLength(4)
  })

  test('a problem names the key that the operator wrote', () => {
    expect(problemsOf({ 'consumer.allow.auto.create.topics': 'maybe' })).toEqual([
      expect.stringContaining('maybe for configuration consumer.allow.auto.create.topics:'),
    ])
    expect(problemsOf({ 'client.enable.auto.commit': 'maybe' })).toEqual([
      expect.stringContaining('maybe for configuration client.enable.auto.commit:'),
    ])
    expect(problemsOf({ 'consumer.auto.offset.reset': 'first' })).toEqual([
      expect.stringContaining('first for configuration consumer.auto.offset.reset:'),
    ])
  })
})
