import { expect, test } from 'vitest'
import { parseConsumer, parseProducer } from './java-tools.ts'

test('the summary of the producer tool', () => {
  const output = `149000 records sent, 29800.0 records/sec (2.84 MB/sec), 12.5 ms avg latency, 300.0 ms max latency.
500000 records sent, 83122.194514 records/sec (7.93 MB/sec), 130.11 ms avg latency, 410.00 ms max latency, 120 ms 50th, 250 ms 95th, 390 ms 99th, 405 ms 99.9th.
`
  expect(parseProducer(output)).toEqual({ recordsPerSecond: 83_122.194514, p50Ms: 120, p99Ms: 390 })
  expect(() => parseProducer('')).toThrow('no summary')
})

test('the figures of the consumer tool', () => {
  const output = `start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec
2026-11-22 10:00:00:000, 2026-11-22 10:00:02:000, 95.3674, 47.6, 1000000, 500000.0, 300, 1700, 56.0985, 588235.2941
`
  expect(parseConsumer(output)).toBe(588_235.2941)
  expect(() => parseConsumer('WARN x')).toThrow('no figures')
})
