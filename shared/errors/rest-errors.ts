/**
 * THE error table: every error that a client can see is one row. `message` is the exact text, with at
 * most one `{}` for a detail. Rows marked v2/v3 cite the contract; the others are this system's own, and
 * their codes are chosen outside the contract's so that clients can tell them apart.
 */
export interface RestErrorRow {
  readonly status: number
  readonly errorCode: number
  readonly message: string
  /** Whether the same request may succeed later without a change. */
  readonly retriable: boolean
  /** Headers that every answer of this row carries. */
  readonly headers?: Readonly<Record<string, string>>
  /** When it happens, for the generated reference. */
  readonly when: string
}

const row = (
  status: number,
  errorCode: number,
  message: string,
  when: string,
  extra: { retriable?: boolean; headers?: Record<string, string> } = {},
): RestErrorRow => ({
  status,
  errorCode,
  message,
  when,
  retriable: extra.retriable ?? false,
  ...(extra.headers ? { headers: extra.headers } : {}),
})

const retryAfter = { retriable: true, headers: { 'Retry-After': '1' } }

/** The node did nothing for the request, and another may: a gateway that has the body at hand asks the next one. */
const elsewhere = { retriable: true, headers: { 'Retry-After': '1', 'Kafka-Rest-Refused': 'yes' } }

