import { createProxyNode } from '../../proxy-node/app.ts'
import { createFormats } from '../../proxy-node/formats/formats.ts'
import { Bodies } from '../../proxy-node/http/bodies.ts'
import { kafkaSettings } from '../../proxy-node/kafka-settings.ts'
import { proxyNodeMetrics } from '../../proxy-node/metrics.ts'
import { openConsumers } from '../../proxy-node/open-consumers.ts'
import { type OpenKafka, openKafka } from '../../proxy-node/open-kafka.ts'
import type { Instances } from '../../proxy-node/services/instances.ts'
import { type Membership, openMembership } from '../../proxy-node/services/membership.ts'
import { proxyNodePassThrough, proxyNodeSettings } from '../../proxy-node/settings.ts'
import { systemClock } from '../../shared/clock.ts'
import { type Listener, listen } from '../../shared/http/listen.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { Metrics } from '../../shared/observability/metrics.ts'
import { MemoryRoutingTable } from '../../shared/routing/memory-routing-table.ts'
import type { RoutingTable } from '../../shared/routing/routing-table.ts'
import { createMemberSigner } from '../../shared/security/member-signature.ts'
import { loadSettings } from '../../shared/settings/load.ts'
import { http, type RawRequest, type RawResponse } from './http-client.ts'
import { kafkaAddress, uniqueName } from './services.ts'

export const internalToken = 'test-token'

/**
 * The consumer side of a proxy node inside the test's process: the real app, services and drivers on the real Kafka, so
 * that a test can reach what no client sees. Stop it in `afterAll`.
 */
export class ConsumerNode {
  readonly url: string
  readonly instances: Instances
  readonly membership: Membership
  readonly metrics: Metrics<(typeof proxyNodeMetrics)[number]['name']>
  readonly kafka: OpenKafka
  readonly #listener: Listener

  private constructor(parts: Omit<ConsumerNode, 'request' | 'stop' | 'connections'>, listener: Listener) {
    this.url = parts.url
    this.instances = parts.instances
    this.membership = parts.membership
    this.metrics = parts.metrics
    this.kafka = parts.kafka
    this.#listener = listener
  }

  static async start(
    overrides: Readonly<Record<string, string>> = {},
    deps: {
      readonly table?: RoutingTable
      readonly bootstrap?: string
      readonly keepAliveTimeoutMs?: number
    } = {},
  ): Promise<ConsumerNode> {
    const file = new Map(
      Object.entries({
        'bootstrap.servers': deps.bootstrap ?? kafkaAddress(),
        // Subscribing answers with the assignment, however long a busy machine takes for it.
        'subscription.wait.ms': '30000',
        ...overrides,
      }),
    )
    const loaded = loadSettings(proxyNodeSettings, file, {}, proxyNodePassThrough)
    const { settings } = loaded
    const clock = systemClock
    const log = silentLogger
    const metrics = new Metrics(proxyNodeMetrics, { process: false })
    const kafka = openKafka(loadSettings(kafkaSettings, file, {}).settings, {
      bootstrap: settings['bootstrap.servers'].map(address => {
        const [host = '', port] = address.split(':')
        return { host, port: Number(port) }
      }),
      clientId: 'test',
      security: {},
      metadataMaxAgeMs: settings['consumer.metadata.max.age.ms'],
      clock,
      random: Math.random,
      log,
    })
    const table = deps.table ?? new MemoryRoutingTable({ clock })
    const membership = await openMembership(
      {
        table,
        clock,
        log,
        metrics,
        signer: createMemberSigner(''),
        probeIdentity: async () => ({ outcome: 'unclear', detail: 'not asked' }),
        probeInstance: async () => 'unclear',
        node: {
          id: uniqueName('node'),
          url: 'http://127.0.0.1:1',
          internalUrl: 'http://127.0.0.1:1',
          zone: '',
          instancesMax: settings['consumer.instances.max'],
        },
        settings: {
          leaseMs: settings['lease.ms'],
          renewIntervalMs: settings['lease.renew.interval.ms'],
          failover: settings['failover.mode'] === 'takeover' ? 'takeover' : 'recreate',
          tombstoneMs: 60_000,
          peerTimeoutMs: 200,
          refusedIsDead: true,
          sweepIntervalMs: 1000,
          pendingMax: 1000,
          orphansMax: 100,
          adoptAfterMs: 15_000,
        },
        onRefused: () => undefined,
      },
      AbortSignal.timeout(10_000),
    )
    const { instances, handlers } = openConsumers(loaded, {
      claims: membership.claims,
      table,
      nodeId: membership.identity().id,
      nodeTls: {},
      consumers: kafka.consumers,
      cluster: kafka.cluster,
      formats: createFormats(),
      schemas: {
        cached: () => undefined,
        load: () => Promise.reject(new Error('there is no registry here')),
      },
      clock,
      log,
      metrics,
    })
    instances.start()
    const app = createProxyNode({
      handlers,
      internal: async () => undefined,
      checkAccess: () => undefined,
      checkRate: async () => undefined,
      isInternalToken: value => value === internalToken,
      bodies: new Bodies({
        bodyBytesMax: 1_000_000,
        controlBytesMax: 1_000_000,
        totalBytesMax: 10_000_000,
      }),
      clock,
      log,
      metrics,
      accessLog: false,
    })
    const listener = await listen({
      url: 'http://127.0.0.1:0',
      fetch: (request, env) => app.fetch(request, env),
      log,
      clock,
      headBytesMax: 8192,
      connectionsMax: 1000,
      keepAliveTimeoutMs: deps.keepAliveTimeoutMs ?? 75_000,
      headTimeoutMs: 10_000,
      requestTimeoutMs: 0,
    })
    return new ConsumerNode({ url: listener.url, instances, membership, metrics, kafka }, listener)
  }

  request(
    method: string,
    path: string,
    options: Partial<Omit<RawRequest, 'body'>> & { body?: unknown } = {},
  ): Promise<RawResponse> {
    const { body, ...rest } = options
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
    const headers =
      text === undefined ? rest.headers : { 'Content-Type': 'application/vnd.kafka.v2+json', ...rest.headers }
    return http({
      base: this.url,
      path,
      method,
      ...rest,
      ...(headers === undefined ? {} : { headers }),
      ...(text === undefined ? {} : { body: text }),
    })
  }

  /** Open connections of clients. */
  get connections(): number {
    return this.#listener.connections
  }

  async stop(): Promise<void> {
    await this.instances.stop()
    await this.membership.leave()
    await this.#listener.stop()
    await this.kafka.stop()
  }
}
