import type { KnownNode } from '../../gateway/routing/node-view.ts'

/** A node as a gateway knows it from its record: active, and empty. */
export function knownNode(id: string, more: Partial<KnownNode> = {}): KnownNode {
  const url = `http://${id}:1`
  return {
    id,
    incarnation: 'run',
    url,
    internalUrl: url,
    zone: '',
    draining: false,
    instances: 0,
    instancesMax: 10,
    failover: 'recreate',
    ...more,
  }
}
