import type { MetricRow, Metrics } from '../shared/observability/metrics.ts'

/** Every metric of a gateway. */
export const gatewayMetrics = [
  {
    name: 'kafka_rest_gateway_request_seconds',
    type: 'histogram',
    labels: ['operation', 'status'],
    help: 'Requests by operation and status, from head to end of the answer; 499 = the client left first.',
  },
  {
    name: 'kafka_rest_gateway_node_response_seconds',
    type: 'histogram',
    labels: ['node'],
    help: 'From sending a request to a proxy node to the head of its answer.',
  },
  {
    name: 'kafka_rest_gateway_node_failures_total',
    type: 'counter',
    labels: ['node', 'stage', 'reason'],
    help: 'Failed tries by node. stage: unsent = it cannot have been applied, sent = it may have been. A steady rate at one node: look at that node.',
  },
  {
    name: 'kafka_rest_gateway_node_requests_in_flight',
    type: 'gauge',
    labels: ['node'],
    help: 'Requests under way at a proxy node through this gateway; bounded by node.requests.max.',
  },
  {
    name: 'kafka_rest_gateway_retries_total',
    type: 'counter',
    labels: ['reason'],
    help: 'Requests that were sent once more. unsent: the first node could not be reached; safe: a repeatable request was lost; refused: the node was full, draining or starting; moved: the consumer instance was not where the cache said.',
  },
  {
    name: 'kafka_rest_gateway_placement_lookups_total',
    type: 'counter',
    labels: ['source'],
    help: 'Where placements came from. cache, table, takeover (its node is gone, another went on with it), nodes (the table could not be asked), none (there is none), unknown (nobody could say).',
  },
  {
    name: 'kafka_rest_gateway_takeovers_total',
    type: 'counter',
    labels: ['outcome'],
    help: 'Nodes asked to take an instance over. held, lost (another node has it), gone (nothing to take over), refused (full, leaving or not reached).',
  },
  {
    name: 'kafka_rest_gateway_placements_cached',
    type: 'gauge',
    labels: [],
    help: 'Placements remembered now; bounded by placements.cache.max.',
  },
  {
    name: 'kafka_rest_gateway_table_errors_total',
    type: 'counter',
    labels: ['operation'],
    help: 'Questions to the routing table that failed. While they do, the gateway goes on with what it knows.',
  },
  {
    name: 'kafka_rest_gateway_members_age_seconds',
    type: 'gauge',
    labels: [],
    help: 'Age of the list of proxy nodes, or of the gateway while it has none. Above a few seconds: the routing table is away.',
  },
  {
    name: 'kafka_rest_gateway_members',
    type: 'gauge',
    labels: ['state'],
    help: 'Proxy nodes by state: available, draining, full, failing, or absent: named by the setting nodes alone, while the routing table, which can be read, has no node.',
  },
  {
    name: 'kafka_rest_gateway_members_skipped_total',
    type: 'counter',
    labels: ['reason'],
    help: 'Member records that were not believed: url, not-allowed, signature. Any at all: someone writes to the routing table who should not, or internal.token differs.',
  },
  {
    name: 'kafka_rest_gateway_zone_requests_total',
    type: 'counter',
    labels: ['zone'],
    help: 'Stateless and create requests by the zone of the chosen node: own or other.',
  },
  {
    name: 'kafka_rest_gateway_node_deaths_total',
    type: 'counter',
    labels: ['proved'],
    help: 'Node incarnations that were suspected dead, by whether two processes proved it.',
  },
  {
    name: 'kafka_rest_gateway_read_outcomes_total',
    type: 'counter',
    labels: ['outcome'],
    help: 'Answers to reads: delivered, undelivered, unreported (the node could not be told).',
  },
  {
    name: 'kafka_rest_gateway_client_troubles_total',
    type: 'counter',
    labels: ['trouble'],
    help: 'What clients did wrong below HTTP: refused connections, malformed heads, stalls.',
  },
] as const satisfies readonly MetricRow[]

export type GatewayMetric = (typeof gatewayMetrics)[number]['name']

/** What parts of the gateway need of the metrics; the registry itself is not for every runtime. */
export type GatewayMeter = Pick<Metrics<GatewayMetric>, 'count' | 'observe' | 'set'>

/** For parts that are used without metrics, as in tests. */
export const noMeter: GatewayMeter = { count: () => {}, observe: () => {}, set: () => {} }
