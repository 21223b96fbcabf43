import type { LocalTier } from '../../../infra/local/tier.ts'
import { type HaproxyBalancer, startHaproxy, startNginx } from '../balancers.ts'
import { portOf } from '../http-request.ts'
import { measureJavaProducer, type ProducerFigures } from '../java-tools.ts'
import type { LoadResult } from '../load/load-plan.ts'
import { figure, markdownTable, spreadText } from '../markdown.ts'
import type { PartContext } from '../part.ts'
import { type BenchFormat, benchFormats, RECORD_BYTES } from '../payloads.ts'
import { PARTITIONS, produceRequest, schemaIdOf, withFormatTopics } from '../produce-requests.ts'
import {
  cpuMicrosPerRequest,
  errorsOf,
  measureRounds,
  over,
  ownMicrosPerRequest,
  recordsPerSecond,
  requestsPerSecond,
  type Variant,
} from '../rounds.ts'
import { spreadOf } from '../statistics.ts'

const CONNECTIONS = 32
const BATCH_SIZES = [10, 1]
/** Records that Kafka's own producer writes, for each second of our measurements. */
const JAVA_RECORDS_PER_SECOND = 200_000

const otherFormats = benchFormats.filter(format => format !== 'json')

/** Where requests go: to the node, or to what is in front of it. */
interface Route {
  readonly name: string
  readonly port: number
  /** The process in front of the node. */
  readonly pid: number | undefined
}

interface ProduceVariant extends Variant {
  readonly format: BenchFormat | 'none'
  readonly batch: number
  readonly route: Route
}

/** Producing in every format, directly and through the gateway, next to HAProxy, nginx and Kafka's own producer. */
export async function produce(context: PartContext): Promise<string> {
  const { services } = context
  return withFormatTopics(services, benchFormats, async () => {
    const node = await services.node(context.parts, 'bench-node')
    const variants = await variantsOf(context, node)
    const results = await measureRounds(variants, context)
    const reference = await services.withTopic({ name: 'bench-java', partitions: PARTITIONS }, topic =>
      javaRounds(context, topic),
    )
    return report(variants, results, reference)
  })
}

async function variantsOf(context: PartContext, node: LocalTier): Promise<ProduceVariant[]> {
  const { services, parts, pidDir, progress } = context
  const options = { dir: services.runDir, pidDir, node: node.address, progress, signal: parts.signal }
  const gateway = await services.gateway(parts, 'bench-gateway')
  const haproxy = await parts.add(startHaproxy(options))
  const nginx = await parts.add(startNginx(options))
  const direct: Route = { name: 'node', port: portOf(node), pid: undefined }
  const through: Route = { name: 'gateway', port: portOf(gateway), pid: gateway.pid }
  const others: Route[] = [haproxy, nginx].map(({ name, port, process }) => ({
    name,
    port,
    pid: process.pid,
  }))
  const pids = [node.pid, services.kafka.process.pid]
  const schemaIds = new Map<BenchFormat, number | undefined>()
  for (const format of benchFormats) schemaIds.set(format, await schemaIdOf(node, format))
  const variant = (format: BenchFormat, batch: number, route: Route) =>
    variantOf({ format, batch, schemaId: schemaIds.get(format), route, pids })
  // What is compared is measured near each other: the ways to the node, then the formats.
  const variants = BATCH_SIZES.flatMap(batch => [
    ...[...others, through, direct].map(route => variant('json', batch, route)),
    ...otherFormats.map(format => variant(format, batch, direct)),
    ...otherFormats.map(format => variant(format, batch, through)),
  ])
  return [...variants, echoVariant(haproxy)]
}

function variantOf(options: {
  format: BenchFormat
  batch: number
  schemaId: number | undefined
  route: Route
  pids: number[]
}): ProduceVariant {
  const { format, batch, schemaId, route, pids } = options
  const requests = [produceRequest(format, batch, schemaId)]
  return {
    name: `${format}, ${batch} a request, ${route.name}`,
    format,
    batch,
    route,
    plan: {
      host: '127.0.0.1',
      port: route.port,
      connections: CONNECTIONS,
      work: { kind: 'repeat', requests, recordsEach: batch },
      pids: route.pid === undefined ? pids : [...pids, route.pid],
    },
  }
}

