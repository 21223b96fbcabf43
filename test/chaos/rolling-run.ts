import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { RunningParts } from '../../infra/local/running-parts.ts'
import { ConsumerClient } from '../support/consumer-client.ts'
import { groupGeneration } from '../support/group-generation.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { until } from '../support/until.ts'
import { type AuditResult, audit, undelivered, violationLines } from './audit.ts'
import { createClients, topics, topicsOfGroups } from './clients.ts'
import type { ChaosConsumer } from './consumer.ts'
import { type ChaosDeployment, startDeployment } from './deployment.ts'
import { rolled } from './faults.ts'
import { CHECK_MS, CHECKS_TO_FALL, startGatewayBalancer } from './gateway-balancer.ts'
import type { Attempt, RecordPlace } from './journal.ts'
import { CommitObserver, readAll } from './kafka-reader.ts'
import { unavailabilityTable } from './unavailability.ts'

export interface RollingOptions {
  readonly runDir: string
  readonly pidDir: string | undefined
  readonly progress: (line: string) => void
}

export interface RollingResult {
  /** Attempts of any client that were not answered with success, from shortly before the first restart on. */
  readonly errors: readonly string[]
  readonly audit: AuditResult
  /** What is wrong besides: the audit's findings, processes that ended by themselves. */
  readonly problems: readonly string[]
  /** The brokers' generation of each group, before and after. */
  readonly generations: ReadonlyMap<string, { readonly before: number; readonly after: number }>
  /** Markdown. */
  readonly table: string
}

const SETTLE_MS = 1500
const BETWEEN_MS = 500
const CATCH_UP_MS = 120_000

/** A node that a busy machine keeps from answering a question would make a gateway say 503. */
const PATIENT = { 'node.question.timeout.ms': 10_000 }

/** An upgrade: every node and every gateway is restarted in turn while clients work behind a balancer. */
export async function runRollingRestart(options: RollingOptions): Promise<RollingResult> {
  const parts = new RunningParts()
  let deployment: ChaosDeployment | undefined
  try {
    deployment = await startDeployment(parts, {
      ...options,
      mode: 'takeover',
      gatewaySettings: {
        ...PATIENT,
        'takeover.timeout.ms': 30_000,
        // Until the balancer has seen that it stops, with time to spare.
        'drain.delay.ms': CHECK_MS * CHECKS_TO_FALL * 12,
      },
      nodeSettings: {
        ...PATIENT,
        // The balancer sends the requests of one client to all gateways in turn: each waits to learn what became of the
        // last read, for as long as a busy machine may need.
        'reads.outcome.wait.ms': 10_000,
      },
    })
    const tiers = deployment.gateways.map(({ tier }) => tier)
    const setup = { progress: options.progress, signal: parts.signal, pidDir: options.pidDir }
    const balancer = await parts.add(
      startGatewayBalancer(tiers, { ...setup, dir: join(options.runDir, 'haproxy') }),
    )
    return await restartAll(options, deployment, balancer.url)
  } finally {
    await Promise.all(
      [...(deployment?.gateways ?? []), ...(deployment?.nodes ?? [])].map(tier => tier.kill()),
    )
    await parts.stopAll()
  }
}

async function restartAll(
  { progress }: RollingOptions,
  deployment: ChaosDeployment,
  address: string,
): Promise<RollingResult> {
  const { kafka, nodes, gateways } = deployment
  for (const [name, partitions] of Object.entries(topics))
    await createTopic(kafka.address, name, { partitions })
  const { consumers, producers } = createClients({
    seed: 1,
    mode: 'takeover',
    addresses: [address],
    recordsPerSecond: 100,
    wanderShare: 0,
  })
  const say = (line: string) => progress(`${(performance.now() / 1000).toFixed(2)} s  ${line}`)
  const observer = new CommitObserver(kafka.address, topicsOfGroups)
  await observer.start(1000)
  try {
    for (const consumer of consumers) consumer.start()
    await Promise.all(consumers.map(consumer => untilAssigned(address, consumer)))
    const before = await generationsOf(kafka.address)
    const begunAt = performance.now()
    for (const producer of producers) producer.start()
    await sleep(SETTLE_MS)
    const pause = () => sleep(BETWEEN_MS)
    await rolled(nodes, pause, say)
    await rolled(gateways, pause, say)
    const endedAt = performance.now()
    await sleep(SETTLE_MS)
    await Promise.all(producers.map(producer => producer.stop()))
    const after = await generationsOf(kafka.address)
    const stored = await readAll(kafka.address, Object.keys(topics))
    const journals = consumers.map(({ journal }) => journal)
    const common = { consumers: journals, stored, topicsOf: topicsOfGroups }
    await until('everything is delivered', () => undelivered(common).length === 0, {
      timeoutMs: CATCH_UP_MS,
      intervalMs: 500,
    })
    await until('every consumer reads', () => consumers.every(consumer => consumer.working(endedAt)))
    await Promise.all(consumers.map(consumer => consumer.stop()))
    const committed = new Map<string, RecordPlace[]>()
    for (const group of topicsOfGroups.keys()) committed.set(group, await observer.committed(group))
    const audited = audit({
      ...common,
      producers: producers.map(({ journal }) => journal),
      observed: observer.observed,
      committed,
      faultsEndedAt: endedAt,
      mayBeGone: false,
    })
    const attempts = new Map(
      [...consumers, ...producers].map(({ journal }) => [journal.name, journal.attempts]),
    )
    const generations = new Map(
      [...before].map(([group, generation]) => [
        group,
        { before: generation, after: after.get(group) ?? -1 },
      ]),
    )
    const crashes = [...nodes, ...gateways].flatMap(tier => tier.crashes)
    return {
      errors: [...attempts].flatMap(([name, list]) =>
        list.filter(one => one.startedAt >= begunAt && isError(one)).map(one => errorText(name, one)),
      ),
      audit: audited,
      problems: [...crashes, ...violationLines(audited.violations)],
      generations,
      table: unavailabilityTable(attempts),
    }
  } finally {
    await Promise.all([...producers, ...consumers].map(client => client.stop()))
    await observer.stop()
  }
}

/** Then its group does not rebalance for its sake any more. */
async function untilAssigned(address: string, { journal }: ChaosConsumer): Promise<void> {
  const client = new ConsumerClient(address, journal.group, journal.name)
  try {
    await until(
      `${journal.name} has partitions`,
      async () => {
        const { status, text } = await client.call('GET', `${client.base}/assignments`)
        return status === 200 && (JSON.parse(text) as { partitions: unknown[] }).partitions.length > 0
      },
      { timeoutMs: CATCH_UP_MS, intervalMs: 200 },
    )
  } finally {
    client.close()
  }
}

/** Of the groups that have members. */
async function generationsOf(broker: string): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  for (const group of topicsOfGroups.keys())
    if (!group.startsWith('by-hand')) found.set(group, await groupGeneration(broker, group))
  return found
}

const isError = ({ status }: Attempt): boolean => status < 200 || status >= 300

const errorText = (name: string, { what, status, error, startedAt }: Attempt): string =>
  `${name}: ${what} at ${(startedAt / 1000).toFixed(2)} s: ${status} ${error}`
