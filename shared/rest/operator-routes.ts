import { decodeSegment, fits, rawSegments } from './routes.ts'

/**
 * The routes of operators on the admin listeners, once: the listeners dispatch by `id`, the reference page is rendered
 * from them. They take no bodies.
 */
export interface OperatorRoute {
  readonly id: string
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Literal segments and `{name}` parameters. */
  readonly path: string
  /** Whether it only looks: what changes something is logged at `info`, the rest at `debug`. */
  readonly reads: boolean
  /** For the reference: what it does, and its query. */
  readonly doc: string
}

const placement = '/placements/{group}/{instance}'
const paging = 'limit= (1 to 1000, default 100), after= (the `next` of the page before).'

export const gatewayOperatorRoutes = [
  {
    id: 'gateway.status',
    method: 'GET',
    path: '/status',
    reads: true,
    doc: 'The gateway itself: ready or why not, nodes, age of what it knows of them, cached placements.',
  },
  {
    id: 'nodes.list',
    method: 'GET',
    path: '/nodes',
    reads: true,
    doc: 'All proxy nodes that the gateway knows.',
  },
  {
    id: 'nodes.status',
    method: 'GET',
    path: '/nodes/{node}',
    reads: true,
    doc: 'What one node says of itself, asked now.',
  },
  {
    id: 'nodes.drain-state',
    method: 'GET',
    path: '/nodes/{node}/drain',
    reads: true,
    doc: 'active, draining or drained, and the consumer instances that the node still holds.',
  },
  {
    id: 'nodes.drain',
    method: 'POST',
    path: '/nodes/{node}/drain',
    reads: false,
    doc: 'Begins to drain the node: it gets nothing new, and lets its consumer instances go.',
  },
  {
    id: 'nodes.undrain',
    method: 'DELETE',
    path: '/nodes/{node}/drain',
    reads: false,
    doc: 'Takes a drained or draining node back into service; what was let go stays where it is.',
  },
  {
    id: 'placements.list',
    method: 'GET',
    path: '/placements',
    reads: true,
    doc: `Placements, from the routing table. node=, group=: only of these. ${paging}`,
  },
  {
    id: 'placements.evict',
    method: 'DELETE',
    path: placement,
    reads: false,
    doc: 'Ends a consumer instance wherever it is, as a DELETE of its client does: its clients get 404 / 40403.',
  },
] as const satisfies readonly OperatorRoute[]

export const nodeOperatorRoutes = [
  {
    id: 'node.status',
    method: 'GET',
    path: '/status',
    reads: true,
    doc: 'The node itself: id, incarnation, drain state, instances.',
  },
  {
    id: 'node.drain-state',
    method: 'GET',
    path: '/drain',
    reads: true,
    doc: 'active, draining or drained, and the consumer instances that are still held.',
  },
  {
    id: 'node.drain',
    method: 'POST',
    path: '/drain',
    reads: false,
    doc: 'Begins to drain: nothing new is taken, and the consumer instances are let go.',
  },
  {
    id: 'node.undrain',
    method: 'DELETE',
    path: '/drain',
    reads: false,
    doc: 'Goes back into service; what was let go stays where it is.',
  },
  {
    id: 'instances.list',
    method: 'GET',
    path: '/instances',
    reads: true,
    doc: `Consumer instances held here, by name. group=: only of this. ${paging}`,
  },
  {
    id: 'instances.evict',
    method: 'DELETE',
    path: '/instances/{group}/{instance}',
    reads: false,
    doc: 'Ends a consumer instance that is held here, as a DELETE of its client does: its clients get 404 / 40403.',
  },
] as const satisfies readonly OperatorRoute[]

export type GatewayOperation = (typeof gatewayOperatorRoutes)[number]['id']
export type NodeOperation = (typeof nodeOperatorRoutes)[number]['id']

export type OperatorRouteMatch<Row extends OperatorRoute> =
  | { readonly outcome: 'matched'; readonly route: Row; readonly params: Readonly<Record<string, string>> }
  | { readonly outcome: 'not-found' }
  | { readonly outcome: 'method-not-allowed' }
  | { readonly outcome: 'malformed' }

/** Finds the operation of a request; segments are matched raw and decoded one by one, as in `matchRoute`. */
export function matchOperatorRoute<Row extends OperatorRoute>(
  routes: readonly Row[],
  method: string,
  rawTarget: string,
): OperatorRouteMatch<Row> {
  const segments = rawSegments(rawTarget)
  const candidates = routes.filter(({ path }) => {
    const pattern = rawSegments(path)
    return pattern.length === segments.length && fits(pattern, segments)
  })
  if (candidates.length === 0) return { outcome: 'not-found' }
  const route = candidates.find(candidate => candidate.method === method)
  if (route === undefined) return { outcome: 'method-not-allowed' }
  const params: Record<string, string> = {}
  for (const [index, part] of rawSegments(route.path).entries()) {
    if (!part.startsWith('{')) continue
    const decoded = decodeSegment(segments[index] ?? '')
    if (decoded === undefined) return { outcome: 'malformed' }
    params[part.slice(1, -1)] = decoded
  }
  return { outcome: 'matched', route, params }
}
