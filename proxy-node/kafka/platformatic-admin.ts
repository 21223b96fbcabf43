import { describeConfigsV4 } from '@platformatic/kafka'
import type { KafkaAdmin, TopicPartition } from '../ports/kafka-cluster.ts'
import type { KafkaConsumers } from '../ports/kafka-consumer.ts'
import { brokerError } from './kafka-errors.ts'
import type { PlatformaticCluster } from './platformatic-cluster.ts'
import type { PlatformaticConnections } from './platformatic-connections.ts'

interface Deps {
  readonly connections: PlatformaticConnections
  readonly cluster: Pick<PlatformaticCluster, 'onAnyBroker'>
  readonly consumers: Pick<KafkaConsumers, 'listOffsets'>
  /** Ms that one broker may take for an answer; the next one is asked after it. */
  readonly requestTimeoutMs: number
}

/** The protocol's number of the resource type "topic". */
const TOPIC = 2

/** Kafka's administration, as far as the v2 API shows it. Holds nothing of its own. */
export class PlatformaticAdmin implements KafkaAdmin {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  async topicConfigs(topic: string, signal?: AbortSignal): Promise<ReadonlyMap<string, string | null>> {
    const { connections, cluster, requestTimeoutMs } = this.#deps
    const options = {
      lane: 'control',
      what: 'A look at topic configs',
      timeoutMs: requestTimeoutMs,
      signal,
    } as const
    const resource = { resourceType: TOPIC, resourceName: topic, configurationKeys: null } as const
    const answer = await cluster.onAnyBroker(address =>
      connections.call(address, options, connection =>
        describeConfigsV4.api.async(connection, [resource], false, false),
      ),
    )
    const [result] = answer.results
    if (!result) throw brokerError(-1)
    if (result.errorCode !== 0)
      throw brokerError(result.errorCode, {
        subject: topic,
        text: knownText(result.errorCode, result.errorMessage),
      })
    // Brokers send no value for sensitive ones; said here too, since passwords would be shown to any client.
    return new Map(
      result.configs.map(({ name, value, isSensitive }) => [name, isSensitive ? null : (value ?? null)]),
    )
  }

  async partitionOffsets(
    topicPartition: TopicPartition,
    signal?: AbortSignal,
  ): Promise<{ beginning: bigint; end: bigint }> {
    const { consumers } = this.#deps
    const options = { isolation: 'read_uncommitted', ...(signal ? { signal } : {}) } as const
    const [beginning, end] = await Promise.all([
      consumers.listOffsets([topicPartition], 'earliest', options),
      consumers.listOffsets([topicPartition], 'latest', options),
    ])
    return { beginning: beginning[0]?.offset ?? 0n, end: end[0]?.offset ?? 0n }
  }

  async stop(): Promise<void> {}
}

/** Clients match on the texts of these; for the others, the broker's own words say more. */
function knownText(code: number, text: string | null | undefined): string | null | undefined {
  return code === 3 || code === 17 || code === 29 ? undefined : text
}
