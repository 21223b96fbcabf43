import type { Clock } from '../shared/clock.ts'
import { logWhenDone } from '../shared/http/access-log.ts'
import { adminFetch, createAdmin } from '../shared/http/admin.ts'
import { corsPolicy } from '../shared/http/cors.ts'
import { type HttpEnv, type Listener, listen } from '../shared/http/listen.ts'
import { readNodeTls } from '../shared/http/node-tls.ts'
import { openListenerTls } from '../shared/http/tls.ts'
import { parseInstanceKey } from '../shared/ids.ts'
import { Lifecycle } from '../shared/lifecycle.ts'
import type { Logger } from '../shared/observability/logger.ts'
import { Metrics } from '../shared/observability/metrics.ts'
import { createRandom, drawSeed } from '../shared/random.ts'
import { openRoutingTable } from '../shared/routing/open-routing-table.ts'
import type { RoutingTable } from '../shared/routing/routing-table.ts'
import { createMemberSigner } from '../shared/security/member-signature.ts'
import { createGateway, type RequestNote } from './app.ts'
import { ReadOutcomes } from './http/read-outcomes.ts'
import { type GatewayMetric, gatewayMetrics } from './metrics.ts'
import { openOperators } from './open-operators.ts'
import { AskedNodes } from './routing/asked-nodes.ts'
import { DeathCheck } from './routing/death-check.ts'
import { NodeLoad } from './routing/node-load.ts'
import { type KnownNode, NodeView } from './routing/node-view.ts'
import { PlacementCache } from './routing/placement-cache.ts'
import { Router } from './routing/router.ts'
import { nodeStates, Selection } from './routing/selection.ts'
import { Withdrawals } from './routing/withdrawals.ts'
import type { GatewaySettings } from './settings.ts'
import { type CheckedSettings, checkSettings } from './settings-check.ts'
import { NodeForwarder } from './upstream/node-forwarder.ts'

export interface GatewayProgramDeps {
  readonly log: Logger
  readonly clock: Clock
  /** Instead of the one in Redis: for gateways and nodes that share a process. It is not stopped here. */
  readonly routingTable?: RoutingTable
  /** Aborts a start that is no longer wanted. */
  readonly signal?: AbortSignal
}

export interface RunningGateway {
  /** `http://host:port` that clients talk to. */
  readonly url: string
  readonly adminUrl: string | undefined
  /** Lets the balancer see it go, finishes what was accepted, and stops; bounded by the settings. */
  stop(): Promise<void>
}

/**
 * Starts a gateway: it serves as soon as this resolves, also while the routing table is away.
 * @throws SettingsError; the error of a bind.
 */
export async function startGateway(
  settings: GatewaySettings,
  deps: GatewayProgramDeps,
): Promise<RunningGateway> {
  const checked = checkSettings(settings, deps.routingTable !== undefined)
  const lifecycle = new Lifecycle(deps.log)
  try {
    return await start(settings, checked, deps, lifecycle)
  } catch (error) {
    await lifecycle.stop()
    throw error
  }
}

async function start(
  settings: GatewaySettings,
  checked: CheckedSettings,
  deps: GatewayProgramDeps,
  lifecycle: Lifecycle,
): Promise<RunningGateway> {
  const { log, clock } = deps
  const state = { listening: false, draining: false }
  const metrics = new Metrics<GatewayMetric>(gatewayMetrics, { process: deps.routingTable === undefined })
  const routing = await openRouting(settings, checked, deps, metrics, lifecycle)
  const { view, selection } = routing
  const admin = await startAdmin(settings, deps, lifecycle, metrics, routing, () => {
    if (state.draining) return 'the gateway is stopping'
    // The first look at the members may take as long as the routing table's time-out.
    if (!state.listening) return 'the gateway is starting'
    return selection.hasNode ? undefined : 'no proxy node is available'
  })
  const app = createGateway({
    ...routing,
    clock,
    log,
    meter: metrics,
    options: forwardOptions(settings, checked),
    closing: () => state.draining,
    onRequest: requestObserver(settings, deps, metrics),
  })
  await view.start()
  deps.signal?.throwIfAborted()
  const listener = await openListener(settings, checked, deps, metrics, (request, env) =>
    app.fetch(request, env),
  )
  state.listening = true
  log.info({ url: listener.url, admin: admin?.url, nodes: view.nodes().length }, 'listening')
  return {
    url: listener.url,
    adminUrl: admin?.url,
    async stop() {
      state.draining = true
      await stopListening(listener, settings, deps)
      await lifecycle.stop()
    },
  }
}

