import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../infra/local/free-port.ts'
import { LocalKafka } from '../../infra/local/kafka.ts'
import { LocalRedis } from '../../infra/local/redis.ts'
import type { RunningParts } from '../../infra/local/running-parts.ts'
import { LocalTier, type TierSettings } from '../../infra/local/tier.ts'
import type { FailoverMode } from './consumer.ts'

export interface DeploymentOptions {
  readonly runDir: string
  readonly pidDir: string | undefined
  readonly progress: (line: string) => void
  readonly mode: FailoverMode
  readonly gatewaySettings?: TierSettings
  readonly nodeSettings?: TierSettings
}

export const LEASE_MS = 5000
const NODES = 3
const GATEWAYS = 2

/** A gateway or node of the run. One that ends without being told to has crashed. */
export class ChaosTier {
  readonly tier: LocalTier
  /** How it ended when nobody had told it to. */
  readonly crashes: string[] = []
  #expected = false

  constructor(tier: LocalTier) {
    this.tier = tier
    this.#watch()
  }

  get id(): string {
    return this.tier.id
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.#expected = true
    await this.tier.kill()
  }

  /** SIGTERM, and waits for its end. @throws when it had to be killed. */
  async stop(): Promise<void> {
    this.#expected = true
    const { signal } = await this.tier.stop(60_000)
    if (signal !== null) this.crashes.push(`${this.id} did not end by itself after SIGTERM (${signal})`)
  }

  /** Starts it again after its end, and waits until it is ready. */
  async start(): Promise<void> {
    await this.tier.restart()
    this.#expected = false
    this.#watch()
  }

  #watch(): void {
    void this.tier.process.exited.then(({ code, signal }) => {
      if (!this.#expected) this.crashes.push(`${this.id} ended by itself (${signal ?? `exit code ${code}`})`)
    })
  }
}

/** Kafka, Redis, nodes and gateways of one run, on ports of their own. */
export interface ChaosDeployment {
  readonly kafka: LocalKafka
  readonly redis: LocalRedis
  /** Where Redis has what it writes down. */
  readonly redisDir: string
  readonly nodes: readonly ChaosTier[]
  readonly gateways: readonly ChaosTier[]
}

/** Starts everything; whoever starts it stops `parts`. @throws SetupError */
export async function startDeployment(
  parts: RunningParts,
  options: DeploymentOptions,
): Promise<ChaosDeployment> {
  const { runDir, pidDir, progress, mode } = options
  const context = { progress, signal: parts.signal, pidDir }
  const redisDir = join(runDir, 'redis')
  const [kafka, redis] = await parts.together([
    parts.add(LocalKafka.start({ ...context, dir: join(runDir, 'kafka') })),
    // Written down at once, so that it can be restarted with its data.
    parts.add(
      LocalRedis.start({ ...context, dir: redisDir, config: ['appendonly yes', 'appendfsync always'] }),
    ),
  ])
  const token = randomBytes(16).toString('hex')
  const dir = join(runDir, 'tiers')
  mkdirSync(dir, { recursive: true })
  const start = async (tier: 'gateway' | 'proxy-node', id: string, settings: TierSettings) => {
    const shared = {
      'redis.url': redis.url,
      'internal.token': token,
      'lease.ms': LEASE_MS,
      'access.log.enable': false,
    }
    const ports = { port: await freePort(), adminPort: await freePort() }
    const own = { tier, id, dir, ...ports, settings: { ...shared, ...settings }, pidDir }
    return new ChaosTier(await parts.add(LocalTier.start({ ...own, signal: parts.signal })))
  }
  const nodeSettings = {
    'bootstrap.servers': kafka.address,
    'failover.mode': mode,
    'consumer.auto.commit.interval.ms': 2000,
    ...options.nodeSettings,
  }
  const nodes = await parts.together(
    Array.from({ length: NODES }, (_, index) => start('proxy-node', `node-${index + 1}`, nodeSettings)),
  )
  const gateways = await parts.together(
    Array.from({ length: GATEWAYS }, (_, index) =>
      start('gateway', `gateway-${index + 1}`, options.gatewaySettings ?? {}),
    ),
  )
  return { kafka, redis, redisDir, nodes, gateways }
}
