import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/**
 * One metric. Each tier has one table of rows; the registry and the generated reference both read it.
 * Names carry the prefix `kafka_rest_` and end in their unit, as Prometheus asks.
 */
export interface MetricRow {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
  /** What it counts or measures, and what an operator does when it moves. */
  readonly help: string
  /** Upper bounds of a histogram's buckets; default: latencies in seconds. */
  readonly buckets?: readonly number[]
}

/** 1 ms to a minute. */
const latencyBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

type Labels = Readonly<Record<string, string | number>>

/** The metrics of one process, by the names of a table. */
export class Metrics<Name extends string> {
  readonly #registry = new Registry()
  readonly #counters = new Map<string, Counter>()
  readonly #gauges = new Map<string, Gauge>()
  readonly #histograms = new Map<string, Histogram>()

  constructor(rows: readonly (MetricRow & { readonly name: Name })[], options: { process: boolean }) {
    const registers = [this.#registry]
    for (const { name, help, labels, type, buckets } of rows) {
      const common = { name, help, labelNames: [...labels], registers }
      if (type === 'counter') this.#counters.set(name, new Counter(common))
      else if (type === 'gauge') this.#gauges.set(name, new Gauge(common))
      else this.#histograms.set(name, new Histogram({ ...common, buckets: [...(buckets ?? latencyBuckets)] }))
    }
    if (options.process) collectDefaultMetrics({ register: this.#registry })
  }

  /** Adds to a counter. */
  count(name: Name, labels: Labels = {}, by = 1): void {
    this.#counters.get(name)?.inc(labels, by)
  }

  /** Sets a gauge. */
  set(name: Name, value: number, labels: Labels = {}): void {
    this.#gauges.get(name)?.set(labels, value)
  }

  /** Has a gauge read when it is scraped; `read` must be cheap. */
  read(name: Name, read: () => number, labels: Labels = {}): void {
    const gauge = this.#gauges.get(name)
    if (!gauge) return
    this.#reads.push(() => gauge.set(labels, read()))
  }

  readonly #reads: (() => void)[] = []

  /** Records one observation of a histogram, in its unit. */
  observe(name: Name, value: number, labels: Labels = {}): void {
    this.#histograms.get(name)?.observe(labels, value)
  }

  /** The text exposition of all metrics, and its media type. */
  async render(): Promise<{ text: string; contentType: string }> {
    for (const read of this.#reads) read()
    return { text: await this.#registry.metrics(), contentType: this.#registry.contentType }
  }
}
