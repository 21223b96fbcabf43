import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import type { Clock } from '../shared/clock.ts'
import { RestError } from '../shared/errors/rest-error.ts'
import { logWhenDone } from '../shared/http/access-log.ts'
import { errorResponse, toRestError } from '../shared/http/error-response.ts'
import { internalHeaders, requestIdHeader } from '../shared/http/internal-headers.ts'
import type { HttpEnv } from '../shared/http/listen.ts'
import { requestIdOf } from '../shared/http/request-id.ts'
import type { Logger } from '../shared/observability/logger.ts'
import type { Metrics } from '../shared/observability/metrics.ts'
import { essenceOf, mediaTypes, negotiate, parseMediaType } from '../shared/rest/media-type.ts'
import { matchRoute, mediaClasses, queryOf, type Route, type RouteMatch } from '../shared/rest/routes.ts'
import type { Bodies } from './http/bodies.ts'
import { gatewayHints } from './http/gateway-hints.ts'
import type { Handlers, NodeRequest } from './http/handler.ts'
import type { InternalHandler } from './http/internal/internal-handler.ts'
import type { RateLimit } from './http/rate-limit.ts'
import type { ProxyNodeMetric } from './metrics.ts'
import { KafkaError } from './ports/kafka-error.ts'
import { toRestError as kafkaAnswer } from './services/kafka-failures.ts'

export interface ProxyNodeApp {
  /** Handlers by operation id of the route table; an operation without one does not exist here. */
  readonly handlers: Handlers
  /** Answers the routes between processes; undefined for a path that is none of them. */
  readonly internal: InternalHandler
  /** Whether a header value is the internal token. */
  readonly isInternalToken: (value: string | undefined) => boolean | Promise<boolean>
  /** @throws RestError when the operator's lists close the endpoint (access-list.ts). */
  readonly checkAccess: (route: Route, mediaType: string | undefined) => void
  /** Waits for the request's turn. @throws RestError when there are too many (rate-limit.ts). */
  readonly checkRate: RateLimit
  readonly bodies: Bodies
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics<ProxyNodeMetric>
  readonly accessLog: boolean
}

/**
 * The node's HTTP face: path (404), method (405), Content-Type (415), Accept (406), access lists, rate limit, then the handler,
 * in the order
 * of contract v2 §1.5.
 */
export function createProxyNode(deps: ProxyNodeApp): Hono<{ Bindings: HttpEnv }> {
  // Routing is by the raw target (routes.ts); hono's own path would be folded already.
  const app = new Hono<{ Bindings: HttpEnv }>({ getPath: () => '/' })
  app.all('*', context => answer(deps, context.env))
  // What is thrown outside of a handler, such as by the body of an internal route: hono would answer it in plain text.
  app.onError((error, { env }) => {
    const requestId = String(env.outgoing.getHeader(requestIdHeader))
    return errorResponse(toRestError(error, deps.log, requestId), 'application/json')
  })
  return app
}

async function answer(deps: ProxyNodeApp, env: HttpEnv): Promise<Response> {
  const { incoming, outgoing } = env
  const requestId = requestIdOf(header(env, requestIdHeader))
  outgoing.setHeader(requestIdHeader, requestId)
  const target = incoming.url ?? '/'
  const match = matchRoute(incoming.method ?? 'GET', target)
  const operation = match.outcome === 'matched' ? match.route.id : undefined
  logWhenDone(
    env,
    { requestId, operation },
    { clock: deps.clock, log: deps.log, enabled: deps.accessLog },
    (status, seconds) =>
      deps.metrics.observe('kafka_rest_node_request_seconds', seconds, {
        operation: operation ?? 'none',
        status,
      }),
  )
  if (match.outcome === 'matched') return answerRoute(deps, env, match, requestId)
  const trusted = await deps.isInternalToken(header(env, internalHeaders.token))
  const internal = await deps.internal({
    target,
    env,
    trusted,
    body: () => deps.bodies.read(incoming, outgoing),
  })
  return internal ?? answerUnmatched(env, match)
}

