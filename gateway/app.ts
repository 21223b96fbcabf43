import { Hono } from 'hono'
import { RestError } from '../shared/errors/rest-error.ts'
import { errorResponse, toRestError } from '../shared/http/error-response.ts'
import { internalHeaders, requestIdHeader } from '../shared/http/internal-headers.ts'
import { requestIdOf } from '../shared/http/request-id.ts'
import { instanceKey } from '../shared/ids.ts'
import { negotiate } from '../shared/rest/media-type.ts'
import { matchRoute, mediaClasses, type RouteMatch } from '../shared/rest/routes.ts'
import { type Need, needOf } from './http/affinity.ts'
import { forwardCreate } from './http/create-consumer.ts'
import type { ForwardDeps } from './http/deps.ts'
import { forwardToInstance } from './http/instance-request.ts'
import { forwardStateless } from './http/stateless-request.ts'
import { ClientGone, type ClientRequest, type Forwarder } from './upstream/forwarder.ts'

export interface GatewayApp extends ForwardDeps {
  readonly forwarder: Forwarder
  /** Whether the gateway is stopping: every answer then closes its connection. */
  readonly closing: () => boolean
  /** Told of every request when it comes in; where the runtime can tell how it ends, that is logged and measured. */
  readonly onRequest?: (env: unknown, note: RequestNote) => void
}

export interface RequestNote {
  readonly requestId: string
  /** Operation id of the route table; undefined for unknown paths. */
  readonly operation: string | undefined
}

/**
 * The gateway as a value that answers requests: it decides by the route table where each goes, and streams it there.
 * Free of anything that only Node has; what moves the bytes is the forwarder.
 */
export function createGateway(deps: GatewayApp): Hono {
  // Routing is by the raw target (routes.ts); hono's own path would be folded already.
  const app = new Hono({ getPath: () => '/' })
  app.all('*', context => answer(deps, context.req.raw, context.env))
  return app
}

async function answer(deps: GatewayApp, request: Request, env: unknown): Promise<Response> {
  const client = deps.forwarder.accept(request, env)
  const requestId = requestIdOf(client.header(requestIdHeader))
  const match = matchRoute(client.method, client.target)
  const operation = match.outcome === 'matched' ? match.route.id : undefined
  deps.onRequest?.(env, { requestId, operation })
  try {
    return await forward(deps, client, needOf(match), requestId)
  } catch (thrown) {
    // Nobody is there to read it; 499 is what logs call a client that left.
    if (thrown instanceof ClientGone || client.signal.aborted) return new Response(null, { status: 499 })
    const error = withoutNodes(thrown, match) ?? toRestError(thrown, deps.log, requestId)
    const response = errorResponse(error, errorType(client, match))
    response.headers.set(requestIdHeader, requestId)
    return response
  }
}

async function forward(
  deps: GatewayApp,
  client: ClientRequest,
  need: Need,
  requestId: string,
): Promise<Response> {
  // The one target that is no path; no operation has it, and no node would be asked for it.
  if (client.target === '*') throw new RestError('notFound')
  const own = { [requestIdHeader]: requestId }
  const toClient = () => (deps.closing() ? { ...own, connection: 'close' } : own)
  switch (need.affinity) {
    case 'stateless':
      return (await forwardStateless(deps, client, need.route, own)).deliver({ headers: toClient() })
    case 'create':
      return (await forwardCreate(deps, client, need.group, own)).deliver({ headers: toClient() })
    case 'instance': {
      const { route, ref } = need
      const { answer, holder, headers } = await forwardToInstance(deps, client, route, ref, own)
      const readId = answer.header(internalHeaders.readId)
      if (readId === undefined || !holder) return answer.deliver({ headers: { ...toClient(), ...headers } })
      const onDelivery = deps.reads.watch(holder, instanceKey(ref), readId)
      // A balancer resets a connection that is to be closed, and a reset means that the records have to come again. So
      // reads keep theirs for as long as a stopping gateway serves as before; then the listener closes each.
      return answer.deliver({ headers: { ...own, ...headers }, onDelivery })
    }
  }
}

/** Without any node to ask, unknown paths and methods are still what they are. */
function withoutNodes(thrown: unknown, match: RouteMatch): RestError | undefined {
  if (!(thrown instanceof RestError) || thrown.row !== 'noProxyNode') return undefined
  if (match.outcome === 'not-found') return new RestError('notFound')
  return match.outcome === 'method-not-allowed' ? new RestError('methodNotAllowed') : undefined
}

/** Errors of a matched operation carry its negotiated type (contract v2 §1.6). */
function errorType(client: ClientRequest, match: RouteMatch): string {
  if (match.outcome !== 'matched') return 'application/json'
  const { produces } = mediaClasses[match.route.media]
  return negotiate(client.header('accept'), produces)?.contentType ?? 'application/json'
}
