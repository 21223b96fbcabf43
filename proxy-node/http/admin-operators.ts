import type { OperatorHandler } from '../../shared/http/operator-api.ts'
import type { NodeOperation } from '../../shared/rest/operator-routes.ts'
import { pageQueryOf } from '../../shared/rest/page-query.ts'
import type { ConsumerInstance } from '../services/consumer-instance.ts'
import type { NodeOperations } from '../services/node-operations.ts'

/** The handlers of the node's own routes for operators. */
export function nodeOperatorHandlers(operations: NodeOperations): Record<NodeOperation, OperatorHandler> {
  const status = async () => ({ ...operations.status() })
  return {
    'node.status': status,
    'node.drain-state': status,
    'node.drain': async () => ({ ...operations.drain() }),
    'node.undrain': async () => ({ ...(await operations.undrain()) }),
    'instances.list': async ({ query }) => {
      const page = operations.page(query.get('group') ?? undefined, pageQueryOf(query))
      return { instances: page.instances.map(rendered), next: page.next ?? null }
    },
    'instances.evict': async ({ params }) => {
      const ref = { group: params['group'] ?? '', instance: params['instance'] ?? '' }
      await operations.evict(ref)
      return { ...ref, evicted: true }
    },
  }
}

function rendered({ ref, placement, settings, topics, partitions, idleMs }: ConsumerInstance) {
  return {
    ...ref,
    token: placement.token,
    format: settings.format,
    topics,
    partitions: partitions.length,
    idle_ms: Math.round(idleMs),
  }
}
