import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import type { KafkaError } from '../ports/kafka-error.ts'
import { brokerCodes } from './broker-codes.ts'
import { GroupHeartbeats, type HeartbeatVerdict } from './group-heartbeats.ts'
import { connectionLost } from './kafka-errors.ts'

function heartbeats() {
  const clock = new ManualClock()
  const sent: number[] = []
  const verdicts: HeartbeatVerdict[] = []
  const problems: (KafkaError | undefined)[] = []
  const broker = { answer: (): Promise<number> => Promise.resolve(brokerCodes.none) }
  const beating = new GroupHeartbeats({
    send: () => {
      sent.push(clock.monotonic())
      return broker.answer()
    },
    intervalMs: 1000,
    sessionTimeoutMs: 10_000,
    settings: { retryBackoffMs: 100, retryBackoffMaxMs: 1000 },
    clock,
    random: () => 1,
    onVerdict: verdict => verdicts.push(verdict),
    onProblem: problem => problems.push(problem),
  })
  return { clock, sent, verdicts, problems, broker, beating }
}

test('it beats at the interval, and no more once stopped', async () => {
  const { clock, sent, verdicts, beating } = heartbeats()
  await clock.advance(3500)
  expect(sent).toEqual([2000, 3000, 4000])
  beating.stop()
  await clock.advance(5000)
  expect(sent).toHaveLength(3)
  expect(verdicts).toEqual([])
})

test.each([
  [brokerCodes.unknownMemberId, 'unknownMember'],
  [brokerCodes.illegalGeneration, 'illegalGeneration'],
  [brokerCodes.fencedInstanceId, 'fenced'],
] as const)('error %i is the last heartbeat: %s', async (code, verdict) => {
  const { clock, sent, verdicts, broker, beating } = heartbeats()
  broker.answer = () => Promise.resolve(code)
  await clock.advance(5000)
  expect(verdicts).toEqual([verdict])
  expect(sent).toHaveLength(1)
  expect(beating.over).toBe(true)
})

test('a rebalance is told while heartbeats go on and keep the session', async () => {
  const { clock, sent, verdicts, broker, beating } = heartbeats()
  broker.answer = () => Promise.resolve(brokerCodes.rebalanceInProgress)
  await clock.advance(20_000)
  expect(sent).toHaveLength(20)
  expect(verdicts).toContain('rebalance')
  expect(verdicts).not.toContain('expired')
  expect(beating.expired).toBe(false)
})

test.each([
  ['a lost connection', () => Promise.reject(connectionLost('lost'))],
  ['a coordinator that moved', () => Promise.resolve(brokerCodes.notCoordinator as number)],
])('after %s it is tried again soon, and works on', async (_name, failure) => {
  const { clock, sent, verdicts, problems, broker } = heartbeats()
  broker.answer = failure
  await clock.advance(1000)
  broker.answer = () => Promise.resolve(brokerCodes.none)
  await clock.advance(200)
  expect(sent).toHaveLength(2)
  await clock.advance(60_000)
  expect(verdicts).toEqual([])
  expect(problems.every(problem => problem === undefined)).toBe(true)
})

describe('without a confirmed heartbeat for a whole session', () => {
  test('it is over: the broker has given the partitions to others', async () => {
    const { clock, verdicts, broker } = heartbeats()
    broker.answer = () => Promise.reject(connectionLost('lost'))
    await clock.advance(9_900)
    expect(verdicts).toEqual([])
    await clock.advance(3_000)
    expect(verdicts).toEqual(['expired'])
  })

  test('a heartbeat that is never answered does not hide it', async () => {
    const { clock, broker, beating } = heartbeats()
    broker.answer = () => new Promise(() => {})
    await clock.advance(12_000)
    expect(beating.expired).toBe(true)
  })

  test('a process that was stopped finds it out before it sends anything', async () => {
    const { clock, sent, verdicts, beating } = heartbeats()
    // All timers stood still, the time did not: what SIGSTOP and SIGCONT look like from inside.
    clock.leap(60_000)
    expect(beating.expired).toBe(true)
    await clock.advance(0)
    expect(verdicts).toEqual(['expired'])
    expect(sent).toEqual([])
  })

  test('the session counts from when a confirmed heartbeat was sent', async () => {
    const { clock, broker, beating } = heartbeats()
    const slow = Promise.withResolvers<number>()
    broker.answer = () => slow.promise
    await clock.advance(9_000)
    slow.resolve(brokerCodes.none)
    broker.answer = () => Promise.reject(connectionLost('lost'))
    await clock.advance(2_500)
    expect(beating.expired).toBe(true)
  })
})

test('an error that an operator mends is told, and withdrawn when it is mended', async () => {
  const { clock, problems, verdicts, broker } = heartbeats()
  broker.answer = () => Promise.resolve(30)
  await clock.advance(1000)
  expect(problems.at(-1)?.kind).toBe('GROUP_AUTHORIZATION_FAILED')
  broker.answer = () => Promise.resolve(brokerCodes.none)
  await clock.advance(2000)
  expect(problems.at(-1)).toBeUndefined()
  expect(verdicts).toEqual([])
})
