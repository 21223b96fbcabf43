import type { LocalTier } from '../../../infra/local/tier.ts'
import type { Section } from '../bench-run.ts'
import { portOf } from '../http-request.ts'
import type { LoadResult } from '../load/load-plan.ts'
import { figure, markdownTable, megabytes } from '../markdown.ts'
import { produceRequest, withFormatTopics } from '../produce-requests.ts'
import { errorsOf, requestsPerSecond } from '../rounds.ts'
import { type ConsumerCounts, SoakConsumers } from './consumers.ts'
import { type Growth, growthOf } from './growth.ts'
import { MemoryWatch, type TimedMemory } from './memory-watch.ts'

const CONNECTIONS = 32
const BATCH = 10
const CALIBRATION_MS = 15_000
const SAMPLE_MS = 10_000
const TOPIC = 'bench-json'

export interface SoakResult {
  /** Markdown. */
  readonly text: string
  readonly failed: boolean
}

/**
 * A gateway and two nodes at half load for some minutes: producers at half the rate that they reach in a closed loop
 * while the consumers are at work, consumers that read and commit, and instances that come and go.
 */
export async function soak(
  section: Section,
  minutes: number,
  progress: (line: string) => void,
): Promise<SoakResult> {
  const { services, parts } = section
  return withFormatTopics(services, ['json'], async () => {
    const nodes = await Promise.all(['soak-node-1', 'soak-node-2'].map(id => services.node(parts, id)))
    const gateway = await services.gateway(parts, 'soak-gateway')
    const consumers = new SoakConsumers(gateway.url, TOPIC)
    await consumers.start()
    const rate = await halfRate(section, gateway)
    progress(`  half load: ${Math.round(rate)} produce requests/s, for ${minutes} minutes`)
    consumers.resetCounts()
    const watch = new MemoryWatch([gateway, ...nodes], SAMPLE_MS)
    const ticker = setInterval(() => progress(`  ${progressText(consumers.counts)}`), 60_000)
    try {
      const load = await section.load.run(planOf(gateway, minutes * 60_000, rate))
      const samples = watch.stop()
      await consumers.stop()
      return resultOf(load, consumers.counts, samples, rate)
    } finally {
      clearInterval(ticker)
      await consumers.stop()
    }
  })
}

async function halfRate({ load }: Section, gateway: LocalTier): Promise<number> {
  const full = await load.run(planOf(gateway, CALIBRATION_MS, undefined))
  return requestsPerSecond(full) / 2
}

function planOf(gateway: LocalTier, measureMs: number, ratePerSecond: number | undefined) {
  const work = {
    kind: 'repeat',
    requests: [produceRequest('json', BATCH, undefined)],
    recordsEach: BATCH,
  } as const
  const place = { host: '127.0.0.1', port: portOf(gateway), connections: CONNECTIONS, pids: [] }
  const pace = ratePerSecond === undefined ? {} : { ratePerSecond }
  return { ...place, work, ...pace, warmupMs: ratePerSecond === undefined ? 5_000 : 0, measureMs }
}

function progressText({ reads, records, commits, instances, errors }: ConsumerCounts): string {
  const failed = [...errors.values()].reduce((sum, count) => sum + count, 0)
  return `${reads} reads, ${records} records, ${commits} commits, ${instances} guests, ${failed} errors`
}

function resultOf(
  load: LoadResult,
  counts: ConsumerCounts,
  samples: ReadonlyMap<LocalTier, readonly TimedMemory[]>,
  rate: number,
): SoakResult {
  const figures = [...samples].flatMap(([tier, own]) => [
    { process: tier.id, kind: 'resident', own, growth: growthBy(own, ({ residentBytes }) => residentBytes) },
    { process: tier.id, kind: 'heap', own, growth: growthBy(own, ({ heapBytes }) => heapBytes) },
  ])
  const rows = figures.map(({ process, kind, own, growth }) => [
    process,
    kind,
    String(own.length),
    megabytes(growth.meanBytes),
    `${megabytes(growth.perHour)} ± ${megabytes(growth.marginPerHour)}`,
    growth.verdict,
  ])
  const errors = [...Object.entries(load.errors), ...counts.errors].map(
    ([reason, count]) => `${count} × ${reason}`,
  )
  const grows = figures.some(({ growth }) => growth.verdict === 'grows')
  const lines = [
    `- producing through the gateway at ${figure(rate)} requests/s of ${BATCH} records for ${figure(load.seconds / 60)} minutes:`,
    `  ${load.requests.toLocaleString('en-US')} requests, p50 ${figure(load.p50Ms)} ms, p99 ${figure(load.p99Ms)} ms`,
    `- consumers: ${progressText(counts)}`,
    `- errors: ${errors.length === 0 ? 'none' : errors.join(', ')}`,
    '',
    markdownTable(['process', 'memory', 'samples', 'mean MB', 'slope MB an hour (95 %)', 'verdict'], rows),
    '',
    'The slope is that of the last two thirds of the samples. Memory grows if it is positive with 95 % confidence and made',
    'more than 5 % of the mean, and 4 MB, in the judged time.',
  ]
  return { text: lines.join('\n'), failed: grows || errorsOf([load]) > 0 || counts.errors.size > 0 }
}

function growthBy(samples: readonly TimedMemory[], pick: (memory: TimedMemory) => number): Growth {
  return growthOf(samples.map(sample => ({ seconds: sample.seconds, bytes: pick(sample) })))
}
