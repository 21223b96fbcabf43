import { RestError } from '../../shared/errors/rest-error.ts'
import { consumerGoneHeader } from '../../shared/http/internal-headers.ts'
import type { OperatorHandler } from '../../shared/http/operator-api.ts'
import { type InstanceRef, parseInstanceKey } from '../../shared/ids.ts'
import { pageQueryOf } from '../../shared/rest/page-query.ts'
import { nobody, type RoutingTable } from '../../shared/routing/routing-table.ts'
import type { NodeOrders } from '../routing/node-orders.ts'
import type { KnownNode } from '../routing/node-view.ts'
import { type ListedPlacement, placementPage } from '../routing/placement-pages.ts'
import type { Located, Router } from '../routing/router.ts'

export interface AdminPlacementsDeps {
  readonly table: RoutingTable | undefined
  readonly router: Pick<Router, 'locate' | 'relocate' | 'forget'>
  readonly orders: Pick<NodeOrders, 'evict'>
}

/** `/placements`: which node has which consumer instance, and ending one. */
export function adminPlacements(deps: AdminPlacementsDeps) {
  return {
    'placements.list': async ({ query }) => {
      const node = query.get('node')
      const group = query.get('group')
      const filter = { ...(node === null ? {} : { node }), ...(group === null ? {} : { group }) }
      const page = await placementPage(deps.table, filter, pageQueryOf(query))
      return { placements: page.placements.map(rendered), next: page.next ?? null }
    },
    'placements.evict': async ({ params, operator }) => {
      const ref = { group: params['group'] ?? '', instance: params['instance'] ?? '' }
      const node = await evict(deps, ref, operator)
      return { ...ref, node: node.id, evicted: true }
    },
  } satisfies Record<string, OperatorHandler>
}

function rendered(placement: ListedPlacement) {
  const { group = '', instance = '' } = parseInstanceKey(placement.key) ?? {}
  return {
    group,
    instance,
    node: placement.node,
    // Given up by its node, for any other to take.
    incarnation: placement.incarnation === nobody ? null : placement.incarnation,
    token: placement.token,
    expires_at_ms: placement.expiresAt,
    failover: placement.failover,
    state: placement.ownerAlive ? 'owner-alive' : 'orphan',
  }
}

/**
 * Ends an instance at the node that has it; one that moves is followed once.
 * @throws RestError consumerInstanceNotFound, placementUnknown, what the order throws.
 */
async function evict(
  { router, orders }: AdminPlacementsDeps,
  ref: InstanceRef,
  operator: string,
): Promise<KnownNode> {
  const first = holderIn(await router.locate(ref))
  if (await orders.evict(first, ref, operator)) return forgotten(router, ref, first)
  const second = holderIn(await router.relocate(ref))
  if (await orders.evict(second, ref, operator)) return forgotten(router, ref, second)
  throw new RestError('placementUnknown')
}

function forgotten(router: AdminPlacementsDeps['router'], ref: InstanceRef, node: KnownNode): KnownNode {
  router.forget(ref)
  return node
}

function holderIn(located: Located): KnownNode {
  switch (located.at) {
    case 'node':
      return located.node
    case 'gone':
      throw new RestError('consumerInstanceNotFound', undefined, {
        headers: { [consumerGoneHeader]: located.reason },
      })
    case 'unknown':
      throw new RestError('placementUnknown')
  }
}
