import { mediaTypes, type Producible } from './media-type.ts'

/**
 * THE route table: every operation of the API once. The gateway reads the affinity, the node dispatches by
 * `id`, the reference page is rendered from it. Operation ids are the contract's endpoint names (v2 §5.5).
 */
export interface Route {
  readonly id: string
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Literal segments and `{name}` parameters. */
  readonly path: string
  /**
   * What a request needs: `stateless` any node, `create` a node chosen by the instance's name, `instance` the
   * node that holds the instance.
   */
  readonly affinity: Affinity
  readonly media: MediaClass
}

export type Affinity = 'stateless' | 'create' | 'instance'
export type MediaClass = 'metadata' | 'brokers' | 'produce' | 'consumer' | 'records'

const route = (
  id: string,
  method: Route['method'],
  path: string,
  affinity: Affinity,
  media: MediaClass,
): Route => ({ id, method, path, affinity, media })

const instance = '/consumers/{group}/instances/{instance}'

export const routes: readonly Route[] = [
  route('root.get', 'GET', '/', 'stateless', 'metadata'),
  route('root.post', 'POST', '/', 'stateless', 'metadata'),
  route('brokers.list', 'GET', '/brokers', 'stateless', 'brokers'),
  route('topics.list', 'GET', '/topics', 'stateless', 'metadata'),
  route('topics.get', 'GET', '/topics/{topic}', 'stateless', 'metadata'),
  route('produce-to-topic', 'POST', '/topics/{topic}', 'stateless', 'produce'),
  route('partitions.list', 'GET', '/topics/{topic}/partitions', 'stateless', 'metadata'),
  route('partitions.get', 'GET', '/topics/{topic}/partitions/{partition}', 'stateless', 'metadata'),
  route('produce-to-partition', 'POST', '/topics/{topic}/partitions/{partition}', 'stateless', 'produce'),
  route(
    'partitions.get-offsets',
    'GET',
    '/topics/{topic}/partitions/{partition}/offsets',
    'stateless',
    'metadata',
  ),
  route('consumers.create', 'POST', '/consumers/{group}', 'create', 'consumer'),
  route('consumers.delete', 'DELETE', instance, 'instance', 'consumer'),
  route('consumers.subscribe', 'POST', `${instance}/subscription`, 'instance', 'consumer'),
  route('consumers.get-subscription', 'GET', `${instance}/subscription`, 'instance', 'consumer'),
  route('consumers.unsubscribe', 'DELETE', `${instance}/subscription`, 'instance', 'consumer'),
  route('consumers.assign', 'POST', `${instance}/assignments`, 'instance', 'consumer'),
  route('consumers.get-assignments', 'GET', `${instance}/assignments`, 'instance', 'consumer'),
  route('consumers.seek-to-offset', 'POST', `${instance}/positions`, 'instance', 'consumer'),
  route('consumers.seek-to-beginning', 'POST', `${instance}/positions/beginning`, 'instance', 'consumer'),
  route('consumers.seek-to-end', 'POST', `${instance}/positions/end`, 'instance', 'consumer'),
  route('consumers.consume', 'GET', `${instance}/records`, 'instance', 'records'),
  route('consumers.commit-offsets', 'POST', `${instance}/offsets`, 'instance', 'consumer'),
  route('consumers.get-committed-offsets', 'GET', `${instance}/offsets`, 'instance', 'consumer'),
]

const { v2, binary, json, avro, jsonschema, protobuf } = mediaTypes
const formats = [binary, json, avro, jsonschema, protobuf]

/** What each class of endpoints takes and gives (contract v2 §1.2). `consumes: null` takes anything. */
export const mediaClasses: Readonly<
  Record<MediaClass, { consumes: readonly string[] | null; produces: readonly Producible[] }>
> = {
  metadata: { consumes: [v2], produces: [{ type: v2, weight: 1 }] },
  brokers: { consumes: null, produces: [{ type: v2, weight: 0.9 }] },
  produce: { consumes: formats, produces: [{ type: v2, weight: 1 }] },
  consumer: {
    consumes: [v2, ...formats],
    produces: [{ type: v2, weight: 0.9 }, ...formats.map(type => ({ type, weight: 0.1 }))],
  },
  records: {
    consumes: [v2, ...formats],
    produces: [
      { type: binary, weight: 1 },
      { type: v2, weight: 0.9 },
      ...[json, avro, jsonschema, protobuf].map(type => ({ type, weight: 0.1 })),
    ],
  },
}

export type RouteMatch =
  | { readonly outcome: 'matched'; readonly route: Route; readonly params: Readonly<Record<string, string>> }
  | { readonly outcome: 'options'; readonly allow: readonly string[] }
  | { readonly outcome: 'not-found' | 'method-not-allowed' | 'malformed' }

/**
 * Finds the operation of a request. Segments are matched raw and decoded one by one, never through
 * `URL.pathname`, which folds `/instances/%2e%2e/records` into another path. One trailing slash is tolerated
 * (contract v2 §1.6); `%2F` inside a segment is data. HEAD works wherever GET does.
 */
export function matchRoute(method: string, rawTarget: string): RouteMatch {
  const segments = rawSegments(rawTarget)
  const candidates = routeTree.get(segments.length)?.filter(({ pattern }) => fits(pattern, segments)) ?? []
  if (candidates.length === 0) return { outcome: 'not-found' }
  if (method === 'OPTIONS') return { outcome: 'options', allow: allowedMethods(candidates.map(c => c.route)) }
  const wanted = method === 'HEAD' ? 'GET' : method
  const found = candidates.find(candidate => candidate.route.method === wanted)
  if (!found) return { outcome: 'method-not-allowed' }
  const params: Record<string, string> = {}
  for (const [index, part] of found.pattern.entries()) {
    if (!part.startsWith('{')) continue
    const decoded = decodeSegment(segments[index] ?? '')
    if (decoded === undefined) return { outcome: 'malformed' }
    params[part.slice(1, -1)] = decoded
  }
  return { outcome: 'matched', route: found.route, params }
}

/** The query of a raw request target. */
export function queryOf(rawTarget: string): URLSearchParams {
  const start = rawTarget.indexOf('?')
  return new URLSearchParams(start < 0 ? '' : rawTarget.slice(start + 1))
}

/** The segments of a raw target's path, not decoded; without its query and one trailing slash. */
export function rawSegments(rawTarget: string): string[] {
  const query = rawTarget.indexOf('?')
  const path = query < 0 ? rawTarget : rawTarget.slice(0, query)
  const trimmed = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
  return trimmed === '/' ? [] : trimmed.split('/').slice(1)
}

interface Candidate {
  readonly route: Route
  readonly pattern: readonly string[]
}

/** The table by number of segments: a request is compared with at most six patterns. */
const routeTree: ReadonlyMap<number, readonly Candidate[]> = Map.groupBy(
  routes.map(entry => ({ route: entry, pattern: rawSegments(entry.path) })),
  candidate => candidate.pattern.length,
)

/** Whether segments have the form of a path with `{name}` parameters, which are never empty. */
export function fits(pattern: readonly string[], segments: readonly string[]): boolean {
  return pattern.every((part, index) => {
    const segment = segments[index] ?? ''
    return part.startsWith('{') ? segment !== '' : part === segment
  })
}

/** A segment percent-decoded; undefined when it is malformed. */
export function decodeSegment(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

function allowedMethods(found: readonly Route[]): string[] {
  const methods = new Set<string>(found.map(entry => entry.method))
  if (methods.has('GET')) methods.add('HEAD')
  return [...methods.add('OPTIONS')].sort()
}
