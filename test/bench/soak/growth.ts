import { type Trend, trendOf } from '../statistics.ts'

/** One look at a process. */
export interface MemorySample {
  /** Since the measurement began. */
  readonly seconds: number
  readonly bytes: number
}

export type Verdict = 'steady' | 'grows' | 'too short to tell'

/** How the memory of a process went after the warm-up. */
export interface Growth {
  /** Bytes an hour, and half the width of the 95 % confidence interval. */
  readonly perHour: number
  readonly marginPerHour: number
  readonly meanBytes: number
  readonly verdict: Verdict
}

/** A line through fewer samples says nothing. */
const SAMPLES_MIN = 12
/** Growth over the judged time that is too little to be told from a heap that finds its size. */
const GROWTH_SHARE = 0.05
const GROWTH_BYTES = 4 * 2 ** 20

/**
 * Judges the last two thirds of the samples; in the first, caches fill and code is compiled. Memory grows if both
 * hold: its slope is positive with 95 % confidence, and over the judged time it makes more than 5 % of the mean and
 * more than 4 MB.
 */
export function growthOf(samples: readonly MemorySample[]): Growth {
  const judged = samples.slice(Math.ceil(samples.length / 3))
  const trend = trendOf(judged.map(({ seconds, bytes }) => ({ x: seconds / 3600, y: bytes })))
  const hours = ((judged.at(-1)?.seconds ?? 0) - (judged[0]?.seconds ?? 0)) / 3600
  const common = { perHour: trend.slope, marginPerHour: trend.slopeMargin, meanBytes: trend.mean }
  if (judged.length < SAMPLES_MIN) return { ...common, verdict: 'too short to tell' }
  return { ...common, verdict: isGrowth(trend, hours) ? 'grows' : 'steady' }
}

function isGrowth({ slope, slopeMargin, mean }: Trend, hours: number): boolean {
  const grown = slope * hours
  return slope - slopeMargin > 0 && grown > GROWTH_SHARE * mean && grown > GROWTH_BYTES
}
