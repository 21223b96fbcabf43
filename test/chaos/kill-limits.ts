import { markdownTable } from '../bench/markdown.ts'
import type { FailoverMode } from './consumer.ts'
import type { FaultRecord } from './faults.ts'
import type { ConsumerJournal } from './journal.ts'
import { durationCells, outagesOf } from './unavailability.ts'

export interface KillLimits {
  /** Markdown. */
  readonly table: string
  /** What took longer than it may. */
  readonly problems: readonly string[]
}

export interface KillLimitsInput {
  readonly mode: FailoverMode
  readonly faults: readonly FaultRecord[]
  readonly consumers: readonly ConsumerJournal[]
  readonly leaseMs: number
  /** When this process itself was not given the processor for long: nothing that it measured then can be trusted. */
  readonly stalls: readonly { readonly at: number; readonly ms: number }[]
}

/** A client told 40403 within this learns at once, as far as people can tell. The process's host lives. */
const GONE_MS = 1000
const TAKEOVER_BEYOND_LEASE_MS = 3000
/** A fault that was over for so long has no part in what follows. */
const QUIET_BEFORE_MS = 4000

/**
 * What a kill -9 of a node costs its consumers, from the kill on, for those that were well before and before the next
 * fault begins. In `takeover` mode: until the end of the first read that succeeds, at most the lease and 3 s. In
 * `recreate` mode: until 40403, at most 1 s.
 */
export function killLimits(input: KillLimitsInput): KillLimits {
  const { mode, faults, consumers, leaseMs, stalls } = input
  const limitMs = mode === 'takeover' ? leaseMs + TAKEOVER_BEYOND_LEASE_MS : GONE_MS
  const delays: number[] = []
  const problems: string[] = []
  let [judged, passedOver] = [0, 0]
  for (const [index, fault] of faults.entries()) {
    if (fault.kind !== 'kill node') continue
    const { killedAt = fault.startedAt } = fault
    const before = faults[index - 1]?.endedAt ?? Number.NEGATIVE_INFINITY
    const until = faults[index + 1]?.startedAt ?? Number.POSITIVE_INFINITY
    const stalled = stalls.some(({ at, ms }) => at > killedAt && at - ms < killedAt + limitMs)
    if (stalled || killedAt - before < QUIET_BEFORE_MS) {
      passedOver += 1
      continue
    }
    judged += 1
    for (const consumer of consumers) {
      if (wasDown(consumer, killedAt)) continue
      const at = mode === 'takeover' ? firstRead(consumer, killedAt) : firstGone(consumer, killedAt, until)
      // Nothing to say of one that the next fault hit, nor of one that another node holds.
      const over = at ?? (mode === 'takeover' ? until : undefined)
      if (over === undefined || (over >= until && until - killedAt < limitMs)) continue
      delays.push(over - killedAt)
      if (over - killedAt > limitMs)
        problems.push(
          `${consumer.name}: ${Math.round(over - killedAt)} ms after the kill at ${(killedAt / 1000).toFixed(1)} s`,
        )
    }
  }
  const what =
    mode === 'takeover' ? 'kill -9 of a node: until the next read' : 'kill -9 of a node: until 40403'
  const head = [
    'what',
    'kills judged',
    'passed over',
    'consumers',
    'median ms',
    'p99 ms',
    'max ms',
    'limit ms',
  ]
  const row = [what, String(judged), String(passedOver), ...durationCells(delays), String(limitMs)]
  return { table: markdownTable(head, [row]), problems }
}

/** Whether an earlier fault still kept it from working. */
function wasDown({ attempts }: ConsumerJournal, at: number): boolean {
  return outagesOf(attempts).some(({ from, to }) => from < at - 1000 && to > at)
}

function firstRead({ reads }: ConsumerJournal, since: number): number | undefined {
  return reads.find(({ startedAt }) => startedAt >= since)?.endedAt
}

function firstGone({ gone }: ConsumerJournal, since: number, until: number): number | undefined {
  return gone.find(at => at >= since && at < until)
}
