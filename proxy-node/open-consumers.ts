import type { Clock } from '../shared/clock.ts'
import { createTakeoverQuestion } from '../shared/http/identity-probe.ts'
import type { NodeTls } from '../shared/http/node-tls.ts'
import type { Logger } from '../shared/observability/logger.ts'
import type { Metrics } from '../shared/observability/metrics.ts'
import type { RoutingTable } from '../shared/routing/routing-table.ts'
import { createMemberSigner } from '../shared/security/member-signature.ts'
import type { Formats } from './formats/formats.ts'
import type { Handlers } from './http/handler.ts'
import { consumerHandlers } from './http/v2/consumers.ts'
import type { ProxyNodeMetric } from './metrics.ts'
import type { KafkaCluster } from './ports/kafka-cluster.ts'
import type { KafkaConsumers } from './ports/kafka-consumer.ts'
import type { PlacementClaims } from './ports/placements.ts'
import { consumerSettings } from './services/consumer-settings.ts'
import { Instances } from './services/instances.ts'
import { PatternMatcher } from './services/pattern-matcher.ts'
import { ReadBudget } from './services/read-budget.ts'
import type { RecordSchemas } from './services/record-renderer.ts'
import { Successors } from './services/successors.ts'
import type { LoadedProxyNodeSettings, ProxyNodeSettings } from './settings.ts'

export interface ConsumerDeps {
  readonly cluster: KafkaCluster
  readonly consumers: KafkaConsumers
  readonly formats: Formats
  readonly schemas: RecordSchemas
  readonly claims: PlacementClaims
  readonly table: RoutingTable
  readonly nodeId: string
  readonly nodeTls: NodeTls
  readonly metrics: Metrics<ProxyNodeMetric>
  readonly clock: Clock
  readonly log: Logger
}

/** The consumer side of a node: its instances, which must be stopped, and the handlers of their endpoints. */
export interface OpenConsumers {
  readonly instances: Instances
  readonly handlers: Handlers
}

/** Builds the consumer side of a node from the settings. @throws SettingsError */
export function openConsumers(loaded: LoadedProxyNodeSettings, deps: ConsumerDeps): OpenConsumers {
  const settings = consumerSettings(loaded)
  const memory = new ReadBudget(settings.readMemoryBytes, deps.clock)
  const permits = new ReadBudget(settings.threads, deps.clock)
  const instances = new Instances({
    ...deps,
    settings,
    memory,
    permits,
    patterns: new PatternMatcher(deps.clock),
    successors: openSuccessors(loaded.settings, deps),
    processId: loaded.settings['id'],
  })
  deps.metrics.read('kafka_rest_node_consumer_instances', () => instances.size)
  deps.metrics.read('kafka_rest_node_read_memory_bytes', () => memory.used)
  const handlers = consumerHandlers(
    {
      instances,
      limits: { depthMax: loaded.settings['request.json.depth.max'] },
      clock: deps.clock,
      writeTimeoutMs: settings.responseWriteTimeoutMs,
    },
    {
      advertisedListeners: loaded.settings['advertised.listeners'],
      hostName: loaded.settings['host.name'],
    },
  )
  return { instances, handlers }
}

function openSuccessors(
  settings: ProxyNodeSettings,
  { table, nodeId, nodeTls, clock }: ConsumerDeps,
): Successors {
  const token = settings['internal.token']
  return new Successors({
    nodeId,
    zone: settings['zone'],
    table,
    signer: createMemberSigner(token),
    ask: createTakeoverQuestion(token, settings['takeover.timeout.ms'], nodeTls),
    clock,
  })
}
