import type { LocalTier } from '../../../infra/local/tier.ts'
import { portOf } from '../http-request.ts'
import { figure, markdownTable, megabytes } from '../markdown.ts'
import type { PartContext } from '../part.ts'
import { type BenchFormat, benchFormats } from '../payloads.ts'
import { produceRequest, schemaIdOf, withFormatTopics } from '../produce-requests.ts'
import { errorsOf } from '../rounds.ts'
import { type Memory, memoryOf, PeakMemory, settledMemory } from '../settled-memory.ts'

const CONNECTIONS = 32
const BATCH = 10

/** What one process held at each stage. */
interface Stages {
  readonly name: string
  readonly started: Memory
  readonly peakBytes: number
  /** At rest after the first load, and after the second: the difference is what load leaves behind. */
  readonly afterFirst: Memory
  readonly afterSecond: Memory
  readonly errors: number
}

/** Resident memory of nodes that only produce, and of a gateway: before, under and after full load. */
export async function memory(context: PartContext): Promise<string> {
  return withFormatTopics(context.services, benchFormats, async () => {
    const { services, parts } = context
    const plain = await services.node(parts, 'memory-json')
    const onlyJson = await stagesOf(context, {
      name: 'node, JSON',
      watched: plain,
      node: plain,
      formats: ['json'],
    })
    await plain.stop()
    const node = await services.node(parts, 'memory-all')
    const all = { name: 'node, the five formats in turn', watched: node, node, formats: benchFormats }
    const allFormats = await stagesOf(context, all)
    const gateway = await services.gateway(parts, 'memory-gateway')
    const through = { name: 'gateway', watched: gateway, node, formats: ['json'] as const }
    return report([onlyJson, allFormats, await stagesOf(context, through)])
  })
}

async function stagesOf(
  context: PartContext,
  options: {
    readonly name: string
    /** The process whose memory is watched; requests go to it. */
    readonly watched: LocalTier
    readonly node: LocalTier
    readonly formats: readonly BenchFormat[]
  },
): Promise<Stages> {
  const { name, watched } = options
  const { signal } = context.parts
  const started = await memoryOf(watched)
  const peak = new PeakMemory(watched.pid)
  try {
    const firstErrors = await loadOnce(context, options)
    const afterFirst = await settledMemory(watched, signal)
    const secondErrors = await loadOnce(context, options)
    const peakBytes = peak.stop()
    const afterSecond = await settledMemory(watched, signal)
    context.progress(`  ${name}: ${megabytes(peakBytes)} MB at most`)
    return { name, started, peakBytes, afterFirst, afterSecond, errors: firstErrors + secondErrors }
  } finally {
    peak.stop()
  }
}

/** Full load, one format after the other. @returns the number of errors. */
async function loadOnce(
  { load, seconds, rounds }: PartContext,
  { watched, node, formats }: { watched: LocalTier; node: LocalTier; formats: readonly BenchFormat[] },
): Promise<number> {
  let errors = 0
  for (const format of formats) {
    const requests = [produceRequest(format, BATCH, await schemaIdOf(node, format))]
    const work = { kind: 'repeat', requests, recordsEach: BATCH } as const
    const place = { host: '127.0.0.1', port: portOf(watched), connections: CONNECTIONS, pids: [] }
    // As long in all, whatever the number of formats.
    const measureMs = (seconds * 1000 * rounds) / formats.length
    errors += errorsOf([await load.run({ ...place, work, warmupMs: 0, measureMs })])
  }
  return errors
}

function report(stages: readonly Stages[]): string {
  const rows = stages.map(({ name, started, peakBytes, afterFirst, afterSecond, errors }) => [
    name,
    megabytes(started.residentBytes),
    megabytes(peakBytes),
    megabytes(afterFirst.residentBytes),
    megabytes(afterSecond.residentBytes),
    `${megabytes(afterFirst.heapBytes)} → ${megabytes(afterSecond.heapBytes)}`,
    figure(afterSecond.files),
    String(errors),
  ])
  const head = ['process', 'started', 'peak under load', 'after the 1st load', 'after the 2nd load']
  return [
    '## Memory under load',
    '',
    `Resident MB of a fresh process; full load: ${CONNECTIONS} connections, ${BATCH} records a request. "After" is at rest;`,
    'what the second load leaves beyond the first would be a leak.',
    '',
    markdownTable([...head, 'heap after 1st → 2nd', 'open files', 'errors'], rows),
  ].join('\n')
}
