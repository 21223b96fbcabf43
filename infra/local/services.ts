import { join } from 'node:path'
import type { Progress } from './cache.ts'
import { LocalKafka } from './kafka.ts'
import { LocalRedis } from './redis.ts'
import type { RunningParts } from './running-parts.ts'
import { LocalSchemaRegistry } from './schema-registry.ts'

/** The variables by which tests are told where the shared services are. */
export interface ServiceVariables {
  /** `host:port` of the broker. */
  TEST_KAFKA: string
  /** `redis://…` */
  TEST_REDIS: string
  /** Base URL of the Schema Registry's Confluent API. */
  TEST_SCHEMA_REGISTRY: string
  /** Folder with Kafka's jars, for Java clients. */
  TEST_KAFKA_LIBS: string
}

/** Starts the three services side by side on free ports. Throws SetupError; started parts stay in `parts`. */
export async function startServices(
  parts: RunningParts,
  { runDir, pidDir, progress }: { runDir: string; pidDir: string; progress: Progress },
): Promise<ServiceVariables> {
  const context = { progress, signal: parts.signal, pidDir }
  const [kafka, redis, registry] = await parts.together([
    parts.add(LocalKafka.start({ ...context, dir: join(runDir, 'kafka') })),
    parts.add(LocalRedis.start({ ...context, dir: join(runDir, 'redis') })),
    parts.add(LocalSchemaRegistry.start({ ...context, dir: join(runDir, 'schema-registry') })),
  ])
  return {
    TEST_KAFKA: kafka.address,
    TEST_REDIS: redis.url,
    TEST_SCHEMA_REGISTRY: registry.url,
    TEST_KAFKA_LIBS: kafka.libsDir,
  }
}
