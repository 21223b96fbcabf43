import type { MetricRow } from '../shared/observability/metrics.ts'

/** Every metric of a proxy node. */
export const proxyNodeMetrics = [
  {
    name: 'kafka_rest_node_request_seconds',
    type: 'histogram',
    labels: ['operation', 'status'],
    help: 'Requests by operation and status, from head to end of the answer; 499 = the client left first.',
  },
  {
    name: 'kafka_rest_node_request_body_bytes',
    type: 'gauge',
    labels: [],
    help: 'Bytes of request bodies held now; bounded by request.bodies.max.bytes.',
  },
  {
    name: 'kafka_rest_node_consumer_instances',
    type: 'gauge',
    labels: [],
    help: 'Consumer instances held now; bounded by consumer.instances.max.',
  },
  {
    name: 'kafka_rest_node_consumer_instances_closed_total',
    type: 'counter',
    labels: ['reason'],
    help: 'Consumer instances that ended here: deleted, expired, owner-lost (this node stopped), lost (another node took it), fenced (the broker saw another holder), handed-over (this node gave it to another one).',
  },
  {
    name: 'kafka_rest_node_records_read_total',
    type: 'counter',
    labels: ['format'],
    help: 'Records written to clients, those that were put back later among them.',
  },
  {
    name: 'kafka_rest_node_reads_put_back_total',
    type: 'counter',
    labels: [],
    help: 'Reads whose answer did not reach the client, or may not have: their records are handed out again.',
  },
  {
    name: 'kafka_rest_node_undecodable_records_total',
    type: 'counter',
    labels: ['format'],
    help: 'Times that a read met a record that its format cannot decode.',
  },
  {
    name: 'kafka_rest_node_commits_total',
    type: 'counter',
    labels: ['kind', 'outcome'],
    help: 'Offset commits: auto, confirmed (without a body) or explicit; committed or failed.',
  },
  {
    name: 'kafka_rest_node_read_memory_bytes',
    type: 'gauge',
    labels: [],
    help: 'Bytes of fetched records held by reads now; bounded by reads.memory.bytes.',
  },
  {
    name: 'kafka_rest_node_lease_renewals_total',
    type: 'counter',
    labels: ['outcome'],
    help: 'Renewals of this node in the routing table. unreachable: the table did not answer; fenced: others declared this process dead, and it closed all its consumer instances; taken: another process registered its id meanwhile; waiting: its id is still registered by another process, as after a crash.',
  },
  {
    name: 'kafka_rest_node_placements_total',
    type: 'counter',
    labels: ['event'],
    help: 'Placements of this node. claimed; provisional: claimed while the routing table was away; refused: the name is in use; released; lost: another node has it with a higher token.',
  },
  {
    name: 'kafka_rest_node_placements',
    type: 'gauge',
    labels: [],
    help: 'Placements that this node holds now.',
  },
  {
    name: 'kafka_rest_node_produced_records_total',
    type: 'counter',
    labels: ['format'],
    help: 'Records that Kafka acknowledged.',
  },
  {
    name: 'kafka_rest_node_produced_bytes_total',
    type: 'counter',
    labels: ['format'],
    help: 'Bytes of keys and values of records that Kafka acknowledged, before compression.',
  },
  {
    name: 'kafka_rest_node_produce_batch_seconds',
    type: 'histogram',
    labels: ['format'],
    help: 'Time from the first record of a batch to its acknowledgement.',
  },
  {
    name: 'kafka_rest_node_produce_retries_total',
    type: 'counter',
    labels: ['format'],
    help: 'Batches that were sent again; rises while leaders move or brokers are away.',
  },
  {
    name: 'kafka_rest_node_produce_errors_total',
    type: 'counter',
    labels: ['format', 'kind'],
    help: 'Records that got an error, by the kind of the Kafka error.',
  },
  {
    name: 'kafka_rest_node_producer_buffer_bytes',
    type: 'gauge',
    labels: ['format'],
    help: 'Bytes of records that wait for Kafka; bounded by producer.buffer.memory for each format.',
  },
  {
    name: 'kafka_rest_node_producer_waiting_requests',
    type: 'gauge',
    labels: ['format'],
    help: 'Produce requests that wait for room in the buffer; above 0 Kafka is slower than the clients.',
  },
  {
    name: 'kafka_rest_node_schema_cache_total',
    type: 'counter',
    labels: ['cache', 'result'],
    help: 'Look-ups of the schema caches, by cache and result (hit, miss).',
  },
  {
    name: 'kafka_rest_node_kafka_connections',
    type: 'gauge',
    labels: ['state'],
    help: 'Connections to brokers for reads, groups and metadata: open, leased by a call that waits, and calls waiting for one (reads beyond kafka.reads.per.broker.max).',
  },
  {
    name: 'kafka_rest_node_client_troubles_total',
    type: 'counter',
    labels: ['trouble'],
    help: 'What clients did wrong below HTTP: refused connections, malformed heads, stalls.',
  },
] as const satisfies readonly MetricRow[]

export type ProxyNodeMetric = (typeof proxyNodeMetrics)[number]['name']
