import type { Clock } from '../shared/clock.ts'
import { RestError } from '../shared/errors/rest-error.ts'
import { adminFetch, createAdmin } from '../shared/http/admin.ts'
import { Compression } from '../shared/http/compression.ts'
import { corsPolicy } from '../shared/http/cors.ts'
import { errorResponse } from '../shared/http/error-response.ts'
import { createIdentityProbe, createInstanceProbe } from '../shared/http/identity-probe.ts'
import { type HttpEnv, type Listener, listen } from '../shared/http/listen.ts'
import { readNodeTls } from '../shared/http/node-tls.ts'
import { createOperatorApi } from '../shared/http/operator-api.ts'
import { openListenerTls } from '../shared/http/tls.ts'
import { Lifecycle } from '../shared/lifecycle.ts'
import type { Logger } from '../shared/observability/logger.ts'
import { Metrics } from '../shared/observability/metrics.ts'
import { createRandom, drawSeed } from '../shared/random.ts'
import { nodeOperatorRoutes } from '../shared/rest/operator-routes.ts'
import { openRoutingTable } from '../shared/routing/open-routing-table.ts'
import type { RoutingTable } from '../shared/routing/routing-table.ts'
import { createTokenCheck } from '../shared/security/internal-token.ts'
import { createOperatorTokens } from '../shared/security/operator-tokens.ts'
import { createProxyNode } from './app.ts'
import { createFormats } from './formats/formats.ts'
import { createAccessCheck } from './http/access-list.ts'
import { nodeOperatorHandlers } from './http/admin-operators.ts'
import { Bodies } from './http/bodies.ts'
import type { Handlers } from './http/handler.ts'
import type { InternalHandler } from './http/internal/internal-handler.ts'
import { createInternalRoutes } from './http/internal/internal-routes.ts'
import { createOperatorOrders } from './http/internal/operator-orders.ts'
import { createRateLimit } from './http/rate-limit.ts'
import { type ProxyNodeMetric, proxyNodeMetrics } from './metrics.ts'
import { openClients } from './open-clients.ts'
import { openConsumers } from './open-consumers.ts'
import type { KafkaView } from './open-kafka.ts'
import { openMember } from './open-member.ts'
import { openProduce } from './open-produce.ts'
import { openSchemas } from './open-schemas.ts'
import { statelessHandlers } from './open-stateless.ts'
import { consumerProblems } from './services/consumer-settings.ts'
import { Drain, type DrainSettings } from './services/drain.ts'
import type { Membership } from './services/membership.ts'
import { NodeOperations } from './services/node-operations.ts'
import type { LoadedProxyNodeSettings, ProxyNodeSettings } from './settings.ts'
import { type CheckedSettings, checkSettings } from './settings-check.ts'

export interface ProxyNodeProgramDeps {
  readonly log: Logger
  readonly clock: Clock
  /** Instead of the one that the settings name: for gateways and nodes that share a process. It is not stopped here. */
  readonly routingTable?: RoutingTable
  /** Aborts a start that is no longer wanted. */
  readonly signal?: AbortSignal
  /** Called when the process must end though nobody told it to: the node id belongs to another process. */
  readonly onFatal: (error: Error) => void
}

export interface RunningProxyNode {
  /** `http://host:port` of the data listener. */
  readonly url: string
  readonly adminUrl: string | undefined
  /** Finishes what was accepted, lets the consumer instances go, leaves, and closes the listener last. */
  stop(): Promise<void>
}

/**
 * Starts a proxy node. Kafka, the routing table and the registry may be away: `/ready` tells.
 * @throws SettingsError; NodeIdTaken; the error of a bind.
 */
export async function startProxyNode(
  loaded: LoadedProxyNodeSettings,
  deps: ProxyNodeProgramDeps,
): Promise<RunningProxyNode> {
  const checked = checkSettings(loaded, consumerProblems(loaded))
  const lifecycle = new Lifecycle(deps.log)
  try {
    return await start(loaded, checked, deps, lifecycle)
  } catch (error) {
    await lifecycle.stop()
    throw error
  }
}

