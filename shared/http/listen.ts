import {
  createServer,
  IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Clock } from '../clock.ts'
import { RestError } from '../errors/rest-error.ts'
import type { Stoppable } from '../lifecycle.ts'
import type { Logger } from '../observability/logger.ts'
import { sendAnswer } from './answer.ts'
import { holdBody } from './body-admission.ts'
import { type Compression, compressed } from './compression.ts'
import { Connections, type ListenerTrouble } from './connections.ts'
import { type CorsPolicy, corsAnswer } from './cors.ts'
import { errorResponse } from './error-response.ts'
import { guardedResponse } from './guarded-response.ts'
import { headProblem } from './head-rules.ts'
import { requestIdHeader } from './internal-headers.ts'
import { refuse } from './refusal.ts'
import { requestIdOf } from './request-id.ts'
import type { ListenerTls } from './tls.ts'

/** The raw pair behind a request, in hono's `c.env`. */
export interface HttpEnv {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
}

export interface ListenOptions {
  /** `http://host:port` or `https://host:port`; port 0 takes a free one. */
  readonly url: string
  readonly fetch: (request: Request, env: HttpEnv) => Response | Promise<Response>
  readonly log: Logger
  readonly clock: Clock
  /** Bytes of a request's head; more is 431 (`request.head.max.bytes`). */
  readonly headBytesMax: number
  /** Open connections; more are refused (`connections.max`). */
  readonly connectionsMax: number
  /** How long an idle connection is kept. A node's must be longer than its gateways' pools keep theirs. */
  readonly keepAliveTimeoutMs: number
  /** How long a client may take to send a request's head. */
  readonly headTimeoutMs: number
  /** How long a client may take to send a whole request; 0 = no limit. */
  readonly requestTimeoutMs: number
  /**
   * How long a client may take no bytes of an answer, after which its connection is cut, or send none of a
   * body that is waited for, after which it gets 408 (`response.write.timeout.ms`; 30 s).
   */
  readonly writeTimeoutMs?: number
  /** Longest time for `stop` to finish what was begun (30 s); `stop` takes another. */
  readonly stopTimeoutMs?: number
  /** Certificate and key; needed for an https url. Stopped with the listener. */
  readonly tls?: ListenerTls
  /** Compresses answers for clients that accept gzip; only where answers are made, not where they pass. */
  readonly compression?: Compression
  /** Answers preflight requests, and adds its headers to every answer. */
  readonly cors?: CorsPolicy
  /** Counts what clients do wrong below the app. */
  readonly onTrouble?: (trouble: ListenerTrouble) => void
}

/** A listening HTTP server. */
export interface Listener extends Stoppable {
  /** `http://host:port` with the port that was bound. */
  readonly url: string
  /** From now on every answer closes its connection. */
  closeConnections(): void
  /** Requests that were begun and not yet answered to the end. */
  readonly inFlight: number
  /** Open connections. */
  readonly connections: number
  /**
   * Stops accepting, closes idle connections at once, finishes the answers in flight, and cuts what is left
   * when the deadline has passed. Never hangs.
   */
  stop(deadlineMs?: number): Promise<void>
}

/** How often, at least, Node looks for heads that took too long. */
const headCheckMs = 1000

/** Connections over the limit that are still told so; beyond them they are closed without a word. */
const toldConnectionsMax = 64

