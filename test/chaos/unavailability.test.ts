import { expect, test } from 'vitest'
import { type Attempt, ConsumerJournal } from './journal.ts'
import { killLimits } from './kill-limits.ts'
import { outagesOf, unavailabilityByFault } from './unavailability.ts'

const attempt = (
  startedAt: number,
  endedAt: number,
  status = 200,
  what: Attempt['what'] = 'read',
  error = '',
): Attempt => ({ what, startedAt, endedAt, status, error })

test('an outage lasts from the first request that fails to the end of the next that does not', () => {
  const attempts = [
    attempt(0, 100),
    attempt(100, 110, 502),
    attempt(300, 310, 0),
    attempt(500, 700),
    attempt(800, 900),
  ]
  expect(outagesOf(attempts)).toEqual([{ from: 100, to: 700 }])
})

test('a request that takes much longer than its work is an outage, and a read that waits is none', () => {
  expect(outagesOf([attempt(0, 1050)])).toEqual([])
  expect(outagesOf([attempt(0, 1050, 200, 'commit')])).toEqual([{ from: 0, to: 1050 }])
  expect(outagesOf([attempt(0, 6000)])).toEqual([{ from: 0, to: 6000 }])
})

test('a refused commit of an older assignment is an answer', () => {
  expect(outagesOf([attempt(0, 10, 500, 'commit', '50002')])).toEqual([])
})

test('outages belong to the fault that they began after', () => {
  const clients = new Map([
    ['a', [attempt(900, 1200, 502), attempt(1300, 1400), attempt(9000, 9100, 0), attempt(9200, 9300)]],
  ])
  const fault = { kind: 'kill gateway' as const, endedAt: 0, killedAt: undefined }
  const table = unavailabilityByFault(clients, [
    { ...fault, startedAt: 1000 },
    { ...fault, kind: 'pause Redis', startedAt: 8500 },
  ])
  expect(table).toMatch(/kill gateway +\| 1 +\| 1\.00 +\| 1 +\| 500 /)
  expect(table).toMatch(/pause Redis +\| 1 +\| 1\.00 +\| 1 +\| 300 /)
})

const kill = { kind: 'kill node' as const, startedAt: 10_000, killedAt: 10_000, endedAt: 12_000 }

function consumerWith(read: Attempt | undefined, gone: readonly number[] = []): ConsumerJournal {
  const journal = new ConsumerJournal('c', 'g')
  journal.attempts.push(attempt(9000, 9500))
  if (read !== undefined) {
    journal.attempts.push(read)
    journal.reads.push({ consumer: 'c', startedAt: read.startedAt, endedAt: read.endedAt, records: [] })
  }
  journal.gone.push(...gone)
  return journal
}

const judge = (mode: 'recreate' | 'takeover', consumer: ConsumerJournal, rest: object = {}) =>
  killLimits({ mode, faults: [kill], consumers: [consumer], leaseMs: 5000, stalls: [], ...rest }).problems

test('a read within the lease and 3 s is in time, a later one and none are not', () => {
  expect(judge('takeover', consumerWith(attempt(17_000, 17_900)))).toEqual([])
  expect(judge('takeover', consumerWith(attempt(17_000, 18_100)))).toHaveLength(1)
  expect(judge('takeover', consumerWith(undefined))).toHaveLength(1)
})

test('40403 within a second is in time, and nothing is said of those that were not told', () => {
  expect(judge('recreate', consumerWith(undefined, [10_900]))).toEqual([])
  expect(judge('recreate', consumerWith(undefined, [11_100]))).toHaveLength(1)
  expect(judge('recreate', consumerWith(attempt(10_500, 11_000)))).toEqual([])
})

test('a kill is not judged when the processor was not there, or when another fault was or is too near', () => {
  const late = consumerWith(undefined, [11_100])
  expect(judge('recreate', late, { stalls: [{ at: 10_800, ms: 500 }] })).toEqual([])
  const other = { kind: 'pause Redis' as const, startedAt: 0, endedAt: 9000, killedAt: undefined }
  expect(judge('recreate', late, { faults: [other, kill] })).toEqual([])
  const next = { ...other, startedAt: 10_900, endedAt: 12_000 }
  expect(judge('recreate', late, { faults: [kill, next] })).toEqual([])
})
