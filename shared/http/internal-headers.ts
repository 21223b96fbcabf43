/**
 * Headers between gateway and proxy node. Requests: believed only with a valid token; the gateway strips every
 * `kafka-rest-*` header of its clients before it adds its own. Answers: the gateway strips those marked so.
 */
export const internalHeaders = {
  /** The shared secret `internal.token`. */
  token: 'kafka-rest-internal-token',
  /** The front of `base_uri`: scheme://authority[/prefix]. */
  publicBase: 'kafka-rest-public-base',
  /** The instance name that the gateway drew. */
  drawnName: 'kafka-rest-drawn-name',
  /** `node incarnation token`, space-separated and percent-encoded: a holder whose death was proved. */
  provedDead: 'kafka-rest-proved-dead',
  /**
   * One run of a gateway process, `/`, and the client's connection to it. A node takes an operation that comes the way
   * of the last read as proof that the read was delivered: the client has read the answer on that connection before it
   * sent the next request. One that comes another way, or on another connection, waits for the gateway's report: the
   * answer may still be on its way to a client that is gone.
   */
  gatewayRun: 'kafka-rest-gateway-run',
  /** Answer: an id of this read, for its outcome; stripped by the gateway. */
  readId: 'kafka-rest-read-id',
  /** Answer: the node did nothing, and another one may; stripped by the gateway. */
  refused: 'kafka-rest-refused',
} as const

/** Prefix of everything internal; compared lower-cased. */
export const internalHeaderPrefix = 'kafka-rest-'

/** Answer header that tells why an instance is gone: owner-lost, expired, deleted or unknown. Reaches clients. */
export const consumerGoneHeader = 'Kafka-Rest-Consumer-Gone'

/** The request id that goes through both tiers; a client's own is kept when it is 1–128 visible ASCII characters. */
export const requestIdHeader = 'x-request-id'

/** Routes between the processes, on a node's data listener; they need the internal token. */
export const internalRoutes = {
  /** GET → `{"id","incarnation"}`. */
  identity: '/internal/identity',
  /** GET /internal/instances/{group}/{instance} → 200 when held here, else 404. */
  instances: '/internal/instances',
  /** POST {"internal_url","id","incarnation"} → {"dead":boolean}: asks this node to check another one. */
  deathCheck: '/internal/death-check',
  /**
   * POST {"group","instance","replaces":{"node","incarnation","token"},"death_proved"} → 200
   * {"outcome":"held","incarnation","token"}; 409 {"outcome":"lost"}: another has it; 404: nothing to take over.
   */
  takeovers: '/internal/takeovers',
  /** POST [{"key","read_id","delivered"}] → 204: outcomes of reads that went through a gateway. */
  readOutcomes: '/internal/read-outcomes',
  /** GET → what the node says of itself (NodeStatus in shared/rest/node-status.ts). */
  status: '/internal/status',
  /** POST {"operator"} → as status: begins to drain. */
  drain: '/internal/drain',
  /** POST {"operator"} → as status: takes the node back into service. */
  undrain: '/internal/undrain',
  /** POST {"operator","group","instance"} → 200 {} when it was ended here, else 404. */
  evictions: '/internal/evictions',
} as const