type Routing = Awaited<ReturnType<typeof openRouting>>

async function openRouting(
  settings: GatewaySettings,
  checked: CheckedSettings,
  deps: GatewayProgramDeps,
  meter: Metrics<GatewayMetric>,
  lifecycle: Lifecycle,
) {
  const { log, clock } = deps
  const table = await openTable(settings, deps, lifecycle)
  const forwarder = lifecycle.add('forwarder', openForwarder(settings, clock, meter))
  const random = createRandom(drawSeed())
  const view = lifecycle.add('node view', openView(settings, checked, deps, table, meter))
  const load = new NodeLoad({
    clock,
    random,
    failuresMax: settings['node.failures.max'],
    pauseMs: settings['node.pause.ms'],
  })
  const selection = new Selection({
    nodes: () => view.nodes(),
    isVouchedFor: node => view.isVouchedFor(node),
    load,
    random,
    options: {
      zone: settings['zone'],
      requestsMax: settings['node.requests.max'],
      loadPercent: settings['placement.load.percent'],
    },
  })
  const questions = new AskedNodes({
    forwarder,
    token: settings['internal.token'],
    timeoutMs: settings['node.question.timeout.ms'],
    takeoverTimeoutMs: settings['takeover.timeout.ms'],
  })
  const refusedIsDead = settings['nodes.refused.is.dead']
  const deaths = new DeathCheck({ view, questions, refusedIsDead, meter })
  const cache = new PlacementCache(settings['placements.cache.max'], clock)
  const router = new Router({ table, view, cache, selection, load, questions, deaths, meter })
  const reads = lifecycle.add(
    'read outcomes',
    new ReadOutcomes({
      report: (node, reports, patience) => questions.report(node, reports, patience),
      holderOf: key => holderOf(router, key),
      isKnown: node => view.holder({ node: node.id, incarnation: node.incarnation }) !== undefined,
      isDead: node => router.isDead(node),
      quietMs: settings['read.outcome.quiet.ms'],
      clock,
      log,
      meter,
    }),
  )
  const withdrawals = new Withdrawals(view)
  showRouting(meter, { table, view, load, selection, cache, clock })
  return { table, forwarder, view, load, selection, cache, router, reads, withdrawals }
}

/** Who has an instance that moved. */
async function holderOf(router: Router, key: string): Promise<KnownNode | undefined> {
  const ref = parseInstanceKey(key)
  const located = ref && (await router.relocate(ref))
  return located?.at === 'node' ? located.node : undefined
}

async function openTable(
  settings: GatewaySettings,
  { routingTable, log, clock }: GatewayProgramDeps,
  lifecycle: Lifecycle,
): Promise<RoutingTable | undefined> {
  if (routingTable) return routingTable
  if (settings['redis.url'] === '') return undefined
  const table = await openRoutingTable(settings, { log, clock })
  return lifecycle.add('routing table', table)
}

function openForwarder(
  settings: GatewaySettings,
  clock: Clock,
  meter: Metrics<GatewayMetric>,
): NodeForwarder {
  return new NodeForwarder({
    clock,
    connectTimeoutMs: settings['node.connect.timeout.ms'],
    tls: readNodeTls(settings),
    responseTimeoutMs: settings['node.response.timeout.ms'],
    bodyTimeoutMs: settings['node.body.timeout.ms'],
    idleTimeoutMs: settings['node.connection.idle.timeout.ms'],
    writeTimeoutMs: settings['response.write.timeout.ms'],
    onWriteStalled: () =>
      meter.count('kafka_rest_gateway_client_troubles_total', { trouble: 'write_stalled' }),
    lingerMs: settings['read.outcome.linger.ms'],
    bodyBytesMax: settings['request.body.max.bytes'],
  })
}

function openView(
  settings: GatewaySettings,
  checked: CheckedSettings,
  { log, clock }: GatewayProgramDeps,
  table: RoutingTable | undefined,
  meter: Metrics<GatewayMetric>,
): NodeView {
  const signer = createMemberSigner(settings['internal.token'])
  return new NodeView({
    table,
    staticNodes: checked.nodes,
    allowed: settings['nodes.allowed'],
    verify: member => signer.verify(member),
    refreshMs: settings['members.refresh.interval.ms'],
    leaseMs: settings['lease.ms'],
    clock,
    log,
    meter,
  })
}