async function start(
  loaded: LoadedProxyNodeSettings,
  checked: CheckedSettings,
  deps: ProxyNodeProgramDeps,
  lifecycle: Lifecycle,
): Promise<RunningProxyNode> {
  const { settings } = loaded
  const { log, clock } = deps
  const metrics = new Metrics<ProxyNodeMetric>(proxyNodeMetrics, { process: deps.routingTable === undefined })
  const kafka = openParts(loaded, checked, deps, metrics, lifecycle)
  const table =
    deps.routingTable ?? lifecycle.add('routing table', await openRoutingTable(settings, { clock, log }))
  const nodeTls = readNodeTls(settings)
  const face: { fetch: Fetch } = { fetch: starting }
  const listener = await openListener(settings, deps, metrics, checked.listener, (request, env) =>
    face.fetch(request, env),
  )
  lifecycle.add('listener', listener)
  const farewell = { delayMs: 0 }
  lifecycle.add('farewell', { stop: () => clock.sleep(farewell.delayMs) })
  const membership = await openMember(settings, {
    ...deps,
    table,
    metrics,
    probeIdentity: createIdentityProbe(settings['internal.token'], nodeTls),
    probeInstance: createInstanceProbe(settings['internal.token'], nodeTls),
    url: listener.url,
    signal: deps.signal ?? new AbortController().signal,
  })
  lifecycle.add('membership', { stop: () => membership.leave() })
  const { instances, handlers } = openConsumers(loaded, {
    ...kafka,
    claims: membership.claims,
    table,
    nodeId: membership.identity().id,
    nodeTls,
    metrics,
    clock,
    log,
  })
  lifecycle.add('consumer instances', instances)
  instances.start()
  membership.startSweeping({
    removeMember: orphan => instances.removeMember(orphan),
    adopt: orphan => instances.adopt(orphan),
  })
  const drain = new Drain({ instances, membership, settings: drainSettings(settings), clock, log })
  const operations = new NodeOperations({
    drain,
    instances,
    membership,
    instancesMax: settings['consumer.instances.max'],
  })
  const internalRoutes = createInternalRoutes({
    membership,
    holds: key => membership.holds(key),
    applyReadOutcomes: reports => instances.applyReadOutcomes(reports),
    takeOver: request => instances.takeOver(request),
  })
  const orders = createOperatorOrders({ operations, log })
  const internal: InternalHandler = async request =>
    (await internalRoutes(request)) ?? (await orders(request))
  const app = appOf(settings, deps, metrics, { handlers: { ...handlers, ...kafka.handlers }, internal })
  face.fetch = (request, env) => app.fetch(request, env)
  const admin = await startAdmin(settings, deps, lifecycle, metrics, {
    kafka,
    membership,
    operations,
  })
  log.info({ url: listener.url, admin: admin?.url }, 'listening')
  // So that the log says when Kafka is not there, though nobody has asked for anything yet.
  kafka.cluster.ping(settings['kafka.metadata.timeout.ms']).catch(() => undefined)
  return {
    url: listener.url,
    adminUrl: admin?.url,
    async stop() {
      await drain.start()
      listener.closeConnections()
      // Until the gateways have seen that it is no member any more: a read that they send on a connection that is closed
      // at that moment would be lost, and they could not tell whether it was served. Here it learns who has the instance.
      farewell.delayMs = drainSettings(settings).delayMs
      await lifecycle.stop()
    },
  }
}

type Fetch = (request: Request, env: HttpEnv) => Response | Promise<Response>

/** The listener is bound before the node is registered, since its address is part of the registration. */
const starting: Fetch = () => errorResponse(new RestError('starting'), 'application/json')

/** Everything that needs no placement: Kafka, the schemas, and the producers. */
function openParts(
  loaded: LoadedProxyNodeSettings,
  checked: CheckedSettings,
  deps: ProxyNodeProgramDeps,
  metrics: Metrics<ProxyNodeMetric>,
  lifecycle: Lifecycle,
) {
  const { settings } = loaded
  const { log, clock } = deps
  const random = createRandom(drawSeed())
  const clients = openClients(settings, {
    passThrough: loaded.passThrough,
    bootstrap: checked.bootstrap,
    clientId: clientIdOf(settings),
    metadataMaxAgeMs: settings['consumer.metadata.max.age.ms'],
    clock,
    random,
    log,
  })
  lifecycle.add('kafka', clients)
  const { kafka, views } = clients
  for (const state of ['open', 'leased', 'waiting'] as const)
    metrics.read(
      'kafka_rest_node_kafka_connections',
      () => views.reduce((sum, { connections }) => sum + connections.counts()[state], 0),
      { state },
    )
  const opened = openSchemas(settings, [...loaded.passThrough.keys(), ...loaded.unknown], {
    clock,
    log,
    observer: {
      hit: cache => metrics.count('kafka_rest_node_schema_cache_total', { cache, result: 'hit' }),
      miss: cache => metrics.count('kafka_rest_node_schema_cache_total', { cache, result: 'miss' }),
    },
  })
  const { schemas } = lifecycle.add('schemas', opened)
  const formats = createFormats({
    nullPublishesEmptyRecord: settings['null.request.body.always.publishes.empty.record'],
  })
  const produce = openProduce(settings, {
    cluster: clients.producer.cluster,
    connection: clients.connection,
    formats,
    schemas,
    metrics,
    clock,
    random,
    log,
  })
  lifecycle.add('producers', produce)
  const handlers = statelessHandlers(settings, {
    view: clients.admin,
    consumers: kafka.consumers,
    produce: produce.produce,
  })
  return { ...kafka, views, formats, schemas, handlers }
}

