import { renderSpec } from '../../proxy-node/services/instance-spec.ts'
import type { InstanceRef } from '../../shared/ids.ts'

/** What a subscribed instance that may be taken over records: settings, subscription, member, and two positions. */
export function takeoverSpec(ref: InstanceRef): string {
  const identity = `kafka-rest-n-${ref.instance}`
  const position = { topic: 'orders', start: undefined }
  return renderSpec({
    ref,
    settings: {
      format: 'json',
      autoOffsetReset: { from: 'earliest' },
      autoCommit: true,
      fetchMinBytes: -1,
      requestTimeoutMs: 1000,
    },
    state: { kind: 'topics', topics: ['orders'] },
    partitions: [],
    groupInstanceId: identity,
    memberId: `${identity}-${crypto.randomUUID()}`,
    resume: {
      joinedTopics: ['orders'],
      positions: [
        { ...position, partition: 14, position: 1_234_567n, committed: 1_234_067n, clean: false },
        { ...position, partition: 15, position: 1_234_890n, committed: 1_234_890n, clean: true },
      ],
      read: undefined,
    },
  })
}
