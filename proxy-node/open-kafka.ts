import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/observability/logger.ts'
import type { SettingsOf } from '../shared/settings/row.ts'
import type { ConnectionSettings } from './kafka/broker-connections.ts'
import { PlatformaticCluster } from './kafka/platformatic-cluster.ts'
import { PlatformaticConnections } from './kafka/platformatic-connections.ts'
import { PlatformaticConsumers } from './kafka/platformatic-consumers.ts'
import type { kafkaSettings } from './kafka-settings.ts'

export type KafkaSettings = SettingsOf<typeof kafkaSettings>

export interface KafkaDeps {
  /** `bootstrap.servers`. */
  readonly bootstrap: readonly { readonly host: string; readonly port: number }[]
  readonly clientId: string
  readonly security: ConnectionSettings['security']
  /** `consumer.metadata.max.age.ms`. */
  readonly metadataMaxAgeMs: number
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
}

/** Kafka as the brokers show it to one user: connections, and the metadata that this user may see. */
export interface KafkaView {
  readonly connections: PlatformaticConnections
  readonly cluster: PlatformaticCluster
  stop(): Promise<void>
}

/** The view of the consumers, and their side of Kafka. */
export interface OpenKafka extends KafkaView {
  readonly consumers: PlatformaticConsumers
}

/** Opens a view with the credentials in `deps`. Nothing is connected yet: a node starts without Kafka. */
export function openKafkaView(settings: KafkaSettings, deps: Omit<KafkaDeps, 'random'>): KafkaView {
  const { bootstrap, clientId, clock, log, metadataMaxAgeMs, security } = deps
  const connections = new PlatformaticConnections({
    clock,
    settings: {
      clientId,
      security,
      connectTimeoutMs: settings['kafka.connect.timeout.ms'],
      idleTimeoutMs: settings['kafka.connections.idle.ms'],
      readsPerBrokerMax: settings['kafka.reads.per.broker.max'],
      reconnectBackoffMs: settings['kafka.reconnect.backoff.ms'],
      reconnectBackoffMaxMs: settings['kafka.reconnect.backoff.max.ms'],
    },
  })
  const cluster = new PlatformaticCluster({
    connections,
    clock,
    log,
    settings: {
      bootstrap,
      metadataMaxAgeMs,
      retryBackoffMs: settings['kafka.retry.backoff.ms'],
      metadataTimeoutMs: settings['kafka.metadata.timeout.ms'],
      unknownTopicDoubtMs: settings['kafka.unknown.topic.doubt.ms'],
      unknownTopicCacheMs: settings['kafka.unknown.topic.cache.ms'],
      topicsCachedMax: settings['kafka.topics.cached.max'],
    },
  })
  return {
    connections,
    cluster,
    async stop() {
      await cluster.stop()
      await connections.stop()
    },
  }
}

/** Builds the drivers of the consumers from the settings. Nothing is connected yet. */
export function openKafka(settings: KafkaSettings, deps: KafkaDeps): OpenKafka {
  const { clock, log, random } = deps
  const view = openKafkaView(settings, deps)
  const consumers = new PlatformaticConsumers({
    ...view,
    clock,
    random,
    log,
    settings: {
      retryBackoffMs: settings['kafka.retry.backoff.ms'],
      retryBackoffMaxMs: settings['kafka.retry.backoff.max.ms'],
      requestTimeoutMs: settings['kafka.request.timeout.ms'],
      apiTimeoutMs: settings['kafka.api.timeout.ms'],
      groupsCachedMax: settings['kafka.groups.cached.max'],
      partitionBytesMax: settings['consumer.max.partition.fetch.bytes'],
      batchBytesMax: settings['kafka.batch.decompressed.bytes.max'],
      checkCrcs: settings['consumer.check.crcs'],
      answerGraceMs: settings['kafka.reads.answer.grace.ms'],
      saturatedWaitMs: settings['kafka.reads.saturated.wait.ms'],
      problemRetryMs: settings['membership.problem.retry.ms'],
      leaveTimeoutMs: settings['membership.leave.timeout.ms'],
      watchIntervalMs: settings['membership.topics.watch.interval.ms'],
    },
  })
  return {
    ...view,
    consumers,
    async stop() {
      await consumers.stop()
      await view.stop()
    },
  }
}
