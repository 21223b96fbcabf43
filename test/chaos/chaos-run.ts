import { setTimeout as sleep } from 'node:timers/promises'
import { RunningParts } from '../../infra/local/running-parts.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { until } from '../support/until.ts'
import { type AuditResult, audit, undelivered, type Violation, violationLines } from './audit.ts'
import { type Clients, createClients, topics, topicsOfGroups } from './clients.ts'
import type { FailoverMode } from './consumer.ts'
import { type ChaosDeployment, LEASE_MS, startDeployment } from './deployment.ts'
import { doFaults, type FaultRecord } from './faults.ts'
import type { RecordPlace, SeenRecord } from './journal.ts'
import { CommitObserver, readAll } from './kafka-reader.ts'
import { killLimits } from './kill-limits.ts'
import { ProcessorStalls } from './processor-stalls.ts'
import { faultSchedule } from './schedule.ts'
import { type AttemptsByClient, unavailabilityByFault, unavailabilityTable } from './unavailability.ts'

export interface ChaosOptions {
  readonly seed: number
  readonly minutes: number
  readonly mode: FailoverMode
  readonly recordsPerSecond: number
  /** Folder for the data, settings and logs of this run. */
  readonly runDir: string
  readonly pidDir: string | undefined
  /** Takes what happens, as it happens. */
  readonly progress: (line: string) => void
  /** Ends the run early, with an error. */
  readonly signal: AbortSignal
}

export interface ChaosResult {
  readonly audit: AuditResult
  /** What the audit found, crashes of processes, and waits that were not over in time; empty when all is well. */
  readonly problems: readonly string[]
  /** Consumers that took longer than they may after a kill -9. No part of `problems`: machines differ. */
  readonly late: readonly string[]
  /** Markdown. */
  readonly tables: string
  /** One line. */
  readonly summary: string
}

const OBSERVE_MS = 1000
const AFTER_FAULTS_MS = 2000
/** Only bounds a failing run. A consumer group whose member was lost for good waits for the session time-out, 45 s. */
const CATCH_UP_MS = 180_000
/** A process of a client that did not get the processor for so long measures itself. */
const STALL_MS = 150

