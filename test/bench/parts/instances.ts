import { setTimeout as sleep } from 'node:timers/promises'
import type { LocalTier } from '../../../infra/local/tier.ts'
import { ConsumerClient } from '../../support/consumer-client.ts'
import { portOf, requestText } from '../http-request.ts'
import { LoadGenerator } from '../load/load-generator.ts'
import type { LoadResult } from '../load/load-plan.ts'
import { figure, markdownTable, megabytes, spreadText } from '../markdown.ts'
import type { PartContext } from '../part.ts'
import { cpuSecondsOf } from '../process-usage.ts'
import { produceRequest, withFormatTopics } from '../produce-requests.ts'
import { errorsOf, over, requestsPerSecond } from '../rounds.ts'
import { type Memory, settledMemory } from '../settled-memory.ts'

/** How many instances are idle at each measurement. */
const STEPS = [0, 200, 1000]
const GROUP_SIZE = 10
/** Created at once. */
const CREATORS = 8
/** How long the CPU of idle instances is watched. */
const IDLE_MS = 10_000
/** Instances that are created and deleted again before the first measurement, so that no code is loaded later. */
const WARMING = 40
const CONNECTIONS = 32
const BATCH = 10
/** Long enough that polls wait, as polls do, and are not a load of requests of their own. */
const POLL_MS = 30_000

/** The node with a number of subscribed, idle instances. */
interface Idle {
  readonly instances: number
  readonly memory: Memory
  /** Share of one CPU that the node uses for their heartbeats. */
  readonly cpuShare: number
}

/** Memory of subscribed idle consumer instances, and what a thousand waiting polls do to producing. */
export async function instances(context: PartContext): Promise<string> {
  const { services, parts } = context
  const topic = { name: 'bench-idle', partitions: GROUP_SIZE }
  return services.withTopic(topic, () =>
    withFormatTopics(services, ['json'], async () => {
      const node = await services.node(parts, 'instances-node', {
        'consumer.instance.timeout.ms': 3_600_000,
        'consumer.request.timeout.ms': POLL_MS,
      })
      await warm(node, topic.name)
      const idle: Idle[] = []
      const created: ConsumerClient[] = []
      for (const count of STEPS) {
        await createUpTo(context, { node, topic: topic.name, created, count })
        idle.push(await idleAt(context, node, count))
      }
      const polls = await comparePolls(context, node, created)
      return `${reportIdle(idle)}\n\n${reportPolls(created.length, polls)}`
    }),
  )
}

async function warm(node: LocalTier, topic: string): Promise<void> {
  const numbers = Array.from({ length: WARMING }, (_, index) => index)
  const clients = await Promise.all(
    numbers.map(index => create(node, topic, `warm-${index % 4}`, `w-${index}`)),
  )
  await Promise.all(clients.map(client => client.records('?timeout=100')))
  await Promise.all(clients.map(client => client.delete()))
  for (const client of clients) client.close()
}

async function create(node: LocalTier, topic: string, group: string, name: string): Promise<ConsumerClient> {
  const client = await ConsumerClient.create(node.url, group, name, { format: 'binary' })
  const subscribed = await client.subscribe(topic)
  if (subscribed.status !== 204) throw new Error(`subscription: ${subscribed.status} ${subscribed.text}`)
  return client
}

/** Each group has a member for each partition. */
async function createUpTo(
  { progress, parts }: PartContext,
  options: { node: LocalTier; topic: string; created: ConsumerClient[]; count: number },
): Promise<void> {
  const { node, topic, created, count } = options
  if (count > created.length) progress(`  creating instances: ${created.length} → ${count}`)
  let next = created.length
  const creator = async () => {
    while (next < count) {
      parts.signal.throwIfAborted()
      const index = next++
      const client = await create(node, topic, `idle-${Math.floor(index / GROUP_SIZE)}`, `i-${index}`)
      client.close()
      created.push(client)
    }
  }
  await Promise.all(Array.from({ length: CREATORS }, creator))
}

async function idleAt({ parts, progress }: PartContext, node: LocalTier, count: number): Promise<Idle> {
  const memory = await settledMemory(node, parts.signal)
  const before = cpuSecondsOf(node.pid)
  await sleep(IDLE_MS, undefined, { signal: parts.signal })
  const cpuShare = (cpuSecondsOf(node.pid) - before) / (IDLE_MS / 1000)
  progress(`  ${count} idle instances: ${megabytes(memory.residentBytes)} MB resident`)
  return { instances: count, memory, cpuShare }
}

interface Polls {
  readonly without: readonly LoadResult[]
  readonly withPolls: readonly LoadResult[]
  readonly pollErrors: number
}