/** HAProxy answers by itself: no figure of the others can be better than this one. */
function echoVariant({ echoPort, process }: HaproxyBalancer): ProduceVariant {
  const requests = [produceRequest('json', 10, undefined)]
  const route: Route = { name: 'HAProxy answers itself', port: echoPort, pid: process.pid }
  const work = { kind: 'repeat', requests, recordsEach: 0 } as const
  const plan = { host: '127.0.0.1', port: echoPort, connections: CONNECTIONS, work, pids: [process.pid] }
  return { name: 'limit of the load generator', format: 'none', batch: 10, route, plan }
}

async function javaRounds(context: PartContext, topic: string): Promise<readonly ProducerFigures[]> {
  const { services, pidDir, parts, rounds, seconds, progress } = context
  const figures: ProducerFigures[] = []
  for (let round = 1; round <= rounds; round += 1) {
    const { libsDir, address: broker } = services.kafka
    const records = JAVA_RECORDS_PER_SECOND * seconds
    const tool = { libsDir, broker, topic, records, pidDir, signal: parts.signal }
    const result = await measureJavaProducer(tool, RECORD_BYTES)
    progress(`  round ${round} of ${rounds}: Kafka's own producer: ${result.recordsPerSecond} records/s`)
    figures.push(result)
  }
  return figures
}

function report(
  variants: readonly ProduceVariant[],
  results: ReadonlyMap<string, readonly LoadResult[]>,
  java: readonly ProducerFigures[],
): string {
  const rows = variants.map(variant => rowOf(variant, results.get(variant.name) ?? []))
  const javaRate = spreadText(spreadOf(java.map(({ recordsPerSecond: rate }) => rate)))
  const javaP50 = figure(spreadOf(java.map(({ p50Ms }) => p50Ms)).median)
  const javaP99 = figure(spreadOf(java.map(({ p99Ms }) => p99Ms)).median)
  const unknown = ['–', '–', '–', '–', '0']
  rows.push(["Kafka's own producer", '–', 'no HTTP', '–', javaRate, javaP50, javaP99, ...unknown])
  const head = ['format', 'records a request', 'through', 'requests/s', 'records/s', 'p50 ms', 'p99 ms']
  const cpu = ['CPU µs a request: node', 'in front', 'broker', 'load generator', 'errors']
  return [
    '## Produce',
    '',
    `${CONNECTIONS} connections in a closed loop, records of ${RECORD_BYTES} bytes without keys, ${PARTITIONS} partitions,`,
    'acks=all; schemas by id. CPU is user and kernel time of the whole process. "HAProxy answers itself" has no',
    "node behind it: the limit of the load generator. Kafka's own producer is kafka-producer-perf-test, acks=all.",
    '',
    markdownTable([...head, ...cpu], rows),
    '',
    formatRatios(variants, results),
  ].join('\n')
}

function rowOf({ format, batch, route }: ProduceVariant, results: readonly LoadResult[]): string[] {
  const echo = format === 'none'
  const cpu = (index: number) => figure(over(results, cpuMicrosPerRequest(index)).median)
  const inFront = route.pid === undefined ? '–' : cpu(echo ? 0 : 2)
  return [
    echo ? '–' : format,
    String(batch),
    route.name,
    spreadText(over(results, requestsPerSecond)),
    echo ? '–' : figure(over(results, recordsPerSecond).median),
    figure(over(results, result => result.p50Ms).median),
    figure(over(results, result => result.p99Ms).median),
    echo ? '–' : cpu(0),
    inFront,
    echo ? '–' : cpu(1),
    figure(over(results, ownMicrosPerRequest).median),
    String(errorsOf(results)),
  ]
}

/** Each format's rate as a share of JSON's, on the node with the larger requests. */
function formatRatios(
  variants: readonly ProduceVariant[],
  results: ReadonlyMap<string, readonly LoadResult[]>,
): string {
  const rateOf = (format: BenchFormat) => {
    const found = variants.find(variant => {
      return variant.format === format && variant.batch === BATCH_SIZES[0] && variant.route.pid === undefined
    })
    return over(results.get(found?.name ?? '') ?? [], recordsPerSecond).median
  }
  const ratios = benchFormats.map(format => `${format} ${figure(rateOf(format) / rateOf('json'))}`)
  return `Records/s on the node as a share of JSON's, ${BATCH_SIZES[0]} a request: ${ratios.join(', ')}.`
}
