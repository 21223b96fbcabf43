import type { KafkaCluster } from '../../ports/kafka-cluster.ts'
import type { Handlers } from '../handler.ts'
import { jsonAnswer } from './json-answer.ts'

/** `GET /brokers` (contract v2 §2.2). */
export function brokerHandlers(deps: { readonly cluster: Pick<KafkaCluster, 'brokers'> }): Handlers {
  return {
    'brokers.list': async request =>
      jsonAnswer(request, { brokers: await deps.cluster.brokers(request.signal) }),
  }
}