/** Produces with the polls waiting and without them, in turn; the instances are there both times. */
async function comparePolls(
  context: PartContext,
  node: LocalTier,
  created: readonly ConsumerClient[],
): Promise<Polls> {
  const polling = LoadGenerator.start(context.pidDir)
  try {
    const without: LoadResult[] = []
    const withPolls: LoadResult[] = []
    let pollErrors = 0
    for (let round = 1; round <= context.rounds; round += 1) {
      without.push(await produceOnce(context, node))
      const waiting = polling.begin(pollPlan(node, created))
      await waiting.measuring
      withPolls.push(await produceOnce(context, node))
      waiting.stop()
      pollErrors += errorsOf([await waiting.result])
      const rates = [without, withPolls].map(results => figure(over(results, requestsPerSecond).median))
      context.progress(`  round ${round} of ${context.rounds}: ${rates.join(' requests/s, with polls ')}`)
    }
    return { without, withPolls, pollErrors }
  } finally {
    await polling.stop()
  }
}

function produceOnce({ load, seconds, services }: PartContext, node: LocalTier): Promise<LoadResult> {
  const requests = [produceRequest('json', BATCH, undefined)]
  return load.run({
    host: '127.0.0.1',
    port: portOf(node),
    connections: CONNECTIONS,
    work: { kind: 'repeat', requests, recordsEach: BATCH },
    warmupMs: 2_000,
    measureMs: seconds * 1000,
    pids: [node.pid, services.kafka.process.pid],
  })
}

/** Every instance polls a topic that gets no records. Two seconds until the first of them all wait. */
function pollPlan(node: LocalTier, created: readonly ConsumerClient[]) {
  const requests = created.map(({ base }) =>
    requestText({
      method: 'GET',
      path: `${base}/records`,
      accept: 'application/vnd.kafka.binary.v2+json',
    }),
  )
  const place = { host: '127.0.0.1', port: portOf(node), connections: created.length, pids: [] }
  const work = { kind: 'repeat', requests, recordsEach: 0 } as const
  return { ...place, work, warmupMs: 2_000, measureMs: 3_600_000 }
}

function reportIdle(idle: readonly Idle[]): string {
  const [none] = idle
  const rows = idle.map(({ instances: count, memory, cpuShare }) => {
    const each = (pick: (of: Memory) => number) =>
      none && count > 0 ? figure((pick(memory) - pick(none.memory)) / count / 1024) : '–'
    return [
      String(count),
      megabytes(memory.residentBytes),
      each(({ residentBytes }) => residentBytes),
      megabytes(memory.heapBytes),
      each(({ heapBytes }) => heapBytes),
      figure(memory.files),
      `${figure(cpuShare * 100)} %`,
    ]
  })
  const head = ['idle instances', 'resident MB', 'KB an instance', 'heap MB', 'heap KB an instance']
  return [
    '## Idle consumer instances',
    '',
    `Subscribed instances of groups of ${GROUP_SIZE}, members for as long as they live; created on one node, at rest. KB an`,
    'instance: the difference to none, shared out. Files: sockets and all. CPU: heartbeats and leases, of one CPU.',
    '',
    markdownTable([...head, 'open files', 'CPU of the node'], rows),
  ].join('\n')
}

/** Percent of one CPU that process `index` of the plan used. */
const cpuShareOf =
  (index: number) =>
  ({ cpuSeconds, seconds }: LoadResult): number =>
    (100 * (cpuSeconds[index] ?? Number.NaN)) / seconds

function reportPolls(count: number, { without, withPolls, pollErrors }: Polls): string {
  const row = (name: string, results: readonly LoadResult[]) => [
    name,
    spreadText(over(results, requestsPerSecond)),
    spreadText(over(results, ({ p50Ms }) => p50Ms)),
    spreadText(over(results, ({ p99Ms }) => p99Ms)),
    ...[0, 1].map(index => `${figure(over(results, cpuShareOf(index)).median)} %`),
    String(errorsOf(results)),
  ]
  const medians = [withPolls, without].map(results => over(results, requestsPerSecond).median)
  const share = (medians[0] ?? Number.NaN) / (medians[1] ?? Number.NaN)
  const head = ['producing', 'requests/s', 'p50 ms', 'p99 ms', 'CPU of the node', 'of the broker', 'errors']
  return [
    '## Waiting polls',
    '',
    `${count} instances that poll a topic without new records (${POLL_MS / 1000} s each), or only exist; meanwhile`,
    `${CONNECTIONS} connections produce ${BATCH} JSON records a request to the same node.`,
    '',
    markdownTable(head, [row('without polls', without), row(`with ${count} waiting polls`, withPolls)]),
    '',
    `Requests/s with polls as a share of those without: ${figure(share)}. Errors of polls: ${pollErrors}.`,
  ].join('\n')
}
