import { RestError } from '../../../shared/errors/rest-error.ts'
import type { KafkaAdmin, KafkaCluster, PartitionMetadata } from '../../ports/kafka-cluster.ts'
import { currentTopic } from '../../services/topic-metadata.ts'
import type { Handlers, NodeRequest } from '../handler.ts'
import { jsonAnswer } from './json-answer.ts'
import { pathInt } from './path-numbers.ts'

interface Deps {
  readonly cluster: Pick<KafkaCluster, 'topic' | 'cachedTopic'>
  readonly admin: Pick<KafkaAdmin, 'partitionOffsets'>
}

/** `GET /topics/{topic}/partitions…` (contract v2 §2.5–2.7). */
export function partitionHandlers(deps: Deps): Handlers {
  return {
    'partitions.list': async request => {
      const topic = await currentTopic(deps.cluster, request.params['topic'] ?? '', request.signal)
      return jsonAnswer(request, topic.partitions.map(partitionBody))
    },
    'partitions.get': async request => jsonAnswer(request, partitionBody(await partitionOf(deps, request))),
    'partitions.get-offsets': async request => {
      const { partition } = await partitionOf(deps, request)
      const topic = request.params['topic'] ?? ''
      const { beginning, end } = await deps.admin.partitionOffsets({ topic, partition }, request.signal)
      // By hand: offsets are 64-bit integers.
      const body = `{"beginning_offset":${beginning},"end_offset":${end}}`
      return new Response(body, { headers: { 'Content-Type': request.contentTypeHeader } })
    },
  }
}

/** A partition as the API shows it, in the brokers' order of replicas (contract v2 §2.4). */
export function partitionBody({ partition, leader, replicas, inSyncReplicas }: PartitionMetadata) {
  return {
    partition,
    leader,
    replicas: replicas.map(broker => ({
      broker,
      leader: broker === leader,
      in_sync: inSyncReplicas.includes(broker),
    })),
  }
}

async function partitionOf({ cluster }: Deps, request: NodeRequest): Promise<PartitionMetadata> {
  const wanted = pathInt(request.params['partition'])
  const topic = await currentTopic(cluster, request.params['topic'] ?? '', request.signal)
  const partition = topic.partitions.find(entry => entry.partition === wanted)
  if (!partition) throw new RestError('partitionNotFound')
  return partition
}
