import { RestError } from '../../shared/errors/rest-error.ts'
import type { OperatorCall, OperatorHandler } from '../../shared/http/operator-api.ts'
import type { NodeStatus } from '../../shared/rest/node-status.ts'
import type { NodeLoad } from '../routing/node-load.ts'
import type { NodeOrders } from '../routing/node-orders.ts'
import type { KnownNode, NodeView } from '../routing/node-view.ts'
import type { Selection } from '../routing/selection.ts'

export interface AdminNodesDeps {
  readonly view: Pick<NodeView, 'nodes' | 'find' | 'refresh' | 'ageMs'>
  readonly selection: Pick<Selection, 'stateOf'>
  readonly load: Pick<NodeLoad, 'inFlight'>
  readonly orders: Pick<NodeOrders, 'status' | 'drain' | 'undrain'>
  /** How long a member lives after its last renewal, in ms. */
  readonly leaseMs: number
}

/** `/nodes`: which proxy nodes there are, and taking them out of service and back. */
export function adminNodes(deps: AdminNodesDeps) {
  const { orders, view } = deps
  const node = ({ params }: OperatorCall) => knownNode(view, params['node'] ?? '')
  const status: OperatorHandler = async call => ({ ...(await orders.status(await node(call))) })
  return {
    'nodes.list': async () => {
      await view.refresh()
      const nodes = view.nodes().toSorted((left, right) => (left.id < right.id ? -1 : 1))
      return { nodes: nodes.map(each => rendered(deps, each)), lease_ms: deps.leaseMs }
    },
    'nodes.status': status,
    'nodes.drain-state': status,
    'nodes.drain': async call => ({ ...(await orders.drain(await node(call), call.operator)) }),
    'nodes.undrain': async call => ({ ...(await orders.undrain(await node(call), call.operator)) }),
  } satisfies Record<string, OperatorHandler>
}

/** The node may have registered within the last second. @throws RestError proxyNodeNotFound */
async function knownNode(view: AdminNodesDeps['view'], id: string): Promise<KnownNode> {
  const known = view.find(id)
  if (known) return known
  await view.refresh()
  const found = view.find(id)
  if (!found) throw new RestError('proxyNodeNotFound')
  return found
}

/** By its record. Whether a node gave up with instances left only the node itself can say (`nodes.status`). */
function drainState({ draining, instances }: KnownNode): NodeStatus['state'] {
  if (!draining) return 'active'
  return instances === 0 ? 'drained' : 'draining'
}

function rendered({ view, selection, load }: AdminNodesDeps, node: KnownNode) {
  // A node of the static list has no record: nobody told its incarnation, state, lease and limit.
  const isMember = node.incarnation !== undefined
  return {
    id: node.id,
    url: node.url,
    zone: node.zone,
    incarnation: node.incarnation ?? null,
    source: isMember ? 'routing table' : 'setting nodes',
    state: drainState(node),
    routing: selection.stateOf(node),
    instances: isMember ? node.instances : null,
    instances_max: isMember ? node.instancesMax : null,
    requests_in_flight: load.inFlight(node.id),
    // Its lease was alive when the members were last read.
    seen_ms_ago: isMember && view.ageMs !== undefined ? Math.round(view.ageMs) : null,
  }
}