/** Unknown paths and methods carry no Content-Type (contract v2 §1.6). */
function answerUnmatched(env: HttpEnv, match: Exclude<RouteMatch, { outcome: 'matched' }>): Response {
  switch (match.outcome) {
    case 'options': {
      const allow = match.allow.join(',')
      return new Response(allow, { headers: { Allow: allow, 'Content-Type': 'text/plain' } })
    }
    case 'malformed':
      return errorResponse(
        new RestError('badRequest', 'Malformed percent-encoding in the path'),
        'application/json',
      )
    case 'method-not-allowed':
      return bare(env, new RestError('methodNotAllowed'))
    case 'not-found':
      return bare(env, new RestError('notFound'))
  }
}

/** An error body without a Content-Type; a web Response would be given `text/plain`. */
function bare({ outgoing }: HttpEnv, error: RestError): Response {
  // The listener may have refused the request by now, because the rest of its body did not come.
  if (!outgoing.headersSent) outgoing.writeHead(error.status).end(JSON.stringify(error.body()))
  return RESPONSE_ALREADY_SENT
}

async function answerRoute(
  deps: ProxyNodeApp,
  env: HttpEnv,
  match: Extract<RouteMatch, { outcome: 'matched' }>,
  requestId: string,
): Promise<Response> {
  const { incoming, outgoing } = env
  const media = mediaClasses[match.route.media]
  const rawType = header(env, 'content-type')
  const contentType = rawType === undefined ? undefined : essenceOf(rawType)
  if (rawType !== undefined && parseMediaType(rawType) === undefined)
    return errorResponse(new RestError('badContentType'), 'application/json')
  if (contentType !== undefined && media.consumes !== null && !media.consumes.includes(contentType))
    return unsupported(env, media.consumes)
  const negotiated = negotiate(header(env, 'accept'), media.produces)
  if (!negotiated) return bare(env, new RestError('notAcceptable'))
  const signal = closedSignal(env)
  try {
    const endpointType = match.route.media === 'produce' ? contentType : negotiated.type
    deps.checkAccess(match.route, endpointType)
    await deps.checkRate(match.route, endpointType, signal)
    const handler = deps.handlers[match.route.id]
    if (!handler) throw new RestError('notFound')
    const request: NodeRequest = {
      route: match.route,
      params: match.params,
      query: queryOf(incoming.url ?? '/'),
      contentType,
      responseType: negotiated.type,
      contentTypeHeader: negotiated.contentType,
      body: () => deps.bodies.read(incoming, outgoing, match.route.media === 'produce' ? 'data' : 'control'),
      requestId,
      signal,
      gateway: await gatewayHints(incoming, deps.isInternalToken),
      incoming,
      outgoing,
    }
    return await handler(request)
  } catch (thrown) {
    // Nobody is there to read an answer, and a client that leaves is no error of ours.
    if (signal.aborted && thrown === signal.reason) return new Response(null, { status: 499 })
    const known = thrown instanceof KafkaError ? kafkaAnswer(thrown) : thrown
    return errorResponse(toRestError(known, deps.log, requestId), negotiated.contentType)
  }
}

/**
 * 415: its own type is the first item of Accept that is textually one of two, else application/json (contract v2
 * §1.4). The accepted types are told in `Accept-Post`, since the text does not name them.
 */
function unsupported(env: HttpEnv, consumes: readonly string[]): Response {
  const items =
    header(env, 'accept')
      ?.split(',')
      .map(item => item.trim()) ?? []
  const preferred =
    items.find(item => item === 'application/json' || item === mediaTypes.v2) ?? 'application/json'
  const response = errorResponse(new RestError('unsupportedMediaType'), preferred)
  response.headers.set('Accept-Post', consumes.join(', '))
  return response
}

function header({ incoming }: HttpEnv, name: string): string | undefined {
  const value = incoming.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/** Aborts when the connection closes before the answer has ended. */
function closedSignal({ outgoing }: HttpEnv): AbortSignal {
  const controller = new AbortController()
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) controller.abort(new Error('the client closed the connection'))
  })
  return controller.signal
}
