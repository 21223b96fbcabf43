import type { InstanceRef } from '../../shared/ids.ts'
import type { Route, RouteMatch } from '../../shared/rest/routes.ts'

/** What a request needs of the proxy nodes. */
export type Need =
  /** Any node. Without a route it is a path or method that no operation has: any node says so. */
  | { readonly affinity: 'stateless'; readonly route: Route | undefined }
  /** A node chosen by the name of the instance that the body asks for. */
  | { readonly affinity: 'create'; readonly route: Route; readonly group: string }
  /** The node that holds the instance. */
  | { readonly affinity: 'instance'; readonly route: Route; readonly ref: InstanceRef }

/**
 * What a request needs, by the route table. Requests that match no operation (404, 405, OPTIONS) go to any node as
 * well, so that both tiers give the same answer.
 */
export function needOf(match: RouteMatch): Need {
  if (match.outcome !== 'matched') return { affinity: 'stateless', route: undefined }
  const { route, params } = match
  const { group, instance } = params
  if (route.affinity === 'create' && group !== undefined) return { affinity: 'create', route, group }
  if (route.affinity === 'instance' && group !== undefined && instance !== undefined)
    return { affinity: 'instance', route, ref: { group, instance } }
  return { affinity: 'stateless', route }
}
