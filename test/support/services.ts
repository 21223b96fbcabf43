import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { CACHE_DIR } from '../../infra/local/cache.ts'
import { type KafkaOptions, LocalKafka } from '../../infra/local/kafka.ts'
import { LocalRedis, type RedisOptions } from '../../infra/local/redis.ts'
import { LocalSchemaRegistry } from '../../infra/local/schema-registry.ts'

function given(name: string): string {
  const value = process.env[name]
  if (value) return value
  throw new Error(`${name} is not set: run \`npm test\`, or start \`node infra/local/dev-services.ts\` first`)
}

/** `host:port` of the shared broker that test/run.ts started. It must not be stopped by a test. */
export const kafkaAddress = (): string => given('TEST_KAFKA')

/** `redis://…` of the shared Redis. It must not be stopped or flushed by a test. */
export const redisUrl = (): string => given('TEST_REDIS')

/** Base URL of the shared Schema Registry (Confluent's API). It must not be stopped by a test. */
export const schemaRegistryUrl = (): string => given('TEST_SCHEMA_REGISTRY')

/** Folder with Kafka's jars. */
export const kafkaLibsDir = (): string => given('TEST_KAFKA_LIBS')

/** A name that no other test uses, for topics, groups, ids and Redis key prefixes: `orders-1f0c9a7b`. */
export const uniqueName = (prefix: string): string => `${prefix}-${randomUUID().slice(0, 8)}`

/** A new folder for the files of one test's processes. It stays after the run, for its logs. */
export function newTestDir(name: string): string {
  const parent = process.env['TEST_RUN_DIR'] ?? join(CACHE_DIR, 'test')
  mkdirSync(parent, { recursive: true })
  return mkdtempSync(join(parent, `${name}-`))
}

/** Where the pids of started processes are noted, so that test/run.ts can end what a test left behind. */
export const testPidDir = (): string | undefined => process.env['TEST_PID_DIR']

const quiet = () => undefined

/** A broker of one test's own, to be killed and restarted. Stop it in `afterAll`. */
export function startPrivateKafka(options: Partial<KafkaOptions> = {}): Promise<LocalKafka> {
  return LocalKafka.start({ dir: newTestDir('kafka'), progress: quiet, pidDir: testPidDir(), ...options })
}

/** A Redis of one test's own. Stop it in `afterAll`. */
export function startPrivateRedis(options: Partial<RedisOptions> = {}): Promise<LocalRedis> {
  return LocalRedis.start({ dir: newTestDir('redis'), progress: quiet, pidDir: testPidDir(), ...options })
}

/** A Schema Registry of one test's own. Stop it in `afterAll`. */
export function startPrivateSchemaRegistry(): Promise<LocalSchemaRegistry> {
  return LocalSchemaRegistry.start({ dir: newTestDir('registry'), progress: quiet, pidDir: testPidDir() })
}
