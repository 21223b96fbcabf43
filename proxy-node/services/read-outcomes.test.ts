import { describe, expect, test } from 'vitest'
import type { Clock } from '../../shared/clock.ts'
import { systemClock } from '../../shared/clock.ts'
import { applyReadReports, ReadOutcome, type ReportedInstance, sameWay } from './read-outcomes.ts'

const here = { connection: {} }
const elsewhere = { connection: {} }
const wait = { clock: systemClock, timeoutMs: 5 }

/** A clock whose sleeps end only when the test says so. */
function heldClock() {
  const gate = Promise.withResolvers<void>()
  const clock: Clock = { ...systemClock, sleep: () => gate.promise }
  return { clock, pass: () => gate.resolve() }
}

describe('ReadOutcome - written is not received', () => {
  test('the same connection or gateway coming back proves delivery', async () => {
    const outcome = new ReadOutcome('1', here)
    outcome.written()
    expect(await outcome.settle(here, wait)).toBe('delivered')
    const forwarded = new ReadOutcome('2', { gateway: 'a' })
    forwarded.written()
    expect(await forwarded.settle({ gateway: 'a' }, wait)).toBe('delivered')
  })

  test('another way waits for the outcome, and doubt counts as lost', async () => {
    const outcome = new ReadOutcome('1', here)
    outcome.written()
    expect(await outcome.settle(elsewhere, wait)).toBe('lost')
    outcome.delivered()
    expect(outcome.state).toBe('lost')
  })

  test.each(['delivered', 'lost'] as const)('an outcome that comes in time decides: %s', async said => {
    const { clock } = heldClock()
    const outcome = new ReadOutcome('1', { gateway: 'a' })
    outcome.written()
    const settled = outcome.settle({ gateway: 'b' }, { clock, timeoutMs: 250 })
    outcome[said]()
    expect(await settled).toBe(said)
  })

  test('bytes that the client sent after the answer are evidence, before and after the wait', async () => {
    let sent = true
    const early = new ReadOutcome('1', here, () => sent)
    early.written()
    expect(await early.settle(elsewhere, wait)).toBe('delivered')
    sent = false
    const { clock, pass } = heldClock()
    const late = new ReadOutcome('2', here, () => sent)
    late.written()
    const settled = late.settle(elsewhere, { clock, timeoutMs: 250 })
    sent = true
    pass()
    expect(await settled).toBe('delivered')
  })

  test('an answer that was never written to its end is lost, whoever asks', async () => {
    const outcome = new ReadOutcome('1', here)
    outcome.lost()
    await outcome.ended
    expect(await outcome.settle(here, wait)).toBe('lost')
  })

  test("a gateway's report may overtake the end of the write", async () => {
    const outcome = new ReadOutcome('1', { gateway: 'a' })
    outcome.delivered()
    outcome.written()
    await outcome.ended
    expect(await outcome.settle({ gateway: 'b' }, wait)).toBe('delivered')
  })

  test('a reset takes good news back, until the outcome is settled', async () => {
    const outcome = new ReadOutcome('1', { gateway: 'a' })
    outcome.written()
    outcome.delivered()
    outcome.lost()
    expect(await outcome.settle({ gateway: 'a' }, wait)).toBe('lost')
    const settled = new ReadOutcome('2', { gateway: 'a' })
    settled.written()
    expect(await settled.settle({ gateway: 'a' }, wait)).toBe('delivered')
    settled.lost()
    expect(settled.state).toBe('delivered')
  })

  test('ways', () => {
    expect(sameWay({ gateway: '' }, { connection: here })).toBe(false)
    expect(sameWay(here, { gateway: '' })).toBe(false)
    expect(sameWay(here, elsewhere)).toBe(false)
  })
})

describe('applyReadReports', () => {
  /** Instances `a`, which is being handed over until the test ends that, and `b`; and what they were told. */
  function holding() {
    const { promise: over, resolve: end } = Promise.withResolvers<void>()
    const told: string[] = []
    const instance = (key: string, handedOver?: { over: Promise<void> }): [string, ReportedInstance] => [
      key,
      { handedOver, readReported: (readId, delivered) => told.push(`${key} ${readId} ${delivered}`) },
    ]
    const held = new Map([instance('a', { over }), instance('b')])
    return { told, end, heldHere: (key: string) => held.get(key) }
  }
  const report = (key: string) => ({ key, readId: '1', delivered: true })

  test('an instance that is being handed over holds up the answer, and no other news', async () => {
    const { told, end, heldHere } = holding()
    let answered = false
    const answering = applyReadReports(['a', 'b', 'nobody'].map(report), heldHere).finally(() => {
      answered = true
    })
    expect(told).toEqual(['a 1 true', 'b 1 true'])
    await Promise.resolve()
    expect(answered).toBe(false)
    end()
    expect(await answering).toEqual(['a', 'nobody'])
  })
})
