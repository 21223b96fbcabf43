import { compressionSettings } from '../shared/http/compression.ts'
import { corsSettings } from '../shared/http/cors.ts'
import type { LoadedSettings } from '../shared/settings/load.ts'
import type { SettingRow, SettingsOf } from '../shared/settings/row.ts'
import {
  listenerSettings,
  logSettings,
  operatorSettings,
  redisSettings,
} from '../shared/settings/tier-settings.ts'
import { nodeTlsSettings, tlsSettings } from '../shared/settings/tls-settings.ts'
import { kafkaSettings } from './kafka-settings.ts'
import { rateSettings } from './rate-settings.ts'
import { schemaSettings } from './schema-settings.ts'

/**
 * Every setting of a proxy node. Confluent's keys keep Confluent's names and defaults (contract v2 §5); our own never
 * start with `client.`, `producer.`, `consumer.`, `admin.` followed by a Kafka client key, since these prefixes pass
 * through to the Kafka clients.
 */
export const proxyNodeSettings = [
  // -- identity and addresses
  {
    key: 'id',
    kind: 'string',
    default: '',
    doc: 'Unique name of this proxy node: its member id in the routing table and a part of the instance names that it draws. Empty: the bound address is the member id, and names carry none.',
  },
  {
    key: 'bootstrap.servers',
    kind: 'list',
    default: null,
    doc: 'Kafka brokers (host:port) for the first connection; the others are discovered. Several for safety.',
  },
  {
    key: 'listeners',
    kind: 'list',
    default: 'http://127.0.0.1:8083',
    doc: 'The address that requests come in at, http(s)://host:port. An address other than loopback needs internal.token.',
  },
  {
    key: 'admin.listener',
    kind: 'url',
    default: 'http://127.0.0.1:8093',
    doc: 'Address of /health, /ready and /metrics, and of the routes of operators. Empty: none.',
  },
  ...operatorSettings,
  {
    key: 'advertised.listeners',
    kind: 'list',
    default: '',
    doc: 'scheme://host:port that base_uri shows to clients that come without a gateway; wins over host.name.',
  },
  {
    key: 'host.name',
    kind: 'string',
    default: '',
    doc: 'Host in base_uri for clients that come without a gateway. Empty: the Host of the request.',
  },
  {
    key: 'internal.url',
    kind: 'url',
    default: '',
    doc: 'Where gateways and other nodes reach this very process (pod address, never a service or balancer). Empty: the bound address.',
  },
  {
    key: 'zone',
    kind: 'string',
    default: '',
    doc: 'Data center or zone; gateways prefer nodes of their own.',
  },
  ...logSettings,

  // -- TLS of the listener, and towards other nodes
  ...tlsSettings,
  ...nodeTlsSettings,

  // -- routing table and the tiers' trust
  {
    key: 'redis.url',
    kind: 'url',
    default: '',
    secret: true,
    doc: 'Routing table: redis:// or rediss:// URL. Empty: this node stands alone and keeps its placements in memory.',
  },
  ...redisSettings,
  {
    key: 'internal.token',
    kind: 'string',
    default: '',
    secret: true,
    doc: 'Shared secret of gateways and nodes. Internal headers and routes count only with it. Needed for listeners other than loopback, of 16 characters at least.',
  },
  {
    key: 'lease.ms',
    kind: 'int',
    default: '5000',
    min: 500,
    doc: 'How long a node counts as alive after its last renewal, in ms.',
  },
  {
    key: 'lease.renew.interval.ms',
    kind: 'int',
    default: '1000',
    min: 100,
    doc: 'How often a node renews its lease, in ms.',
  },
  {
    key: 'tombstone.ms',
    kind: 'int',
    default: '60000',
    min: 0,
    doc: 'How long the routing table remembers why an instance is gone, in ms.',
  },
  {
    key: 'node.question.timeout.ms',
    kind: 'int',
    default: '200',
    min: 1,
    doc: 'Longest wait for another node to answer who it is or what it holds, in ms.',
  },
  {
    key: 'nodes.refused.is.dead',
    kind: 'boolean',
    default: 'true',
    doc: 'Whether a refused connection to a node proves its death. Set to false where internal urls belong to a service, NAT or balancer, which refuse for others: then the lease decides.',
  },
  {
    key: 'orphans.sweep.interval.ms',
    kind: 'int',
    default: '5000',
    min: 100,
    doc: 'How often this node looks for placements of dead nodes, to remove their members from their Kafka groups, in ms.',
  },
  {
    key: 'orphans.per.sweep.max',
    kind: 'int',
    default: '100',
    min: 1,
    doc: 'Placements of dead nodes that one sweep ends at most.',
  },
  {
    key: 'drain.delay.ms',
    kind: 'int',
    default: '1500',
    min: 0,
    doc: 'How long a stopping node goes on accepting requests until all gateways have seen that it leaves, in ms; and once more when it has left, before it closes their connections.',
  },
  {
    key: 'drain.instances.at.once',
    kind: 'int',
    default: '8',
    min: 1,
    doc: 'Consumer instances that a draining node lets go at once.',
  },
  {
    key: 'drain.pause.ms',
    kind: 'int',
    default: '10',
    min: 0,
    doc: 'Pause before the next consumer instance is let go, in ms: other nodes and Kafka take over what it had.',
  },
  {
    key: 'drain.timeout.ms',
    kind: 'int',
    default: '30000',
    min: 1,
    doc: 'Longest time for letting the consumer instances of a draining node go, in ms. What is held then is closed when the node stops, and stays when an operator drained it.',
  },
  {
    key: 'group.instance.id.prefix',
    kind: 'string',
    default: 'kafka-rest',
    doc: 'Start of the group.instance.id of subscribed consumer instances (KIP-345): at most 64 of [A-Za-z0-9._-], one value for a deployment.',
  },
  {
    key: 'failover.mode',
    kind: 'enum',
    default: 'recreate',
    oneOf: ['recreate', 'takeover'],
    doc: 'What happens to consumer instances of a node that is gone. recreate: clients are told 404 / 40403 and create them anew. takeover: another node goes on with them, and clients notice nothing but time; one value for all nodes.',
  },
  {
    key: 'takeover.timeout.ms',
    kind: 'int',
    default: '5000',
    min: 1,
    doc: 'How long a node that drains waits for another one to take over a consumer instance, in ms; after it the next request for the instance, or adoption, finds a node.',
  },

  // -- requests and their limits
  {
    key: 'api.v2.enable',
    kind: 'boolean',
    default: 'true',
    doc: 'Whether the v2 API is there; false: every path is 404.',
  },
  {
    key: 'api.endpoints.allowlist',
    kind: 'list',
    default: '',
    doc: 'Endpoints that may be used, such as api.v2.produce-to-topic.json or api.v2.topics.*; empty: all.',
  },
  {
    key: 'api.endpoints.blocklist',
    kind: 'list',
    default: '',
    doc: 'Endpoints that may not be used: GET is 404, other methods 405.',
  },
  {
    key: 'request.body.max.bytes',
    kind: 'int',
    default: '67108864',
    min: 1,
    doc: 'Largest body of a produce request in bytes; more is 413.',
  },
  {
    key: 'request.control.body.max.bytes',
    kind: 'int',
    default: '1048576',
    min: 1,
    doc: 'Largest body of any other request in bytes: it names topics, partitions and offsets, and is kept as long as the instance; more is 413.',
  },
  {
    key: 'request.bodies.max.bytes',
    kind: 'int',
    default: '268435456',
    min: 1,
    doc: 'Bytes of all request bodies that are being read and parsed at once; more is 429.',
  },
  {
    key: 'request.records.max',
    kind: 'int',
    default: '100000',
    min: 1,
    doc: 'Records in one produce request; more is 413.',
  },
  {
    key: 'request.json.depth.max',
    kind: 'int',
    default: '256',
    min: 1,
    doc: 'Nesting levels of a JSON body; more is 400.',
  },
  ...listenerSettings,
  {
    key: 'response.write.timeout.ms',
    kind: 'int',
    default: '30000',
    min: 1,
    doc: 'How long a client may take no bytes of an answer before it counts as not delivered, in ms.',
  },
  {
    key: 'connection.idle.timeout.ms',
    kind: 'int',
    default: '75000',
    min: 1000,
    doc: 'How long an idle HTTP connection is kept, in ms. Longer than the gateways keep theirs (8 s).',
  },

  // -- produce
  {
    key: 'producer.buffer.memory',
    kind: 'int',
    default: '33554432',
    min: 1024,
    doc: 'Bytes of records that may wait for Kafka, for each format; when full, requests wait, then get 429.',
  },
  {
    key: 'producer.max.block.ms',
    kind: 'int',
    default: '60000',
    min: 0,
    doc: 'Longest wait for room in the producer buffer, in ms.',
  },
  {
    key: 'producer.linger.ms',
    kind: 'int',
    default: '0',
    min: 0,
    doc: 'How long a batch waits for more records before it is sent, in ms.',
  },
  {
    key: 'producer.batch.size',
    kind: 'int',
    default: '16384',
    min: 0,
    doc: 'Bytes of records that a batch takes up before it is closed; a larger record goes alone.',
  },
  {
    key: 'producer.max.request.size',
    kind: 'int',
    default: '1048576',
    min: 1,
    doc: 'Largest record in bytes when serialized.',
  },
  {
    key: 'producer.delivery.timeout.ms',
    kind: 'int',
    default: '120000',
    min: 1,
    doc: 'How long a record is tried before its result is 50003, in ms.',
  },
  {
    key: 'producer.request.timeout.ms',
    kind: 'int',
    default: '30000',
    min: 1,
    doc: 'Longest wait for a broker to acknowledge one batch, in ms.',
  },
  {
    key: 'producer.retry.backoff.ms',
    kind: 'int',
    default: '100',
    min: 0,
    doc: 'First pause before a batch is sent again, in ms; it doubles up to producer.retry.backoff.max.ms.',
  },
  {
    key: 'producer.retry.backoff.max.ms',
    kind: 'int',
    default: '1000',
    min: 0,
    doc: 'Longest pause before a batch is sent again, in ms.',
  },
  {
    key: 'producer.acks',
    kind: 'enum',
    default: 'all',
    oneOf: ['all', '-1', '0', '1'],
    doc: 'Acknowledgements that a batch waits for. With 0 an answer says nothing about delivery: offsets are -1, and records can be lost.',
  },
  {
    key: 'producer.enable.idempotence',
    kind: 'boolean',
    default: 'true',
    doc: 'With acks=all a batch that is sent again after a lost answer is written once (KIP-98). Off: it may be written twice.',
  },
  {
    key: 'producer.max.in.flight.requests.per.connection',
    kind: 'int',
    default: '5',
    min: 1,
    doc: 'Requests to one broker that wait for their answer, for each format; at most one batch of a partition is among them.',
  },
  {
    key: 'producer.compression.type',
    kind: 'enum',
    default: 'none',
    oneOf: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
    doc: 'Compression of the batches that this node writes.',
  },

  // -- consume
  {
    key: 'consumer.request.timeout.ms',
    kind: 'int',
    default: '1000',
    min: 0,
    doc: 'Longest time that a read waits for records, in ms. With fetch.min.bytes=-1 a read always takes it.',
  },
  {
    key: 'consumer.request.max.bytes',
    kind: 'int',
    default: '67108864',
    min: 1,
    doc: 'Most bytes of keys and values in one read; the query parameter max_bytes can only lower it.',
  },
  {
    key: 'fetch.min.bytes',
    kind: 'int',
    default: '-1',
    min: -1,
    max: 10000000,
    doc: 'A read answers as soon as it has more than this many bytes; -1: it waits for the time-out or the maximum.',
  },
  {
    key: 'consumer.instance.timeout.ms',
    kind: 'int',
    default: '300000',
    min: 1,
    doc: 'Idle time after which a consumer instance expires, in ms.',
  },
  {
    key: 'consumer.threads',
    kind: 'int',
    default: '50',
    min: -1,
    doc: 'Reads that may hold fetched records at once; a waiting poll holds none. Negative: no bound.',
  },
  {
    key: 'consumer.iterator.backoff.ms',
    kind: 'int',
    default: '50',
    min: 0,
    doc: 'Accepted for compatibility; a read here waits in the broker and needs no pause between passes.',
  },
  {
    key: 'consumer.iterator.timeout.ms',
    kind: 'int',
    default: '1',
    min: 0,
    doc: 'Accepted for compatibility; without effect, as in the original.',
  },
  {
    key: 'consumer.isolation.level',
    kind: 'enum',
    default: 'read_uncommitted',
    oneOf: ['read_uncommitted', 'read_committed'],
    doc: 'Whether reads show records of open and aborted transactions.',
  },
  {
    key: 'consumer.auto.commit.interval.ms',
    kind: 'int',
    default: '5000',
    min: 10,
    doc: 'How often confirmed positions are committed for instances with auto-commit, in ms.',
  },
  {
    key: 'consumer.session.timeout.ms',
    kind: 'int',
    default: '45000',
    min: 1,
    doc: 'How long the group waits for a silent member, in ms.',
  },
  {
    key: 'consumer.heartbeat.interval.ms',
    kind: 'int',
    default: '3000',
    min: 1,
    doc: 'How often a member sends a heartbeat, in ms; at most a third of the session time-out.',
  },
  {
    key: 'consumer.rebalance.timeout.ms',
    kind: 'int',
    default: '10000',
    min: 1,
    doc: 'How long a rebalance waits for members to rejoin, in ms.',
  },
  {
    key: 'consumer.metadata.max.age.ms',
    kind: 'int',
    default: '300000',
    min: 100,
    doc: 'Age at which the node asks Kafka anew for topics, partitions and leaders, in ms; also how soon a topic_pattern sees new topics.',
  },
  {
    key: 'consumer.instances.max',
    kind: 'int',
    default: '2000',
    min: 1,
    doc: 'Consumer instances that this node holds at most; more is 429.',
  },
  {
    key: 'consumer.instances.per.group.max',
    kind: 'int',
    default: '500',
    min: 1,
    doc: 'Consumer instances of one group that this node holds at most; more is 429.',
  },
  {
    key: 'reads.memory.bytes',
    kind: 'int',
    default: '134217728',
    min: 1,
    doc: 'Bytes of fetched records that all reads of the node hold at once.',
  },
  {
    key: 'reads.slice.bytes',
    kind: 'int',
    default: '1048576',
    min: 1024,
    doc: 'Bytes of records that one fetch of a read asks for. A batch that is larger comes whole.',
  },
  {
    key: 'reads.outcome.wait.ms',
    kind: 'int',
    default: '250',
    min: 0,
    doc: 'How long a request that comes another way than the last read waits to learn whether that read was delivered, in ms; then it counts as not delivered, and its records are handed out again.',
  },
  {
    key: 'subscription.wait.ms',
    kind: 'int',
    default: '1000',
    min: 0,
    doc: 'How long subscribing waits for the first assignment of partitions before it answers, in ms.',
  },
  {
    key: 'commit.timeout.ms',
    kind: 'int',
    default: '60000',
    min: 1,
    doc: 'How long a commit is tried while Kafka fails in a way that may pass, in ms.',
  },
  {
    key: 'commit.async.wait.ms',
    kind: 'int',
    default: '1000',
    min: 0,
    doc: 'How long a commit without a body waits for Kafka before it answers, in ms. It answers 200 in any case.',
  },
  {
    key: 'instance.close.timeout.ms',
    kind: 'int',
    default: '10000',
    min: 1,
    doc: 'Longest time for the last commit of a consumer instance that is deleted or expires, and for leaving its group, in ms.',
  },

  ...compressionSettings,
  ...corsSettings,
  ...kafkaSettings,
  ...rateSettings,
  ...schemaSettings,
] as const satisfies readonly SettingRow[]

export type ProxyNodeSettings = SettingsOf<typeof proxyNodeSettings>
export type LoadedProxyNodeSettings = LoadedSettings<typeof proxyNodeSettings>

/** Keys under these prefixes that are no rows above go to the Kafka and registry clients (contract v2 §5.2). */
export const proxyNodePassThrough = [
  'client.',
  'producer.',
  'consumer.',
  'admin.',
  'schema.registry.',
] as const
