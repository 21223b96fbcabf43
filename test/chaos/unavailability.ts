import { figure, markdownTable } from '../bench/markdown.ts'
import { quantile } from '../bench/statistics.ts'
import type { FaultRecord } from './faults.ts'
import type { Attempt } from './journal.ts'

/** A time in which a client got nothing done. */
export interface Outage {
  readonly from: number
  readonly to: number
}

/** A read waits for a second by itself; more than this beside it is a wait for a process that does not answer. */
const SLOW_MS = { read: 2000, other: 1000 } as const

/**
 * The outages that a client saw: from the beginning of the first request that failed to the end of the next that did
 * not, and every request that took much longer than its work.
 */
export function outagesOf(attempts: readonly Attempt[]): Outage[] {
  const outages: Outage[] = []
  let downSince: number | undefined
  for (const attempt of attempts) {
    const { startedAt, endedAt, what } = attempt
    if (!isServed(attempt)) {
      downSince ??= startedAt
      continue
    }
    const slow = endedAt - startedAt > (what === 'read' ? SLOW_MS.read : SLOW_MS.other)
    const from = downSince ?? (slow ? startedAt : undefined)
    if (from !== undefined) outages.push({ from, to: endedAt })
    downSince = undefined
  }
  return outages
}

/** Whether the system did what was asked. A refused commit of an older assignment, and a name that exists, are answers. */
const isServed = ({ status, error }: Attempt): boolean =>
  (status >= 200 && status < 300) || error === '50002' || error === '40902'

/** The clients of a run, by name. */
export type AttemptsByClient = ReadonlyMap<string, readonly Attempt[]>

/** Outages of each client, and of all; durations in ms. */
export function unavailabilityTable(clients: AttemptsByClient): string {
  const rows: string[][] = []
  const all: number[] = []
  for (const [name, attempts] of clients) {
    const durations = outagesOf(attempts).map(({ from, to }) => to - from)
    all.push(...durations)
    rows.push([name, ...durationCells(durations), figure(share(attempts, durations)), failures(attempts)])
  }
  rows.push(['all', ...durationCells(all), '', ''])
  return markdownTable(
    ['client', 'outages', 'median ms', 'p99 ms', 'max ms', '% of its time', 'failed requests'],
    rows,
  )
}

/** Outages by the fault during or after which they began, before the next one. */
export function unavailabilityByFault(clients: AttemptsByClient, faults: readonly FaultRecord[]): string {
  const outages = [...clients].flatMap(([name, attempts]) =>
    outagesOf(attempts).map(outage => ({ name, ...outage })),
  )
  const hits = new Map<string, { faults: number; durations: number[]; clients: number }>()
  for (const [index, { kind, startedAt }] of faults.entries()) {
    const nextAt = faults[index + 1]?.startedAt ?? Number.POSITIVE_INFINITY
    // A read that waits at the time of a fault began up to a second before.
    const own = outages.filter(({ from }) => from >= startedAt - 1000 && from < nextAt - 1000)
    const row = hits.get(kind) ?? { faults: 0, durations: [], clients: 0 }
    row.faults += 1
    row.clients += new Set(own.map(({ name }) => name)).size
    row.durations.push(...own.map(({ from, to }) => to - from))
    hits.set(kind, row)
  }
  const rows = [...hits].map(([kind, row]) => [
    kind,
    String(row.faults),
    figure(row.clients / row.faults),
    ...durationCells(row.durations),
  ])
  return markdownTable(
    ['fault', 'times', 'clients hit each', 'outages', 'median ms', 'p99 ms', 'max ms'],
    rows,
  )
}

/** How many, median, p99, largest. */
export function durationCells(durations: readonly number[]): string[] {
  const sorted = durations.toSorted((left, right) => left - right)
  return [
    String(sorted.length),
    ...[quantile(sorted, 0.5), quantile(sorted, 0.99), sorted.at(-1) ?? Number.NaN].map(figure),
  ]
}

function share(attempts: readonly Attempt[], durations: readonly number[]): number {
  const total = (attempts.at(-1)?.endedAt ?? 0) - (attempts[0]?.startedAt ?? 0)
  return (100 * durations.reduce((sum, duration) => sum + duration, 0)) / total
}

/** `12 (404 ×3, 503 ×8, ECONNRESET ×1)` */
function failures(attempts: readonly Attempt[]): string {
  const failed = attempts.filter(attempt => !isServed(attempt))
  const reasons = [...Map.groupBy(failed, ({ status, error }) => (status === 0 ? error : String(status)))]
  const text = reasons.map(([reason, some]) => `${reason} ×${some.length}`).join(', ')
  return failed.length === 0 ? '0' : `${failed.length} (${text})`
}
