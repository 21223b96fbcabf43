import type { KafkaAdmin, KafkaCluster } from '../../ports/kafka-cluster.ts'
import { currentTopic } from '../../services/topic-metadata.ts'
import type { Handlers } from '../handler.ts'
import { jsonAnswer } from './json-answer.ts'
import { partitionBody } from './partitions.ts'

interface Deps {
  readonly cluster: Pick<KafkaCluster, 'topic' | 'cachedTopic' | 'topics'>
  readonly admin: Pick<KafkaAdmin, 'topicConfigs'>
}

/** `GET /topics` and `GET /topics/{topic}` (contract v2 §2.3, §2.4). */
export function topicHandlers(deps: Deps): Handlers {
  return {
    'topics.list': async request => {
      const topics = await deps.cluster.topics(request.signal)
      const names = topics.filter(({ internal }) => !internal).map(({ name }) => name)
      // The original's order is that of a hash table; sorted, it is at least the same each time.
      return jsonAnswer(request, names.sort())
    },
    'topics.get': async request => {
      const name = request.params['topic'] ?? ''
      const topic = await currentTopic(deps.cluster, name, request.signal)
      const configs = await deps.admin.topicConfigs(name, request.signal)
      return jsonAnswer(request, {
        name,
        configs: Object.fromEntries(configs),
        partitions: topic.partitions.map(partitionBody),
      })
    },
  }
}
