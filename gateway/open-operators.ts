import { createOperatorApi, type OperatorApi } from '../shared/http/operator-api.ts'
import type { Logger } from '../shared/observability/logger.ts'
import { gatewayOperatorRoutes } from '../shared/rest/operator-routes.ts'
import type { RoutingTable } from '../shared/routing/routing-table.ts'
import { createOperatorTokens } from '../shared/security/operator-tokens.ts'
import { adminNodes } from './http/admin-nodes.ts'
import { adminPlacements } from './http/admin-placements.ts'
import { adminStatus } from './http/admin-status.ts'
import type { NodeLoad } from './routing/node-load.ts'
import { NodeOrders, type NodeOrdersDeps } from './routing/node-orders.ts'
import type { NodeView } from './routing/node-view.ts'
import type { PlacementCache } from './routing/placement-cache.ts'
import type { Router } from './routing/router.ts'
import type { Selection } from './routing/selection.ts'
import type { GatewaySettings } from './settings.ts'

export interface OperatorParts {
  readonly log: Logger
  readonly table: RoutingTable | undefined
  readonly forwarder: NodeOrdersDeps['forwarder']
  readonly view: NodeView
  readonly load: NodeLoad
  readonly selection: Selection
  readonly cache: PlacementCache
  readonly router: Router
  /** Why the gateway is not ready; undefined: it is. */
  readonly problem: () => string | undefined
}

/** Puts the routes of operators together. */
export function openOperators(settings: GatewaySettings, parts: OperatorParts): OperatorApi {
  const orders = new NodeOrders({
    forwarder: parts.forwarder,
    token: settings['internal.token'],
    timeoutMs: settings['admin.node.timeout.ms'],
  })
  return createOperatorApi({
    routes: gatewayOperatorRoutes,
    handlers: {
      ...adminStatus({
        ...parts,
        id: settings['id'],
        zone: settings['zone'],
        hasTable: parts.table !== undefined,
      }),
      ...adminNodes({ ...parts, orders, leaseMs: settings['lease.ms'] }),
      ...adminPlacements({ ...parts, orders }),
    },
    tokens: createOperatorTokens(settings['admin.tokens']),
    log: parts.log,
  })
}
