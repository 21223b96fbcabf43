import type { SettingRow } from './row.ts'

/** Rows that gateways and proxy nodes have in common, with one meaning in both. Each table spreads them. */

/** What is logged. */
export const logSettings = [
  {
    key: 'log.level',
    kind: 'enum',
    default: 'info',
    oneOf: ['trace', 'debug', 'info', 'warn', 'error', 'fatal'],
    doc: 'Smallest level that is logged.',
  },
  {
    key: 'access.log.enable',
    kind: 'boolean',
    default: 'true',
    doc: 'One log line for each request.',
  },
] as const satisfies readonly SettingRow[]

/** Who may use the routes of operators. */
export const operatorSettings = [
  {
    key: 'admin.tokens',
    kind: 'list',
    default: '',
    secret: true,
    doc: "Operators: name:hash, the SHA-256 (hex) of the operator's bearer token; `kafka-rest-gateway token NAME` (the operators' command) draws one. The name is logged with each action; it may stand here twice while a token is replaced. Empty: the routes of operators on the admin listener are refused.",
  },
] as const satisfies readonly SettingRow[]

/** The routing table in Redis, beside its url. */
export const redisSettings = [
  {
    key: 'redis.mode',
    kind: 'enum',
    default: 'standalone',
    oneOf: ['standalone', 'sentinel', 'cluster'],
    doc: 'What redis.url leads to. sentinel: redis.nodes are the Sentinels, which tell the primary; user, password and database are those of redis.url. cluster: redis.url and redis.nodes are nodes of it; all keys are in one slot, so a Cluster gives availability, not space.',
  },
  {
    key: 'redis.nodes',
    kind: 'list',
    default: '',
    doc: 'host:port of the Sentinels, or of further nodes of the Cluster.',
  },
  {
    key: 'redis.sentinel.master',
    kind: 'string',
    default: 'mymaster',
    doc: 'Name under which the Sentinels watch the primary.',
  },
  {
    key: 'redis.sentinel.password',
    kind: 'string',
    default: '',
    secret: true,
    doc: "The Sentinels' own password; the primary's is in redis.url.",
  },
  {
    key: 'redis.ssl.ca.location',
    kind: 'string',
    default: '',
    doc: "PEM file with the authorities that Redis's certificate must come from (rediss:// only). Empty: those of the runtime.",
  },
  {
    key: 'redis.ssl.certificate.location',
    kind: 'string',
    default: '',
    doc: 'PEM file with a certificate of our own, if Redis asks for one.',
  },
  {
    key: 'redis.ssl.key.location',
    kind: 'string',
    default: '',
    doc: 'PEM file with the private key of redis.ssl.certificate.location.',
  },
  {
    key: 'redis.key.prefix',
    kind: 'string',
    default: '{kafka-rest}:',
    doc: 'Prefix of all keys; its hash tag keeps them in one Cluster slot. One value for a deployment. Redis must not evict keys (maxmemory-policy noeviction): a placement that vanishes is a consumer that is not found.',
  },
  {
    key: 'redis.timeout.ms',
    kind: 'int',
    default: '1000',
    min: 1,
    doc: 'Longest wait for one answer of the routing table, in ms. On proxy nodes at most a third of lease.ms.',
  },
] as const satisfies readonly SettingRow[]

/** Bounds of a listener's connections, and of its stop. */
export const listenerSettings = [
  {
    key: 'request.head.max.bytes',
    kind: 'int',
    default: '8192',
    min: 1024,
    doc: 'Largest request head in bytes; more is 431.',
  },
  {
    key: 'request.head.timeout.ms',
    kind: 'int',
    default: '10000',
    min: 1,
    doc: 'Longest time to receive a request head, in ms.',
  },
  {
    key: 'request.receive.timeout.ms',
    kind: 'int',
    default: '300000',
    min: 0,
    doc: 'Longest time to receive a whole request, in ms; 0 = no limit.',
  },
  {
    key: 'connections.max',
    kind: 'int',
    default: '20000',
    min: 1,
    doc: 'Open HTTP connections; more are refused.',
  },
  {
    key: 'shutdown.graceful.ms',
    kind: 'int',
    default: '30000',
    min: 0,
    doc: 'Longest time for a stop to finish what was accepted, in ms.',
  },
] as const satisfies readonly SettingRow[]
