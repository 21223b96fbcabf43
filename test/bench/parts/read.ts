import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LocalTier } from '../../../infra/local/tier.ts'
import { binary, ConsumerClient, json, v2 } from '../../support/consumer-client.ts'
import { http } from '../../support/http-client.ts'
import { portOf, requestText } from '../http-request.ts'
import { fillTopic, measureJavaConsumer } from '../java-tools.ts'
import type { InstanceReads, LoadResult } from '../load/load-plan.ts'
import { figure, markdownTable, spreadText } from '../markdown.ts'
import type { PartContext } from '../part.ts'
import { RECORD_BYTES, recordText } from '../payloads.ts'
import { errorsOf, measureRounds, over, recordsPerSecond, type Variant } from '../rounds.ts'
import { spreadOf } from '../statistics.ts'

const PARTITIONS = 8
const RECORDS = 1_000_000
const FORMATS = ['binary', 'json'] as const
const INSTANCES = [1, 8]
/** A read answers when it has more than this. */
const MIN_BYTES = 1_000_000
/** An instance goes back to the beginning when fewer records than this are left, so that no read waits for more. */
const RECORDS_LEFT = 20_000

interface ReadVariant extends Variant {
  readonly format: string
  readonly instances: number
  readonly route: string
}

/** Reading a full topic with one consumer instance and with eight, next to Kafka's own consumer. */
export async function read(context: PartContext): Promise<string> {
  const { services, progress, pidDir, parts } = context
  return services.withTopic({ name: 'bench-read', partitions: PARTITIONS }, async topic => {
    const { libsDir, address: broker } = services.kafka
    const tool = { libsDir, broker, topic, records: RECORDS, pidDir, signal: parts.signal }
    progress(`  writing ${RECORDS} records`)
    await fillTopic(tool, payloadFile(services.runDir))
    const node = await services.node(parts, 'read-node')
    const gateway = await services.gateway(parts, 'read-gateway')
    const variants = await variantsOf(context, { topic, node, gateway })
    const results = await measureRounds(variants, context)
    const java: number[] = []
    for (let round = 1; round <= context.rounds; round += 1) {
      java.push(await measureJavaConsumer(tool))
      progress(`  round ${round} of ${context.rounds}: Kafka's own consumer: ${java.at(-1)} records/s`)
    }
    return report(variants, results, java)
  })
}

/** Records that are JSON, and that a binary consumer reads as well. */
function payloadFile(dir: string): string {
  const file = join(dir, 'records.txt')
  writeFileSync(file, Array.from({ length: 1000 }, (_, index) => recordText(index)).join('\n'))
  return file
}

async function variantsOf(
  { services }: PartContext,
  { topic, node, gateway }: { topic: string; node: LocalTier; gateway: LocalTier },
): Promise<ReadVariant[]> {
  const counts = await recordsByPartition(node, topic)
  const variants: ReadVariant[] = []
  for (const format of FORMATS) {
    for (const instances of INSTANCES) {
      for (const [route, tier] of Object.entries({ node, gateway })) {
        const name = `${format}, ${instances} instances, ${route}`
        const readers = await readersOf(tier, { topic, format, instances, counts, group: `read-${route}` })
        const pids = [node.pid, services.kafka.process.pid, ...(tier === node ? [] : [tier.pid])]
        const work: InstanceReads = { kind: 'read', readers }
        const plan = { host: '127.0.0.1', port: portOf(tier), connections: instances, work, pids }
        variants.push({ name, format, instances, route, plan })
      }
    }
  }
  return variants
}

async function recordsByPartition(node: LocalTier, topic: string): Promise<number[]> {
  const counts: number[] = []
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    const path = `/topics/${topic}/partitions/${partition}/offsets`
    const answer = await http({ base: node.url, path, headers: { Accept: v2 } })
    counts.push((answer.json() as { end_offset: number }).end_offset)
  }
  return counts
}

/** Creates the instances; the partitions are shared out among them by hand, so that no group has a say. */
async function readersOf(
  tier: LocalTier,
  options: {
    readonly topic: string
    readonly format: (typeof FORMATS)[number]
    readonly instances: number
    readonly counts: readonly number[]
    readonly group: string
  },
): Promise<InstanceReads['readers'][number][]> {
  const { topic, format, instances, counts, group } = options
  const readers: InstanceReads['readers'][number][] = []
  for (let index = 0; index < instances; index += 1) {
    const settings = { format, 'fetch.min.bytes': MIN_BYTES }
    const client = await ConsumerClient.create(tier.url, group, `${format}-${instances}-${index}`, settings)
    const own = counts.map((_, partition) => partition).filter(partition => partition % instances === index)
    const assigned = await client.assign(...own.map(partition => [topic, partition] as const))
    if (assigned.status !== 204) throw new Error(`assignment: ${assigned.status} ${assigned.text}`)
    client.close()
    const partitions = own.map(partition => ({ topic, partition }))
    readers.push({
      read: requestText({
        method: 'GET',
        path: `${client.base}/records`,
        accept: format === 'json' ? json : binary,
      }),
      rewind: requestText({
        method: 'POST',
        path: `${client.base}/positions/beginning`,
        contentType: v2,
        body: JSON.stringify({ partitions }),
      }),
      records: own.reduce((sum, partition) => sum + (counts[partition] ?? 0), 0) - RECORDS_LEFT,
    })
  }
  return readers
}

/** CPU µs for each record of process `index` of the plan. */
const cpuMicrosPerRecord =
  (index: number) =>
  ({ cpuSeconds, records }: LoadResult): number =>
    ((cpuSeconds[index] ?? Number.NaN) * 1e6) / records

function report(
  variants: readonly ReadVariant[],
  results: ReadonlyMap<string, readonly LoadResult[]>,
  java: readonly number[],
): string {
  const rows = variants.map(({ name, format, instances, route }) => {
    const own = results.get(name) ?? []
    return [
      format,
      String(instances),
      route,
      spreadText(over(own, recordsPerSecond)),
      figure(over(own, ({ answerBytes, seconds }) => answerBytes / seconds / 2 ** 20).median),
      figure(over(own, ({ records, requests }) => records / requests).median),
      ...[0, 2, 1].map(index => figure(over(own, cpuMicrosPerRecord(index)).median)),
      figure(over(own, ({ ownCpuSeconds, records }) => (ownCpuSeconds * 1e6) / records).median),
      String(errorsOf(own)),
    ]
  })
  rows.push(["Kafka's own consumer", '1', 'no HTTP', spreadText(spreadOf(java)), ...Array(6).fill('–'), '0'])
  const head = ['format', 'instances', 'through', 'records/s', 'MB/s of answers', 'records a request']
  const cpu = ['CPU µs a record: node', 'gateway', 'broker', 'load generator', 'errors']
  return [
    '## Read',
    '',
    `${RECORDS.toLocaleString('en-US')} records of ${RECORD_BYTES} bytes in ${PARTITIONS} partitions, read from the beginning to the end and again; each`,
    `instance has one request under way, fetch.min.bytes=${MIN_BYTES}. The reference is kafka-consumer-perf-test, its rate of fetching.`,
    '',
    markdownTable([...head, ...cpu], rows),
  ].join('\n')
}