/** A run: everything is started, clients work while faults happen, all catch up, and the audit looks at it. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const parts = new RunningParts()
  const abort = () => void parts.stopAll()
  options.signal.addEventListener('abort', abort, { once: true })
  let deployment: ChaosDeployment | undefined
  try {
    deployment = await startDeployment(parts, options)
    return await new ChaosRun(options, deployment).run()
  } finally {
    options.signal.removeEventListener('abort', abort)
    const tiers = [...(deployment?.gateways ?? []), ...(deployment?.nodes ?? [])]
    // Nothing has to be handed over any more.
    await Promise.all(tiers.map(tier => tier.kill()))
    await parts.stopAll()
  }
}

class ChaosRun {
  readonly #options: ChaosOptions
  readonly #deployment: ChaosDeployment
  readonly #clients: Clients
  readonly #observer: CommitObserver
  readonly #problems: string[] = []

  constructor(options: ChaosOptions, deployment: ChaosDeployment) {
    const { seed, mode, recordsPerSecond } = options
    const addresses = deployment.gateways.map(({ tier }) => tier.url)
    this.#options = options
    this.#deployment = deployment
    this.#clients = createClients({ seed, mode, addresses, recordsPerSecond, wanderShare: 0.05 })
    this.#observer = new CommitObserver(deployment.kafka.address, topicsOfGroups)
  }

  async run(): Promise<ChaosResult> {
    const { consumers, producers } = this.#clients
    const { seed, minutes, signal } = this.#options
    for (const [name, partitions] of Object.entries(topics))
      await createTopic(this.#deployment.kafka.address, name, { partitions })
    await this.#observer.start(OBSERVE_MS)
    const stalls = new ProcessorStalls(STALL_MS)
    try {
      for (const consumer of consumers) consumer.start()
      await until('all consumers have read', () => consumers.every(consumer => consumer.working(0)), {
        timeoutMs: CATCH_UP_MS,
      })
      for (const producer of producers) producer.start()
      const faults = await doFaults({
        deployment: this.#deployment,
        faults: faultSchedule(seed, minutes),
        lengthMs: minutes * 60_000,
        say: line => this.#say(line),
        signal,
      })
      const faultsEndedAt = performance.now()
      this.#say('the faults are over')
      const stored = await this.#catchUp(faultsEndedAt)
      await Promise.all(consumers.map(consumer => consumer.stop()))
      const committed = await this.#committed()
      return this.#result({ faults, faultsEndedAt, stored, committed, stalls: stalls.stalls })
    } finally {
      stalls.stop()
      await Promise.all([...producers, ...consumers].map(client => client.stop()))
      await this.#observer.stop()
    }
  }

  /** Waits until every group has everything, and every consumer works. What is missing then is the audit's to say. */
  async #catchUp(faultsEndedAt: number): Promise<SeenRecord[]> {
    const { consumers, producers } = this.#clients
    await sleep(AFTER_FAULTS_MS)
    await Promise.all(producers.map(producer => producer.stop()))
    const stored = await readAll(this.#deployment.kafka.address, Object.keys(topics))
    const journals = consumers.map(({ journal }) => journal)
    const bounds = { timeoutMs: CATCH_UP_MS, intervalMs: 1000 }
    try {
      const all = () => undelivered({ consumers: journals, stored, topicsOf: topicsOfGroups }).length === 0
      await until('everything is delivered', all, bounds)
      const working = () => consumers.every(consumer => consumer.working(faultsEndedAt))
      await until('every consumer reads', working, bounds)
      this.#say('everything is delivered, and every consumer reads')
    } catch (error) {
      this.#problems.push(error instanceof Error ? error.message : String(error))
    }
    return stored
  }

  async #committed(): Promise<Map<string, RecordPlace[]>> {
    const found = new Map<string, RecordPlace[]>()
    for (const group of topicsOfGroups.keys()) {
      const offsets = await until(`what ${group} has committed`, () => this.#observer.committed(group))
      found.set(group, offsets)
    }
    return found
  }

  #result(found: {
    readonly faults: readonly FaultRecord[]
    readonly faultsEndedAt: number
    readonly stored: readonly SeenRecord[]
    readonly committed: ReadonlyMap<string, readonly RecordPlace[]>
    readonly stalls: ProcessorStalls['stalls']
  }): ChaosResult {
    const { faults, faultsEndedAt, stored, committed, stalls } = found
    const { mode } = this.#options
    const consumers = this.#clients.consumers.map(({ journal }) => journal)
    const producers = this.#clients.producers.map(({ journal }) => journal)
    const audited = audit({
      producers,
      consumers,
      stored,
      committed,
      observed: this.#observer.observed,
      topicsOf: topicsOfGroups,
      faultsEndedAt,
      mayBeGone: mode === 'recreate',
    })
    const { nodes, gateways } = this.#deployment
    const crashes = [...nodes, ...gateways].flatMap(tier => tier.crashes)
    const problems = [...this.#problems, ...crashes, ...violationLines(audited.violations)]
    const limits = killLimits({ mode, faults, consumers, leaseMs: LEASE_MS, stalls })
    const clients: AttemptsByClient = new Map(
      [...consumers, ...producers].map(({ name, attempts }) => [name, attempts]),
    )
    const tables = [
      '## Unavailability of each client',
      unavailabilityTable(clients),
      '## Unavailability by fault',
      unavailabilityByFault(clients, faults),
      '## After kill -9',
      limits.table,
    ].join('\n\n')
    const summary = this.#summary(audited, faults.length, problems.length + limits.problems.length)
    return { audit: audited, problems, late: limits.problems, tables, summary }
  }

  #summary(audited: AuditResult, faults: number, problems: number): string {
    const { seed, minutes, mode } = this.#options
    const count = (kind: Violation['kind']) => audited.violations.filter(one => one.kind === kind).length
    const { length } = this.#clients.consumers
    const figures = [
      `${faults} faults`,
      `${audited.acknowledged} records acknowledged, ${count('acknowledged record missing')} missing`,
      `${audited.commits} commits acknowledged, ${count('committed record delivered again')} committed records delivered again (${audited.commitBacks} commits went back)`,
      `${audited.delivered} deliveries, ${audited.repeated} of them repeated, ${count('record never delivered')} missing`,
      `${length - count('consumer not working')} of ${length} consumers working`,
    ]
    const verdict = problems === 0 ? 'clean' : 'NOT CLEAN'
    return `chaos ${verdict}: seed ${seed}, ${minutes} min, ${mode}: ${figures.join('; ')}`
  }

  #say(line: string): void {
    const seconds = performance.now() / 1000
    this.#options.progress(`${new Date().toISOString()} ${seconds.toFixed(1).padStart(6)} s  ${line}`)
  }
}
