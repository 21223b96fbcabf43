import type { LoadPlan, LoadResult } from './load/load-plan.ts'
import type { PartContext } from './part.ts'
import { type Spread, spreadOf } from './statistics.ts'

/** One way to do the same thing: measured in turn with the others, so that a noisy minute hits all of them. */
export interface Variant {
  readonly name: string
  readonly plan: Omit<LoadPlan, 'warmupMs' | 'measureMs'>
}

/** Before the first measurement of a variant, code is compiled and connections are opened. */
const FIRST_WARMUP_MS = 3_000
const WARMUP_MS = 1_000

/** Measures every variant once in each round. @returns the results by variant name, in the order of the rounds. */
export async function measureRounds(
  variants: readonly Variant[],
  { load, seconds, rounds, progress, parts }: PartContext,
): Promise<ReadonlyMap<string, readonly LoadResult[]>> {
  const results = new Map<string, LoadResult[]>(variants.map(({ name }) => [name, []]))
  for (let round = 1; round <= rounds; round += 1) {
    for (const { name, plan } of variants) {
      parts.signal.throwIfAborted()
      const warmupMs = round === 1 ? FIRST_WARMUP_MS : WARMUP_MS
      const result = await load.run({ ...plan, warmupMs, measureMs: seconds * 1000 })
      results.get(name)?.push(result)
      const rate = Math.round(result.requests / result.seconds)
      progress(`  round ${round} of ${rounds}: ${name}: ${rate} requests/s${errorNote(result)}`)
    }
  }
  return results
}

function errorNote({ errors }: LoadResult): string {
  const notes = Object.entries(errors).map(([reason, count]) => `${count} × ${reason}`)
  return notes.length === 0 ? '' : `; errors: ${notes.join(', ')}`
}

/** All errors of some results. */
export function errorsOf(results: readonly LoadResult[]): number {
  return results.flatMap(({ errors }) => Object.values(errors)).reduce((sum, count) => sum + count, 0)
}

/** One figure over the rounds. */
export function over(results: readonly LoadResult[], pick: (result: LoadResult) => number): Spread {
  return spreadOf(results.map(pick))
}

export const requestsPerSecond = ({ requests, seconds }: LoadResult): number => requests / seconds
export const recordsPerSecond = ({ records, seconds }: LoadResult): number => records / seconds

/** CPU µs for each request of process `index` of the plan. */
export const cpuMicrosPerRequest =
  (index: number) =>
  ({ cpuSeconds, requests }: LoadResult): number =>
    ((cpuSeconds[index] ?? Number.NaN) * 1e6) / requests

/** CPU µs of the load generator for each request. */
export const ownMicrosPerRequest = ({ ownCpuSeconds, requests }: LoadResult): number =>
  (ownCpuSeconds * 1e6) / requests
