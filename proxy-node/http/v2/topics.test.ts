import { expect, test } from 'vitest'
import { mediaTypes } from '../../../shared/rest/media-type.ts'
import type { TopicMetadata } from '../../ports/kafka-cluster.ts'
import type { NodeRequest } from '../handler.ts'
import { topicHandlers } from './topics.ts'

const topic: TopicMetadata = { name: 't', id: 'id', internal: false, partitions: [] }

test('§9.29: a config without a value, such as a sensitive one, is shown as null', async () => {
  const handlers = topicHandlers({
    cluster: { topic: async () => topic, cachedTopic: () => topic, topics: async () => [topic] },
    admin: {
      topicConfigs: async () =>
        new Map([
          ['secret', null],
          ['retention.ms', '1'],
        ]),
    },
  })
  const request: Pick<NodeRequest, 'params' | 'contentTypeHeader' | 'signal'> = {
    params: { topic: 't' },
    contentTypeHeader: mediaTypes.v2,
    signal: new AbortController().signal,
  }
  const answer = await handlers['topics.get']?.(request as NodeRequest)
  expect(await answer?.json()).toEqual({
    name: 't',
    configs: { secret: null, 'retention.ms': '1' },
    partitions: [],
  })
})
