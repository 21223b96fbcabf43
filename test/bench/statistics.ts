/** The value below which the share `q` (0 to 1) of the values lies; NaN of nothing. `sorted` must be ascending. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  const index = Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))
  return sorted[index] ?? Number.NaN
}

/** A figure of several rounds: the median says what it is, the extremes how far to trust it. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** Median, smallest and largest of the values; NaN of nothing. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const lower = sorted[Math.ceil(middle) - 1] ?? Number.NaN
  const upper = sorted[Math.floor(middle)] ?? Number.NaN
  return { median: (lower + upper) / 2, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN }
}

export interface Point {
  readonly x: number
  readonly y: number
}

/** A straight line through points, and how sure its slope is. */
export interface Trend {
  /** y for each unit of x. */
  readonly slope: number
  /** Half the width of the slope's 95 % confidence interval; infinite with fewer than four points. */
  readonly slopeMargin: number
  readonly mean: number
}

/**
 * The least-squares line. Neighbouring samples of one process resemble each other (a heap grows until it is collected),
 * so they say less than as many independent ones would: the margin is widened by the residuals' lag-1 autocorrelation,
 * as n · (1 − ρ) / (1 + ρ) effective samples (Bayley and Hammersley, 1946).
 */
export function trendOf(points: readonly Point[]): Trend {
  const count = points.length
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / count
  const mean = points.reduce((sum, { y }) => sum + y, 0) / count
  const spreadX = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0)
  const slope = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - mean), 0) / spreadX
  if (count < 4 || spreadX === 0) return { slope, slopeMargin: Number.POSITIVE_INFINITY, mean }
  const residuals = points.map(({ x, y }) => y - mean - slope * (x - meanX))
  const squares = residuals.reduce((sum, residual) => sum + residual ** 2, 0)
  const error = Math.sqrt(squares / (count - 2) / spreadX)
  const likeness = autocorrelation(residuals, squares)
  const effective = Math.max(3, (count * (1 - likeness)) / (1 + likeness))
  const widened = error * Math.sqrt(count / effective)
  return { slope, slopeMargin: widened * studentFactor(effective - 2), mean }
}

/** Of neighbours; only likeness counts, since samples that alternate would be no reason to trust them more. */
function autocorrelation(residuals: readonly number[], squares: number): number {
  if (squares === 0) return 0
  const products = residuals.slice(1).reduce((sum, residual, index) => {
    return sum + residual * (residuals[index] ?? 0)
  }, 0)
  return Math.min(0.99, Math.max(0, products / squares))
}

/** Student's t for 95 % on both sides, from its usual table; between rows the larger value. */
function studentFactor(freedom: number): number {
  const row = studentTable.findLast(([from]) => freedom >= from)
  return row?.[1] ?? 12.71
}

const studentTable: readonly (readonly [freedom: number, factor: number])[] = [
  [1, 12.71],
  [2, 4.3],
  [3, 3.18],
  [4, 2.78],
  [5, 2.57],
  [6, 2.45],
  [8, 2.31],
  [10, 2.23],
  [15, 2.13],
  [20, 2.09],
  [30, 2.04],
  [60, 2.0],
  [120, 1.98],
]
