import type { Handlers } from './http/handler.ts'
import { brokerHandlers } from './http/v2/brokers.ts'
import { partitionHandlers } from './http/v2/partitions.ts'
import { produceHandlers } from './http/v2/produce.ts'
import { rootHandlers } from './http/v2/root.ts'
import { topicHandlers } from './http/v2/topics.ts'
import { PlatformaticAdmin } from './kafka/platformatic-admin.ts'
import type { KafkaView } from './open-kafka.ts'
import type { KafkaConsumers } from './ports/kafka-consumer.ts'
import type { Produce } from './services/produce.ts'
import type { ProxyNodeSettings } from './settings.ts'

export interface StatelessDeps {
  /** Kafka as the admin client may see it: what is told about brokers, topics and partitions. */
  readonly view: Pick<KafkaView, 'connections' | 'cluster'>
  /** The offsets of a partition are asked for as a consumer, like in the original. */
  readonly consumers: Pick<KafkaConsumers, 'listOffsets'>
  readonly produce: Produce
}

/** The handlers of everything but consumers: any node can answer them. */
export function statelessHandlers(settings: ProxyNodeSettings, deps: StatelessDeps): Handlers {
  const { view, consumers, produce } = deps
  const requestTimeoutMs = settings['kafka.request.timeout.ms']
  const admin = new PlatformaticAdmin({ ...view, consumers, requestTimeoutMs })
  const limits = {
    depthMax: settings['request.json.depth.max'],
    recordsMax: settings['request.records.max'],
  }
  const { cluster } = view
  return {
    ...rootHandlers(limits),
    ...brokerHandlers({ cluster }),
    ...topicHandlers({ cluster, admin }),
    ...partitionHandlers({ cluster, admin }),
    ...produceHandlers({ produce, limits }),
  }
}