/** Kafka's logs and quotas tell clients apart by it. */
function clientIdOf(settings: ProxyNodeSettings): string {
  return settings['id'] === '' ? 'kafka-rest' : `kafka-rest-${settings['id']}`
}

function appOf(
  settings: ProxyNodeSettings,
  { clock, log }: ProxyNodeProgramDeps,
  metrics: Metrics<ProxyNodeMetric>,
  answers: { readonly handlers: Handlers; readonly internal: InternalHandler },
) {
  const bodies = new Bodies({
    bodyBytesMax: settings['request.body.max.bytes'],
    controlBytesMax: settings['request.control.body.max.bytes'],
    totalBytesMax: settings['request.bodies.max.bytes'],
  })
  metrics.read('kafka_rest_node_request_body_bytes', () => bodies.bytes)
  return createProxyNode({
    ...answers,
    checkAccess: createAccessCheck({
      enabled: settings['api.v2.enable'],
      allow: settings['api.endpoints.allowlist'],
      block: settings['api.endpoints.blocklist'],
    }),
    checkRate: createRateLimit(settings, clock),
    isInternalToken: createTokenCheck(settings['internal.token']),
    bodies,
    clock,
    log,
    metrics,
    accessLog: settings['access.log.enable'],
  })
}

/** What both listeners have in common. */
function listenOptions(settings: ProxyNodeSettings, { clock, log }: ProxyNodeProgramDeps) {
  return {
    log,
    clock,
    headBytesMax: settings['request.head.max.bytes'],
    connectionsMax: settings['connections.max'],
    keepAliveTimeoutMs: settings['connection.idle.timeout.ms'],
    headTimeoutMs: settings['request.head.timeout.ms'],
    requestTimeoutMs: settings['request.receive.timeout.ms'],
    writeTimeoutMs: settings['response.write.timeout.ms'],
    stopTimeoutMs: settings['shutdown.graceful.ms'],
  }
}

/** The data listener; answers are compressed here, and pass through a gateway as they are. */
function openListener(
  settings: ProxyNodeSettings,
  deps: ProxyNodeProgramDeps,
  metrics: Metrics<ProxyNodeMetric>,
  url: string,
  fetch: Fetch,
): Promise<Listener> {
  const cors = corsPolicy(settings)
  const compression = new Compression({ streamsMax: settings['compression.streams.max'] })
  return listen({
    ...listenOptions(settings, deps),
    url,
    fetch,
    ...(url.startsWith('https:') ? { tls: openListenerTls(settings, deps) } : {}),
    ...(settings['compression.enable'] ? { compression } : {}),
    ...(cors ? { cors } : {}),
    onTrouble: trouble => metrics.count('kafka_rest_node_client_troubles_total', { trouble }),
  })
}

async function startAdmin(
  settings: ProxyNodeSettings,
  deps: ProxyNodeProgramDeps,
  lifecycle: Lifecycle,
  metrics: Metrics<ProxyNodeMetric>,
  {
    kafka,
    membership,
    operations,
  }: {
    kafka: { readonly views: readonly KafkaView[] }
    membership: Membership
    operations: NodeOperations
  },
): Promise<Listener | undefined> {
  const url = settings['admin.listener']
  if (url === '') return undefined
  const checks = [
    {
      name: 'kafka',
      check: async () => {
        await Promise.all(
          kafka.views.map(({ cluster }) => cluster.ping(settings['kafka.metadata.timeout.ms'])),
        )
        return undefined
      },
    },
    {
      name: 'routing table',
      check: async () => (membership.registered ? undefined : 'this node is not registered'),
    },
    // For balancers right in front of nodes; gateways see it in the routing table.
    {
      name: 'service',
      check: async () => (operations.status().state === 'active' ? undefined : 'this node is draining'),
    },
  ]
  const admin = createAdmin({ ...deps, checks, metrics })
  const operators = createOperatorApi({
    routes: nodeOperatorRoutes,
    handlers: nodeOperatorHandlers(operations),
    tokens: createOperatorTokens(settings['admin.tokens']),
    log: deps.log,
  })
  const options = { ...listenOptions(settings, deps), url, fetch: adminFetch(admin, operators) }
  return lifecycle.add('admin', await listen(options))
}

/** Where nothing else shares the table there is no gateway to wait for. */
function drainSettings(settings: ProxyNodeSettings): DrainSettings {
  return {
    delayMs: settings['redis.url'] === '' ? 0 : settings['drain.delay.ms'],
    concurrency: settings['drain.instances.at.once'],
    pauseMs: settings['drain.pause.ms'],
    timeoutMs: settings['drain.timeout.ms'],
  }
}
