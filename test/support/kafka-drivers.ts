import { createKafkajsProducer, type KafkajsProducerDeps } from '../../proxy-node/kafka/kafkajs-producer.ts'
import { PlatformaticCluster } from '../../proxy-node/kafka/platformatic-cluster.ts'
import { PlatformaticConnections } from '../../proxy-node/kafka/platformatic-connections.ts'
import type { BatchProducer, ProducerOptions } from '../../proxy-node/ports/kafka-producer.ts'
import { systemClock } from '../../shared/clock.ts'
import { silentLogger } from '../../shared/observability/logger.ts'

/** The defaults of a proxy node, with a shorter patience so that failing tests end. */
export const producerOptions: ProducerOptions = {
  acks: -1,
  compression: 'none',
  requestTimeoutMs: 10_000,
  idempotence: true,
  requestBytesMax: 1_048_576,
  inFlightMax: 5,
}

/** The real drivers against the broker at `address`, without a proxy node around them. Stop it in `afterAll`. */
export class TestKafkaDrivers {
  readonly cluster: PlatformaticCluster
  readonly #connections: PlatformaticConnections
  readonly #producers: BatchProducer[] = []

  constructor(address: string) {
    const [host = '', port] = address.split(':')
    const clock = systemClock
    this.#connections = new PlatformaticConnections({
      clock,
      settings: {
        clientId: 'test',
        connectTimeoutMs: 5000,
        idleTimeoutMs: 5000,
        readsPerBrokerMax: 4,
        reconnectBackoffMs: 50,
        reconnectBackoffMaxMs: 500,
        security: {},
      },
    })
    this.cluster = new PlatformaticCluster({
      connections: this.#connections,
      clock,
      log: silentLogger,
      settings: {
        bootstrap: [{ host, port: Number(port) }],
        metadataTimeoutMs: 5000,
        metadataMaxAgeMs: 300_000,
        unknownTopicDoubtMs: 1000,
        unknownTopicCacheMs: 5000,
        retryBackoffMs: 100,
        topicsCachedMax: 1000,
      },
    })
  }

  /**
   * @param changes what the producer is told of the cluster, if not what Kafka says: where a leader is reached, or who
   *   leads.
   */
  producer(
    options: Partial<ProducerOptions> = {},
    changes: Partial<KafkajsProducerDeps['cluster']> = {},
  ): BatchProducer {
    const cluster = this.cluster
    const producer = createKafkajsProducer({
      options: { ...producerOptions, ...options },
      connection: {
        clientId: 'test',
        connectTimeoutMs: 5000,
        reconnectBackoffMs: 50,
        reconnectBackoffMaxMs: 500,
        tls: undefined,
        sasl: undefined,
      },
      cluster: {
        cachedTopic: topic => cluster.cachedTopic(topic),
        topic: topic => cluster.topic(topic),
        outdated: topic => cluster.outdated(topic),
        addressOf: (topic, leader) => cluster.addressOf(topic, leader),
        ...changes,
      },
      clock: systemClock,
      log: silentLogger,
    })
    this.#producers.push(producer)
    return producer
  }

  async stop(): Promise<void> {
    for (const producer of this.#producers) await producer.stop()
    await this.cluster.stop()
    await this.#connections.stop()
  }
}
