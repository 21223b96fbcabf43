import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../infra/local/free-port.ts'
import { LocalKafka } from '../../infra/local/kafka.ts'
import { LocalRedis } from '../../infra/local/redis.ts'
import { pidDirOf } from '../../infra/local/run-dir.ts'
import type { RunningParts } from '../../infra/local/running-parts.ts'
import { LocalSchemaRegistry } from '../../infra/local/schema-registry.ts'
import { LocalTier, type TierSettings } from '../../infra/local/tier.ts'
import { createTopic, deleteTopic } from '../support/kafka-topics.ts'

/** Old records go, so that a long run does not fill the disk; far more than the readers are behind. */
const TOPIC_CONFIG = { 'retention.bytes': '268435456', 'segment.bytes': '67108864' }
const RETENTION_CHECK_MS = '30000'

/** Kafka, Redis and a Schema Registry of this run, and the tiers that a part of it starts on them. */
export class BenchServices {
  readonly kafka: LocalKafka
  readonly redis: LocalRedis
  readonly registry: LocalSchemaRegistry
  readonly runDir: string
  readonly #token = randomBytes(16).toString('hex')

  private constructor(
    runDir: string,
    [kafka, redis, registry]: [LocalKafka, LocalRedis, LocalSchemaRegistry],
  ) {
    this.runDir = runDir
    this.kafka = kafka
    this.redis = redis
    this.registry = registry
  }

  /** Starts the services on free ports; whoever starts them stops `parts`. */
  static async start(
    parts: RunningParts,
    { runDir, progress }: { runDir: string; progress: (line: string) => void },
  ): Promise<BenchServices> {
    const context = { progress, signal: parts.signal, pidDir: pidDirOf(runDir) }
    const kafka = {
      dir: join(runDir, 'kafka'),
      properties: { 'log.retention.check.interval.ms': RETENTION_CHECK_MS },
    }
    const services = await parts.together([
      parts.add(LocalKafka.start({ ...context, ...kafka })),
      parts.add(LocalRedis.start({ ...context, dir: join(runDir, 'redis') })),
      parts.add(LocalSchemaRegistry.start({ ...context, dir: join(runDir, 'schema-registry') })),
    ])
    return new BenchServices(runDir, services)
  }

  /** Starts a proxy node; stopped with `parts`. */
  node(parts: RunningParts, id: string, settings: TierSettings = {}): Promise<LocalTier> {
    const own = { 'bootstrap.servers': this.kafka.address, 'schema.registry.url': this.registry.url }
    return this.#tier(parts, 'proxy-node', id, { ...own, ...settings })
  }

  /** Starts a gateway in front of the nodes that are registered; stopped with `parts`. */
  gateway(parts: RunningParts, id: string, settings: TierSettings = {}): Promise<LocalTier> {
    return this.#tier(parts, 'gateway', id, settings)
  }

  /** Creates a topic that lasts as long as `work`. */
  async withTopic<T>(
    { name, partitions }: { name: string; partitions: number },
    work: (topic: string) => Promise<T>,
  ): Promise<T> {
    await createTopic(this.kafka.address, name, { partitions, configs: TOPIC_CONFIG })
    try {
      return await work(name)
    } finally {
      await deleteTopic(this.kafka.address, name)
    }
  }

  /** Removes the records from the disk, after everything was stopped. */
  removeData(): void {
    rmSync(join(this.runDir, 'kafka', 'data'), { recursive: true, force: true })
  }

  async #tier(
    parts: RunningParts,
    tier: 'gateway' | 'proxy-node',
    id: string,
    settings: TierSettings,
  ): Promise<LocalTier> {
    const dir = join(this.runDir, 'tiers')
    mkdirSync(dir, { recursive: true })
    const shared = {
      'redis.url': this.redis.url,
      'redis.key.prefix': `{bench-${this.#token.slice(0, 8)}}:`,
      'internal.token': this.#token,
      // A part that is over is stopped at once: nobody is told to go elsewhere.
      'drain.delay.ms': 0,
    }
    const ports = { port: await freePort(), adminPort: await freePort() }
    const { signal } = parts
    return parts.add(
      LocalTier.start({
        tier,
        id,
        dir,
        ...ports,
        settings: { ...shared, ...settings },
        pidDir: pidDirOf(this.runDir),
        signal,
      }),
    )
  }
}
