import { setTimeout as sleep } from 'node:timers/promises'
import { cpuSecondsOf } from '../process-usage.ts'
import { quantile } from '../statistics.ts'
import { LoadConnection, type Outcome } from './load-connection.ts'
import type { LoadPlan, LoadResult } from './load-plan.ts'
import { type ConnectionWork, workOf } from './load-work.ts'

/** Pause of a connection after an error: a server that refuses everything must not be hammered. */
const ERROR_PAUSE_MS = 50

interface Counts {
  requests: number
  records: number
  answerBytes: number
  errors: Record<string, number>
  latenciesMs: number[]
}

/** One run of a plan: warms up, measures, stops. */
export class LoadRun {
  readonly #plan: LoadPlan
  readonly #stop = new AbortController()
  #counts = freshCounts()

  constructor(plan: LoadPlan) {
    this.#plan = plan
  }

  /** Ends the measurement now. */
  stop(): void {
    this.#stop.abort()
  }

  /** @param onMeasuring told when the warm-up is over. */
  async run(onMeasuring: () => void): Promise<LoadResult> {
    const { connections, warmupMs, measureMs, pids } = this.#plan
    const open = Array.from({ length: connections }, (_, index) => this.#begin(index))
    await this.#wait(warmupMs)
    this.#counts = freshCounts()
    const own = process.cpuUsage()
    const cpu = pids.map(cpuSecondsOf)
    const begunAt = performance.now()
    onMeasuring()
    await this.#wait(measureMs)
    const seconds = (performance.now() - begunAt) / 1000
    const cpuSeconds = pids.map((pid, index) => cpuSecondsOf(pid) - (cpu[index] ?? 0))
    const { user, system } = process.cpuUsage(own)
    const result = { seconds, cpuSeconds, ownCpuSeconds: (user + system) / 1e6, ...summaryOf(this.#counts) }
    this.#stop.abort()
    for (const connection of open) connection.close()
    return result
  }

  async #wait(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined)
  }

  #begin(index: number): LoadConnection {
    const { host, port, connections, ratePerSecond } = this.#plan
    const connection = new LoadConnection({ host, port })
    const work = workOf(this.#plan, index)
    if (ratePerSecond === undefined) this.#loop(connection, work)
    else this.#paced(connection, work, { everyMs: (1000 * connections) / ratePerSecond, index })
    return connection
  }

  #loop(connection: LoadConnection, work: ConnectionWork): void {
    if (this.#stop.signal.aborted) return
    connection.send(work.next(), outcome => {
      const ok = this.#count(work, outcome)
      if (ok) this.#loop(connection, work)
      else setTimeout(() => this.#loop(connection, work), ERROR_PAUSE_MS)
    })
  }

  /** A request that takes longer than its slot delays the next one; what was missed is not made up for. */
  #paced(
    connection: LoadConnection,
    work: ConnectionWork,
    { everyMs, index }: { everyMs: number; index: number },
  ): void {
    let dueAt = performance.now() + (everyMs * index) / this.#plan.connections
    const next = () => {
      if (this.#stop.signal.aborted) return
      connection.send(work.next(), outcome => {
        this.#count(work, outcome)
        const now = performance.now()
        dueAt = Math.max(dueAt + everyMs, now)
        setTimeout(next, Math.max(0, dueAt - now))
      })
    }
    setTimeout(next, Math.max(0, dueAt - performance.now()))
  }

  /** @returns whether it was an answer without an error. */
  #count(work: ConnectionWork, { answer, error, ms }: Outcome): boolean {
    const counts = this.#counts
    const records = answer && error === undefined ? work.take(answer) : undefined
    if (records === undefined) {
      const reason = error ?? 'error of a record'
      counts.errors[reason] = (counts.errors[reason] ?? 0) + 1
      return false
    }
    counts.requests += 1
    counts.records += records
    counts.answerBytes += answer?.body.length ?? 0
    counts.latenciesMs.push(ms)
    return true
  }
}

function freshCounts(): Counts {
  return { requests: 0, records: 0, answerBytes: 0, errors: {}, latenciesMs: [] }
}

function summaryOf({ latenciesMs, ...counts }: Counts) {
  const sorted = Float64Array.from(latenciesMs).sort()
  const [p50Ms, p99Ms, maxMs] = [quantile(sorted, 0.5), quantile(sorted, 0.99), quantile(sorted, 1)]
  return { ...counts, p50Ms, p99Ms, maxMs }
}
