import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/observability/logger.ts'
import type { Metrics } from '../shared/observability/metrics.ts'
import type { FormatName } from './formats/format.ts'
import type { Formats } from './formats/formats.ts'
import { createKafkajsProducer, type KafkajsProducerDeps } from './kafka/kafkajs-producer.ts'
import type { ProxyNodeMetric } from './metrics.ts'
import type { KafkaCluster } from './ports/kafka-cluster.ts'
import type { ProducerOptions } from './ports/kafka-producer.ts'
import { FormatProducer } from './services/format-producer.ts'
import { Produce, type ProduceSchemas } from './services/produce.ts'
import type { ProxyNodeSettings } from './settings.ts'

export interface ProduceDeps {
  readonly cluster: KafkaCluster & KafkajsProducerDeps['cluster']
  readonly connection: KafkajsProducerDeps['connection']
  readonly formats: Formats
  readonly schemas: ProduceSchemas
  readonly metrics: Metrics<ProxyNodeMetric>
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
}

/** The produce side of a node: one shared producer for each format, as in the original (contract v2 §2.8). */
export interface OpenProduce {
  readonly produce: Produce
  /** Sends what was accepted, then closes; bounded by shutdown.graceful.ms. */
  stop(): Promise<void>
}

/** Builds the producers from the settings. Nothing is connected yet. */
export function openProduce(settings: ProxyNodeSettings, deps: ProduceDeps): OpenProduce {
  const names = Object.keys(deps.formats) as FormatName[]
  const opened = names.map(name => openFormat(name, settings, deps))
  const producers = Object.fromEntries(opened.map(({ name, producer }) => [name, producer]))
  return {
    // Every name of `formats` was opened just above.
    produce: new Produce({ ...deps, producers: producers as Record<FormatName, FormatProducer> }),
    async stop() {
      await Promise.all(opened.map(({ producer }) => producer.stop()))
      await Promise.all(opened.map(({ batches }) => batches.stop()))
    },
  }
}

function openFormat(format: FormatName, settings: ProxyNodeSettings, deps: ProduceDeps) {
  const { clock, cluster, connection, log, metrics, random } = deps
  const batches = createKafkajsProducer({
    options: producerOptions(settings),
    connection,
    cluster,
    clock,
    log,
  })
  const producer = new FormatProducer({
    cluster,
    batches,
    clock,
    random,
    settings: {
      bufferBytesMax: settings['producer.buffer.memory'],
      maxBlockMs: settings['producer.max.block.ms'],
      recordBytesMax: settings['producer.max.request.size'],
      stopTimeoutMs: settings['shutdown.graceful.ms'],
      batchBytesMax: settings['producer.batch.size'],
      lingerMs: settings['producer.linger.ms'],
      deliveryTimeoutMs: settings['producer.delivery.timeout.ms'],
      retryBackoffMs: settings['producer.retry.backoff.ms'],
      retryBackoffMaxMs: settings['producer.retry.backoff.max.ms'],
    },
    metrics: {
      sent(records, bytes, seconds) {
        metrics.count('kafka_rest_node_produced_records_total', { format }, records)
        metrics.count('kafka_rest_node_produced_bytes_total', { format }, bytes)
        metrics.observe('kafka_rest_node_produce_batch_seconds', seconds, { format })
      },
      retried: () => metrics.count('kafka_rest_node_produce_retries_total', { format }),
      failed: (kind, records) =>
        metrics.count('kafka_rest_node_produce_errors_total', { format, kind }, records),
    },
  })
  metrics.read('kafka_rest_node_producer_buffer_bytes', () => producer.bufferedBytes, { format })
  metrics.read('kafka_rest_node_producer_waiting_requests', () => producer.waitingRequests, { format })
  return { name: format, producer, batches }
}

function producerOptions(settings: ProxyNodeSettings): ProducerOptions {
  const acks = settings['producer.acks']
  return {
    acks: acks === '0' ? 0 : acks === '1' ? 1 : -1,
    // The table allows nothing else.
    compression: settings['producer.compression.type'] as ProducerOptions['compression'],
    requestTimeoutMs: settings['producer.request.timeout.ms'],
    idempotence: settings['producer.enable.idempotence'],
    requestBytesMax: settings['producer.max.request.size'],
    inFlightMax: settings['producer.max.in.flight.requests.per.connection'],
  }
}
