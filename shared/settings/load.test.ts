import { describe, expect, test } from 'vitest'
import { loadSettings, SettingsError } from './load.ts'
import { parseProperties } from './properties-file.ts'
import type { SettingRow } from './row.ts'

const rows = [
  { key: 'bootstrap.servers', kind: 'list', default: null, doc: '' },
  { key: 'consumer.threads', kind: 'int', default: '50', min: -1, max: 1000, doc: '' },
  { key: 'api.v2.enable', kind: 'boolean', default: 'true', doc: '' },
  { key: 'failover.mode', kind: 'enum', default: 'recreate', oneOf: ['recreate', 'takeover'], doc: '' },
  { key: 'internal.token', kind: 'string', default: '', secret: true, doc: '' },
  { key: 'redis.url', kind: 'url', default: '', doc: '' },
] as const satisfies readonly SettingRow[]

describe('loadSettings', () => {
  test('defaults, file and environment, in rising order', () => {
    const file = new Map([
      ['bootstrap.servers', 'a:1, b:2'],
      ['consumer.threads', '7'],
    ])
    const { settings } = loadSettings(rows, file, { KAFKA_REST_CONSUMER_THREADS: '9', OTHER: 'x' })
    expect(settings['bootstrap.servers']).toEqual(['a:1', 'b:2'])
    expect(settings['consumer.threads']).toBe(9)
    expect(settings['api.v2.enable']).toBe(true)
    expect(Object.isFrozen(settings)).toBe(true)
  })

  test('every problem is listed at once, and secrets are hidden', () => {
    const file = new Map([
      ['consumer.threads', '5000'],
      ['api.v2.enable', 'yes'],
      ['failover.mode', 'hope'],
      ['redis.url', 'nowhere'],
    ])
    const load = () => loadSettings(rows, file, {})
    expect(load).toThrow(SettingsError)
    expect(load).toThrow(
      'invalid settings: bootstrap.servers needs to be configured; consumer.threads=5000: must be at most 1000; ' +
        'api.v2.enable=yes: must be true or false; failover.mode=hope: must be one of recreate, takeover; ' +
        'redis.url=nowhere: must be an absolute URL',
    )
  })

  test.each(['localhost:8092', 'http:', 'http://', 'tcp:///x'])('a URL without a host is none: %s', url => {
    expect(() =>
      loadSettings(
        rows,
        new Map([
          ['bootstrap.servers', 'a:1'],
          ['redis.url', url],
        ]),
        {},
      ),
    ).toThrow(`redis.url=${url}: must be an absolute URL`)
  })

  test('pass-through keys and unknown keys are told apart', () => {
    const file = new Map([
      ['bootstrap.servers', 'a:1'],
      ['producer.acks', '1'],
      ['what.is.this', '1'],
    ])
    const loaded = loadSettings(rows, file, { KAFKA_REST_CLIENT_SASL_MECHANISM: 'PLAIN' }, [
      'client.',
      'producer.',
    ])
    expect([...loaded.passThrough]).toEqual([
      ['producer.acks', '1'],
      ['client.sasl.mechanism', 'PLAIN'],
    ])
    expect(loaded.unknown).toEqual(['what.is.this'])
  })
})

describe('parseProperties', () => {
  test('separators, comments, continuations, escapes', () => {
    const text = '# a\n! b\n\na=1\nb : 2\nc 3\nd=x\\\n   y\ne\\=f=g\nh=\\u0041\\t!\na=4\nlast'
    expect([...parseProperties(text)]).toEqual([
      ['a', '4'],
      ['b', '2'],
      ['c', '3'],
      ['d', 'xy'],
      ['e=f', 'g'],
      ['h', 'A\t!'],
      ['last', ''],
    ])
  })
})
