/** What one run of a load generator does. It is sent to a process, so it is plain data. */
export interface LoadPlan {
  readonly host: string
  readonly port: number
  /** Each has one request under way at a time (closed loop). */
  readonly connections: number
  readonly work: Work
  /** Requests that begin per second, over all connections; left out: as fast as answers come. */
  readonly ratePerSecond?: number
  /** Load before anything is measured, in ms. */
  readonly warmupMs: number
  /** How long is measured, in ms, unless it is told to stop before. */
  readonly measureMs: number
  /** Processes whose CPU time is read at the beginning and at the end of the measurement. */
  readonly pids: readonly number[]
}

export type Work = RepeatedRequests | InstanceReads

/** Connection i sends request i (modulo their number) again and again. */
export interface RepeatedRequests {
  readonly kind: 'repeat'
  /** Whole requests, head and body. */
  readonly requests: readonly string[]
  /** Records that each answer acknowledges; an answer that names an error of a record is one. */
  readonly recordsEach: number
}

/** Connection i reads with consumer instance i from the beginning up to a number of records, and again. */
export interface InstanceReads {
  readonly kind: 'read'
  readonly readers: readonly {
    readonly read: string
    /** Puts the positions back to the beginning. */
    readonly rewind: string
    /** After how many it goes back. */
    readonly records: number
  }[]
}

export interface LoadResult {
  /** How long was measured. */
  readonly seconds: number
  readonly requests: number
  readonly records: number
  /** Bytes of answer bodies. */
  readonly answerBytes: number
  /** By status or error code; they count as no request. */
  readonly errors: Readonly<Record<string, number>>
  /** From the first byte of a request to the last of its answer, in ms; NaN without an answer. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** CPU seconds by pid, in the order of the plan. */
  readonly cpuSeconds: readonly number[]
  /** CPU seconds of the load generator itself. */
  readonly ownCpuSeconds: number
}

/** What the process is told, and what it tells. */
export type LoadCommand = { readonly start: LoadPlan } | { readonly stop: true }
export type LoadReport =
  | { readonly measuring: true }
  | { readonly done: LoadResult }
  | { readonly failed: string }
