import { expect, test } from 'vitest'
import { loadSettings } from '../shared/settings/load.ts'
import { proxyNodeSettings } from './settings.ts'

/** Names and defaults of the original's deployment guide: a settings file that was written for it means the same here. */
const originals: Record<string, string | null> = {
  id: '',
  'bootstrap.servers': null,
  'schema.registry.url': 'http://localhost:8081',
  'host.name': '',
  'consumer.request.max.bytes': '67108864',
  'consumer.request.timeout.ms': '1000',
  'fetch.min.bytes': '-1',
  'consumer.threads': '50',
  'consumer.instance.timeout.ms': '300000',
  'consumer.iterator.backoff.ms': '50',
  'consumer.iterator.timeout.ms': '1',
  'producer.buffer.memory': String(32 * 2 ** 20),
}

test.each(Object.entries(originals))('%s has the default of the original', (key, value) => {
  expect(proxyNodeSettings.find(row => row.key === key)?.default).toBe(value)
})

test('a file with all of them is taken, and nothing in it is unknown', () => {
  const file = new Map(
    Object.entries(originals).map(([key, value]) => [key, value ?? 'kafka-1:9092,kafka-2:9092']),
  )
  const { settings, unknown } = loadSettings(proxyNodeSettings, file, {})
  expect(unknown).toEqual([])
  expect(settings['bootstrap.servers']).toEqual(['kafka-1:9092', 'kafka-2:9092'])
  expect(settings['consumer.iterator.backoff.ms']).toBe(50)
})