interface ShownRouting extends Pick<Routing, 'table' | 'view' | 'load' | 'selection' | 'cache'> {
  readonly clock: Clock
}

/** Keeps the gauges true, and tells the load which nodes there are. */
function showRouting(
  metrics: Metrics<GatewayMetric>,
  { table, view, load, selection, cache, clock }: ShownRouting,
): void {
  metrics.read('kafka_rest_gateway_placements_cached', () => cache.size)
  const startedAt = clock.monotonic()
  const neverReadMs = () => (table === undefined ? 0 : clock.monotonic() - startedAt)
  metrics.read('kafka_rest_gateway_members_age_seconds', () => (view.ageMs ?? neverReadMs()) / 1000)
  view.onRefreshed(() => {
    const nodes = view.nodes()
    for (const { id, inFlight } of load.entries())
      metrics.set('kafka_rest_gateway_node_requests_in_flight', inFlight, { node: id })
    for (const state of nodeStates) {
      const count = nodes.filter(node => selection.stateOf(node) === state).length
      metrics.set('kafka_rest_gateway_members', count, { state })
    }
    load.refreshed(nodes)
  })
}

function forwardOptions(settings: GatewaySettings, { publicUrl }: CheckedSettings) {
  return {
    token: settings['internal.token'],
    run: crypto.randomUUID(),
    id: settings['id'],
    zone: settings['zone'],
    publicBase: { publicUrl, trusted: settings['forwarded.trusted'] },
    attemptsMax: settings['node.attempts.max'],
    heldBytesMax: settings['request.body.held.bytes'],
    jsonDepthMax: settings['request.json.depth.max'],
  }
}

function requestObserver(
  settings: GatewaySettings,
  { log, clock }: GatewayProgramDeps,
  metrics: Metrics<GatewayMetric>,
) {
  const access = { log, clock, enabled: settings['access.log.enable'] }
  return (env: unknown, note: RequestNote) => {
    // The listener hands each request over with its raw pair.
    logWhenDone(env as HttpEnv, note, access, (status, seconds) =>
      metrics.observe('kafka_rest_gateway_request_seconds', seconds, {
        operation: note.operation ?? 'none',
        status,
      }),
    )
  }
}

function listenOptions(settings: GatewaySettings, { log, clock }: GatewayProgramDeps) {
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

/** The data listener. Encodings of answers pass through: nodes compress. */
function openListener(
  settings: GatewaySettings,
  checked: CheckedSettings,
  deps: GatewayProgramDeps,
  metrics: Metrics<GatewayMetric>,
  fetch: (request: Request, env: HttpEnv) => Response | Promise<Response>,
): Promise<Listener> {
  const cors = corsPolicy(settings)
  return listen({
    ...listenOptions(settings, deps),
    url: checked.listener,
    fetch,
    ...(checked.listener.startsWith('https:') ? { tls: openListenerTls(settings, deps) } : {}),
    ...(cors ? { cors } : {}),
    onTrouble: trouble => metrics.count('kafka_rest_gateway_client_troubles_total', { trouble }),
  })
}

async function startAdmin(
  settings: GatewaySettings,
  deps: GatewayProgramDeps,
  lifecycle: Lifecycle,
  metrics: Metrics<GatewayMetric>,
  routing: Routing,
  problem: () => string | undefined,
): Promise<Listener | undefined> {
  const url = settings['admin.listener']
  if (url === '') return undefined
  const admin = createAdmin({
    ...deps,
    checks: [{ name: 'proxy nodes', check: async () => problem() }],
    metrics,
  })
  const operators = openOperators(settings, { ...routing, log: deps.log, problem })
  const options = { ...listenOptions(settings, deps), url, fetch: adminFetch(admin, operators) }
  return lifecycle.add('admin', await listen(options))
}

/**
 * Goes on serving until the balancer has seen `/ready` fail, then closes each connection with its next answer, and
 * waits for what is in flight.
 */
async function stopListening(
  listener: Listener,
  settings: GatewaySettings,
  { clock, log }: GatewayProgramDeps,
): Promise<void> {
  await clock.sleep(settings['drain.delay.ms'])
  listener.closeConnections()
  const deadlineMs = settings['shutdown.graceful.ms']
  const late = clock.after(deadlineMs, () =>
    log.warn({ inFlight: listener.inFlight }, 'requests are cut off: shutdown.graceful.ms has passed'),
  )
  await listener.stop(deadlineMs)
  late.cancel()
}
