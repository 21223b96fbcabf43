import { expect, test } from 'vitest'
import { cpuSecondsOf, residentBytesOf } from './process-usage.ts'

test('memory and CPU time of a process are those that it sees itself', () => {
  const before = cpuSecondsOf(process.pid)
  const own = process.cpuUsage()
  while (process.cpuUsage(own).user + process.cpuUsage(own).system < 100_000);
  expect(cpuSecondsOf(process.pid) - before).toBeGreaterThan(0.05)
  const ratio = residentBytesOf(process.pid) / process.memoryUsage.rss()
  expect(ratio).toBeGreaterThan(0.5)
  expect(ratio).toBeLessThan(2)
})

test('a process that does not exist is an error', () => {
  expect(() => residentBytesOf(2 ** 30)).toThrow(/ENOENT/)
})
