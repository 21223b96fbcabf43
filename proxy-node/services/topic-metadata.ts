import { RestError } from '../../shared/errors/rest-error.ts'
import type { KafkaCluster, TopicMetadata } from '../ports/kafka-cluster.ts'

/**
 * A topic as it is now, for the metadata endpoints: asked for even when it is cached. A topic that was found missing a
 * moment ago is not looked for again.
 * @throws RestError unknownTopicOrPartition; KafkaError.
 */
export async function currentTopic(
  cluster: Pick<KafkaCluster, 'topic' | 'cachedTopic'>,
  name: string,
  signal: AbortSignal,
): Promise<TopicMetadata> {
  const refresh = cluster.cachedTopic(name) !== undefined
  const topic = await cluster.topic(name, { refresh, signal })
  if (!topic) throw new RestError('unknownTopicOrPartition')
  return topic
}