export const restErrors = {
  // -- the contract's rows (v2 §3.1) ------------------------------------------------------------
  badRequest: row(400, 400, '{}', 'malformed JSON or a wrong JSON type (v2 §3.4)'),
  badBase64: row(
    400,
    400,
    'Bad Request: data={} is not a valid base64 string.',
    'undecodable base64 (v2 §3.1)',
  ),
  notBase64String: row(
    400,
    400,
    'Bad Request: data={} is not a base64 string.',
    'binary data that is no JSON string (v2 §3.1)',
  ),
  badPayload: row(400, 400, 'Bad Request: {}', 'JSON that does not fit its schema (v2 §3.1)'),
  kafkaBadRequest: row(
    400,
    40002,
    '{}',
    'Kafka refused the request: invalid topic, policy violation … (v2 §3.3)',
  ),
  kafkaAuthentication: row(401, 40101, '{}', 'the brokers refused the credentials (v2 §3.1)'),
  kafkaAuthorization: row(403, 40301, '{}', 'a broker ACL denies it (v2 §3.1)'),
  notFound: row(
    404,
    404,
    'HTTP 404 Not Found',
    'unknown path; a number in path or query that is none (v2 §3.1)',
  ),
  topicNotFound: row(404, 40401, 'Topic not found.', 'a describe without a result (v2 §3.1)'),
  partitionNotFound: row(
    404,
    40402,
    'Partition not found.',
    'unknown partition; GET offsets without a body (v2 §3.1)',
  ),
  consumerInstanceNotFound: row(
    404,
    40403,
    'Consumer instance not found.',
    'unknown, expired or deleted instance, or its node is gone; the header Kafka-Rest-Consumer-Gone tells which',
  ),
  unknownTopicOrPartition: row(
    404,
    40403,
    'This server does not host this topic-partition.',
    'unknown topic on a metadata endpoint (v2 §2.4)',
  ),
  notPresentInMetadata: row(
    404,
    40401,
    '{}',
    'a topic or partition that does not appear in the metadata in time, outside produce (v2 §3.1)',
  ),
  methodNotAllowed: row(405, 405, 'HTTP 405 Method Not Allowed', 'wrong method for the path (v2 §1.6)'),
  notAcceptable: row(406, 406, 'HTTP 406 Not Acceptable', 'no type of Accept can be produced (v2 §1.3)'),
  formatMismatch: row(
    406,
    40601,
    'The requested embedded data format does not match the deserializer for this consumer instance',
    'a read with the type of another format (v2 §2.14)',
  ),
  undecodableRecord: row(
    408,
    40801,
    '{}',
    'a record that cannot be decoded; the text names topic, partition, offset',
  ),
  consumerAlreadyExists: row(
    409,
    40902,
    'Consumer with specified consumer ID already exists in the specified consumer group.',
    'a create with the name of an instance that lives (v2 §2.9)',
  ),
  illegalState: row(
    409,
    40903,
    'Illegal state: {}',
    'subscribe, assign or seek in the wrong state (v2 §2.11–2.13)',
  ),
  kafkaRecordTooLarge: row(
    413,
    413,
    '{}',
    'a broker refused the size of a record, outside produce (v2 §3.3)',
  ),
  payloadTooLarge: row(
    413,
    413,
    'HTTP 413 Payload Too Large',
    'a body over request.body.max.bytes or request.control.body.max.bytes',
  ),
  unsupportedMediaType: row(
    415,
    415,
    'HTTP 415 Unsupported Media Type',
    'a Content-Type that the endpoint does not take (v2 §1.4)',
  ),
  validation: row(422, 422, '{}', 'a required field missing or empty (v2 §3.4)'),
  unrecognizedField: row(
    422,
    422,
    'Unrecognized field: {}',
    'an unknown JSON property, at any depth (v2 §3.4)',
  ),
  invalidFormat: row(422, 422, 'Invalid format type.', 'create with an unknown format (v2 §2.9)'),
  renderFailed: row(422, 422, '{}', 'a decoded record that cannot be shown as JSON (v2 §3.1)'),
  consumerConfigOutOfRange: row(
    422,
    40001,
    'Invalid consumer configuration. It does not abide by the constraints: {}',
    'create with a number out of its range (v2 §3.1)',
  ),
  keySchemaMissing: row(
    422,
    42201,
    'Request includes keys but does not include key schema',
    'a schema format with keys only (v2 §3.1)',
  ),
  valueSchemaMissing: row(
    422,
    42202,
    'Request includes values but does not include value schema',
    'a schema format with values only (v2 §3.1)',
  ),
  invalidConsumerConfig: row(
    422,
    42204,
    'Invalid consumer configuration: {}',
    'a consumer setting that Kafka refuses (v2 §3.1)',
  ),
  invalidSchema: row(422, 42205, 'Invalid schema: {}', 'schema text that does not parse (v2 §3.1)'),
  schemaRegistryRequired: row(
    422,
    42206,
    'Payload error. Schema Registry must be configured when using schemas.',
    'schemas without a registry (v2 §3.1)',
  ),
  serializationFailed: row(
    422,
    42207,
    'Error serializing message. {}',
    'the registry failed or refused (v2 §6.3)',
  ),
  rateLimited: row(
    429,
    429,
    'Request rate limit exceeded: The rate limit of requests per second has been exceeded.',
    'more requests than rate.limit.permits.per.sec (v2 §3.1)',
    retryAfter,
  ),
  kafkaQuota: row(429, 42901, '{}', 'a broker quota throttles (v2 §3.1)', { retriable: true }),
  internal: row(500, 500, 'Internal Server Error', 'an error of ours; the log has it under the request id'),
  unexpectedProduceFailure: row(
    500,
    500,
    'Unexpected non-Kafka exception returned by Kafka',
    'produce failed outside Kafka (v2 §2.8)',
  ),
  invalidEmbeddedFormat: row(
    500,
    500,
    'Invalid embedded format STRING for new consumer.',
    'create with the format string (v2 §2.9)',
  ),
  kafkaError: row(500, 50002, '{}', 'a Kafka error that a retry does not mend (v2 §3.3)'),
  kafkaRetriable: row(500, 50003, '{}', 'a Kafka error that may pass, time-outs among them (v2 §3.3)', {
    retriable: true,
  }),
  brokerNotAvailable: row(503, 50302, '{}', 'no broker is available (v2 §3.3)', { retriable: true }),

  // -- this system's own -------------------------------------------------------------------------
  badHost: row(400, 40010, 'The Host header must be host or host:port.', 'a malformed Host'),
  readBeforeSubscribe: row(
    409,
    40903,
    'Illegal state: Consumer is not subscribed to any topics or assigned any partitions',
    'a read before subscribe or assign; a deviation: the original answers 500',
  ),
  bodyTruncated: row(
    400,
    40014,
    'The request body ended early.',
    'a client that left in the middle of its body',
  ),
  badContentType: row(
    400,
    40015,
    'The Content-Type header is not a media type.',
    'a malformed Content-Type (v2 §1.4)',
  ),
  badTarget: row(
    400,
    40012,
    'The request target must be a path.',
    'an absolute URL or an authority as the target',
  ),
  badFraming: row(400, 40013, 'The HTTP request is malformed.', 'a head or framing that is not HTTP/1.1'),
  requestTimeout: row(
    408,
    40810,
    'The request was not sent in time.',
    'a head or body that takes too long to arrive',
  ),
  headTooLarge: row(
    431,
    431,
    'The request head is too large (request.head.max.bytes).',
    'a head over request.head.max.bytes',
  ),
  expectationFailed: row(
    417,
    41701,
    'The Expect header may only be 100-continue.',
    'an Expect header with anything else (RFC 9110 §10.1.1)',
  ),
  tooManyConnections: row(
    503,
    50315,
    'The server has its maximum number of connections (connections.max); retry later.',
    'the first request of a connection over connections.max',
    retryAfter,
  ),
  tooManyInstances: row(
    429,
    42910,
    'The proxy node holds its maximum number of consumer instances (consumer.instances.max).',
    'create on a node that is full',
    elsewhere,
  ),
  tooManyInstancesInGroup: row(
    429,
    42911,
    'The consumer group has its maximum number of instances on this proxy node (consumer.instances.per.group.max).',
    'create in a group that is full',
    elsewhere,
  ),
  tooManyBodyBytes: row(
    429,
    42912,
    'The proxy node is parsing its maximum of request bytes (request.bodies.max.bytes).',
    'too many large bodies at once',
    retryAfter,
  ),
  tooManyRecords: row(
    413,
    41301,
    'The request has more than {} records (request.records.max).',
    'too many records in one request',
  ),
  jsonTooDeep: row(
    400,
    40011,
    'The JSON is nested deeper than {} levels (request.json.depth.max).',
    'JSON nested too deep',
  ),
  producerBufferFull: row(
    429,
    42913,
    'The producer buffer is full (producer.buffer.memory); retry later.',
    'records wait for Kafka up to the whole buffer for longer than producer.max.block.ms',
    retryAfter,
  ),
  readMemoryExhausted: row(
    429,
    42914,
    'The memory for reads is used up (reads.memory.bytes); retry later.',
    'reads hold the whole budget until the time-out',
    retryAfter,
  ),
  schemaCpuExhausted: row(
    429,
    42915,
    'The proxy node has spent its time for compiling and checking schemas (schemas.cpu.max.ms); retry later.',
    'schemas that take long, one after another',
    retryAfter,
  ),
  misdirected: row(
    421,
    421,
    'The consumer instance is not held by this proxy node.',
    'between gateway and node only',
  ),
  noProxyNode: row(503, 50310, 'No proxy node is available; retry later.', 'no live node', retryAfter),
  ownerUnreachable: row(
    503,
    50311,
    'The proxy node that holds the consumer instance does not answer; retry later.',
    'a time-out or reset while the owner lease is alive: the consumer may still live',
    retryAfter,
  ),
  placementUnknown: row(
    503,
    50312,
    'The consumer instance cannot be located at the moment; retry later.',
    'the routing table and some proxy nodes cannot be asked',
    retryAfter,
  ),
  starting: row(
    503,
    50314,
    'The proxy node is starting; retry later.',
    'a node that is not registered yet',
    elsewhere,
  ),
  draining: row(
    503,
    50313,
    'The proxy node is draining; retry later.',
    'a new instance on a node that leaves',
    elsewhere,
  ),
  operatorUnknown: row(
    401,
    40110,
    'This needs the bearer token of an operator (admin.tokens).',
    "an operator's route without a token, or with one that admin.tokens does not have",
    { headers: { 'WWW-Authenticate': 'Bearer' } },
  ),
  operatorsOff: row(
    403,
    40310,
    'The routes of operators are off: admin.tokens is empty.',
    "an operator's route while admin.tokens is empty",
  ),
  internalTokenMissing: row(
    403,
    40311,
    'The gateway cannot give orders to proxy nodes: internal.token is empty.',
    "an operator's request that needs a proxy node, while internal.token is empty",
  ),
  proxyNodeNotFound: row(404, 40410, 'Proxy node not found.', "an operator's request for an unknown node"),
  proxyNodeUnreachable: row(
    503,
    50320,
    'The proxy node does not answer; retry later.',
    "an operator's request for a node that cannot be reached, or gives no answer that makes sense",
    retryAfter,
  ),
  routingTableUnreachable: row(
    503,
    50321,
    'The routing table cannot be read; retry later.',
    "an operator's list of placements, while the routing table is away or there is none",
    retryAfter,
  ),
  upstreamFailed: row(
    502,
    50210,
    'The proxy node failed; the request may have been applied.',
    'the connection to the node was lost after the request was sent',
  ),
  upstreamTimeout: row(
    504,
    50410,
    'The proxy node did not answer in time; the request may have been applied.',
    'node.response.timeout.ms passed',
  ),
} as const satisfies Record<string, RestErrorRow>

export type RestErrorName = keyof typeof restErrors