/**
 * Opens an HTTP/1.1 listener in front of an app. What the app never sees: heads that Node's parser refuses or
 * that break the rules of head-rules.ts, and requests of a connection before the one ahead of them is
 * answered. `Expect: 100-continue` is answered when the body is first read, so that a refused request need
 * not be sent.
 * @throws the error of the bind, such as EADDRINUSE.
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { clock, connectionsMax, requestTimeoutMs: bodyTimeoutMs } = options
  const onTrouble = options.onTrouble ?? (() => {})
  const stallTimeoutMs = options.writeTimeoutMs ?? 30_000
  const serve = serveWith(options, onTrouble)
  const limits = { connectionsMax, stallTimeoutMs, bodyTimeoutMs }
  const connections = new Connections({ clock, ...limits, onTrouble, serve })
  const server = openServer(options, incoming => connections.mustClose(incoming))
  server.maxConnections = connectionsMax + toldConnectionsMax
  // Node would drop what comes after the first 2,000 headers without a word, a second Host among them.
  server.maxHeadersCount = 0
  // Between requests: a head that comes slowly has its own limit, and its own answer.
  server.timeout = Math.max(stallTimeoutMs, options.headTimeoutMs + headCheckMs)
  server.on('timeout', socket => connections.stalled(socket))
  server.on('drop', () => onTrouble('connection_refused'))
  if (options.tls) server.on('connection', socket => connections.greet(socket))
  server.on(options.tls ? 'secureConnection' : 'connection', (socket: Socket) => connections.add(socket))
  const begin = (incoming: IncomingMessage, outgoing: ServerResponse) => connections.begin(incoming, outgoing)
  server.on('request', begin)
  server.on('checkContinue', (incoming: IncomingMessage, outgoing: ServerResponse) => {
    holdBody(incoming)
    begin(incoming, outgoing)
  })
  // Without these two Node would answer without a body, or not at all.
  server.on('checkExpectation', begin)
  server.on('connect', (_request, socket) => connections.refuseTunnel(socket as Socket))
  server.on('clientError', (error, socket) => connections.fail(error, socket as Socket))
  await bind(server, options.url)
  return listenerOf(server, options, connections)
}

function openServer(options: ListenOptions, mustClose: (incoming: IncomingMessage) => boolean): Server {
  const { headTimeoutMs, tls, url } = options
  const http: ServerOptions = {
    IncomingMessage,
    ServerResponse: guardedResponse(mustClose),
    maxHeaderSize: options.headBytesMax,
    keepAliveTimeout: options.keepAliveTimeoutMs,
    headersTimeout: headTimeoutMs,
    // Bodies are timed in connections.ts, which knows whom the server waits for.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(headCheckMs, Math.max(20, Math.floor(headTimeoutMs / 4))),
    // head-rules.ts wants it too, and answers with a body.
    requireHostHeader: false,
    shouldUpgradeCallback: () => false,
    insecureHTTPParser: false,
    // Finds clients that vanished without a word while an answer is being waited for.
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
  }
  if (url.startsWith('https:') !== (tls !== undefined))
    throw new Error(`${url}: an https listener needs a certificate, and no other takes one`)
  if (!tls) return createServer(http)
  const server = createTlsServer({ ...http, ...tls.serverOptions, handshakeTimeout: headTimeoutMs })
  tls.onReload(context => server.setSecureContext(context))
  server.on('secureConnection', socket => tls.admit(socket))
  return server
}

/** How one request is answered: by the head rules, by CORS, or by the app. */
function serveWith(options: ListenOptions, onTrouble: (trouble: ListenerTrouble) => void) {
  const { log, cors } = options
  const respond = getRequestListener(
    async (request, { incoming, outgoing }) => {
      await answer(options, request, { incoming, outgoing } as HttpEnv)
      return RESPONSE_ALREADY_SENT
    },
    {
      hostname: 'localhost',
      overrideGlobalObjects: false,
      autoCleanupIncoming: true,
      // Only a target or Host that cannot be made a URL gets here, and the head rules leave none.
      errorHandler: () => errorResponse(new RestError('badTarget'), 'application/json'),
    },
  )
  return (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const problem = headProblem(incoming, options.headBytesMax)
    if (problem) {
      const requestId = requestIdOf(incoming.headers[requestIdHeader]?.toString())
      log.debug(
        { request_id: requestId, row: problem, client: incoming.socket.remoteAddress },
        'head refused',
      )
      onTrouble('head_refused')
      outgoing.setHeader(requestIdHeader, requestId)
      refuse(outgoing, problem)
      return
    }
    if (cors && answerCors(cors, incoming, outgoing)) return
    // OPTIONS * asks about the server as a whole (RFC 9110 §9.3.7).
    if (incoming.url === '*') return void outgoing.writeHead(200, { 'Content-Length': 0 }).end()
    respond(incoming, outgoing).catch((error: unknown) => {
      log.error({ err: error }, 'a request could not be answered')
      outgoing.destroy()
    })
  }
}

async function answer(options: ListenOptions, request: Request, env: HttpEnv): Promise<void> {
  const { log, compression, fetch } = options
  const { incoming, outgoing } = env
  try {
    const made = await fetch(request, env)
    const sent =
      compression && incoming.method !== 'HEAD'
        ? await compressed(made, incoming.headers['accept-encoding'], compression)
        : made
    await sendAnswer(sent, outgoing)
  } catch (error) {
    if (outgoing.destroyed) return
    if (!outgoing.headersSent) {
      log.error({ err: error, target: incoming.url }, 'the app failed to answer')
      return refuse(outgoing, 'internal')
    }
    if (outgoing.writableEnded) return
    log.warn({ err: error, target: incoming.url }, 'an answer was cut short')
    outgoing.destroy()
  }
}

/** @returns whether that was all, since the request only asked what is allowed. */
function answerCors(policy: CorsPolicy, incoming: IncomingMessage, outgoing: ServerResponse): boolean {
  const { headers, preflight } = corsAnswer(policy, incoming.method ?? '', name =>
    incoming.headers[name]?.toString(),
  )
  for (const [name, value] of Object.entries(headers)) outgoing.setHeader(name, value)
  if (preflight) outgoing.writeHead(200, { 'Content-Length': 0 }).end()
  return preflight
}

function bind(server: Server, url: string): Promise<void> {
  const { hostname, port, protocol } = new URL(url)
  const standardPort = protocol === 'https:' ? 443 : 80
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(
      // A burst of reconnecting clients waits in the kernel; its own bound (somaxconn) is lower on most
      // systems.
      {
        port: port === '' ? standardPort : Number(port),
        host: hostname.replace(/^\[|\]$/g, ''),
        backlog: 4096,
      },
      () => {
        server.off('error', reject)
        resolve()
      },
    )
  })
}

function listenerOf(server: Server, options: ListenOptions, connections: Connections): Listener {
  const { protocol, hostname } = new URL(options.url)
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  let stopped: Promise<void> | undefined
  return {
    url: `${protocol}//${hostname}:${port}`,
    get inFlight() {
      return connections.inFlight
    },
    get connections() {
      return connections.open
    },
    closeConnections: () => connections.closeAfterAnswers(),
    stop(deadlineMs = options.stopTimeoutMs ?? 30_000) {
      stopped ??= stop(server, connections, deadlineMs).finally(() => options.tls?.stop())
      return stopped
    },
  }
}

function stop(server: Server, connections: Connections, deadlineMs: number): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  return connections.drain(closed, deadlineMs)
}
