import { RestError } from '../errors/rest-error.ts'
import { type JsonLimits, parseJsonBody } from './json-body.ts'
import { int, list, long, notNull, object, type Reader, string } from './v2-shapes.ts'

/**
 * Bodies of the consumer endpoints (contract v2 §2.9–2.16). Where the original dereferences null and answers
 * 500 / 500 for a client's mistake, these answer 422 / 422 and name the field.
 */

/** A create request as it came: the service checks the values. */
export interface CreateConsumerBody {
  readonly id: string | null
  readonly name: string | null
  readonly format: string | null
  readonly autoOffsetReset: string | null
  readonly autoCommitEnable: string | null
  readonly fetchMinBytes: number | null
  readonly requestTimeoutMs: number | null
}

/** A partition of a topic, as bodies name it. */
export interface PartitionBody {
  readonly topic: string
  readonly partition: number
}

export interface OffsetBody extends PartitionBody {
  readonly offset: bigint
  readonly metadata: string
}

export interface TimestampBody extends PartitionBody {
  /** Ms since the epoch. */
  readonly timestampMs: number
}

const createFields = object('CreateConsumerInstanceRequest', {
  id: string,
  name: string,
  format: string,
  'auto.offset.reset': string,
  'auto.commit.enable': string,
  'fetch.min.bytes': int,
  responseMinBytes: int,
  'consumer.request.timeout.ms': int,
  requestWaitMs: int,
})

/**
 * POST /consumers/{group}; no body, a blank one and JSON null are all `{}` (contract v2 §2.9).
 * @throws RestError badRequest, unrecognizedField, jsonTooDeep.
 */
export function parseCreateConsumer(bytes: Uint8Array, limits: JsonLimits): CreateConsumerBody {
  const fields = createFields(parseJsonBody(bytes, limits)?.value ?? {})
  return {
    id: fields?.id ?? null,
    name: fields?.name ?? null,
    format: fields?.format ?? null,
    autoOffsetReset: fields?.['auto.offset.reset'] ?? null,
    autoCommitEnable: fields?.['auto.commit.enable'] ?? null,
    fetchMinBytes: fields?.['fetch.min.bytes'] ?? fields?.responseMinBytes ?? null,
    requestTimeoutMs: fields?.['consumer.request.timeout.ms'] ?? fields?.requestWaitMs ?? null,
  }
}

const subscriptionFields = object('ConsumerSubscriptionRecord', {
  topics: list(string, 'ArrayList<String>'),
  topic_pattern: string,
})

/** What a subscribe request asks for; `topics` wins over a pattern (contract v2 §2.11). */
export type SubscriptionBody =
  | { readonly kind: 'topics'; readonly topics: readonly string[] }
  | { readonly kind: 'pattern'; readonly pattern: string }
  | { readonly kind: 'nothing' }

/**
 * POST …/subscription.
 * @throws RestError validation for no body, a null or blank topic, an empty pattern; badRequest, unrecognizedField.
 */
export function parseSubscription(bytes: Uint8Array, limits: JsonLimits): SubscriptionBody {
  const fields = required(subscriptionFields, bytes, limits, 'subscribe.arg3')
  if (fields.topics !== null) {
    const topics = fields.topics.map((topic, index) => notBlank(topic, `subscribe.arg3.topics[${index}]`))
    return { kind: 'topics', topics: [...new Set(topics)] }
  }
  if (fields.topic_pattern === null) return { kind: 'nothing' }
  if (fields.topic_pattern === '') throw invalid('subscribe.arg3.topic_pattern', 'must not be empty', '')
  return { kind: 'pattern', pattern: fields.topic_pattern }
}

const partitionFields = object('TopicPartition', { topic: string, partition: int })
const partitionsFields = object('ConsumerAssignmentRequest', {
  partitions: list(partitionFields, 'ArrayList<TopicPartition>'),
})

/**
 * Bodies that name partitions: POST …/assignments and …/positions/beginning|end.
 * @param argument the original's name of the validated argument, such as `assign.arg3`.
 * @throws RestError validation for no body, a null list, an element without topic or partition.
 */
export function parsePartitions(
  bytes: Uint8Array,
  limits: JsonLimits,
  argument: string,
): readonly PartitionBody[] {
  const { partitions } = required(partitionsFields, bytes, limits, argument)
  if (partitions === null) throw notNull(`${argument}.partitions`)
  return partitions.map((element, index) => partitionOf(element, `${argument}.partitions[${index}]`))
}

/**
 * The body of GET …/offsets (contract v2 §2.16).
 * @throws RestError partitionNotFound without a body, validation as `parsePartitions`.
 */
export function parseCommittedQuery(bytes: Uint8Array, limits: JsonLimits): readonly PartitionBody[] {
  const body = parseJsonBody(bytes, limits)
  if (body === undefined || body.value === null) throw new RestError('partitionNotFound')
  return parsePartitions(bytes, limits, 'committedOffsets.arg2')
}

const positionsFields = object('ConsumerSeekRequest', {
  offsets: list(
    object('PartitionOffset', { topic: string, partition: int, offset: long, metadata: string }),
    'List<PartitionOffset>',
  ),
  timestamps: list(
    object('PartitionTimestamp', { topic: string, partition: int, timestamp: instant, metadata: string }),
    'List<PartitionTimestamp>',
  ),
})

/** Where POST …/positions moves an instance: offsets first, then times (contract v2 §2.13). */
export interface PositionsBody {
  readonly offsets: readonly OffsetBody[]
  readonly timestamps: readonly TimestampBody[]
}

/**
 * POST …/positions. A missing `partition` or `offset` is 0, as in the original.
 * @throws RestError validation for no body or a negative offset or time; badRequest for a missing topic or timestamp.
 */
export function parsePositions(bytes: Uint8Array, limits: JsonLimits): PositionsBody {
  const argument = 'seekToOffset.arg3'
  const fields = required(positionsFields, bytes, limits, argument)
  const offsets = (fields.offsets ?? []).map((element, index) => {
    const { topic, partition, offset, metadata } = constructed(element, 'PartitionOffset')
    if (topic === null) throw constructionProblem('PartitionOffset', 'Null topic')
    const read = { topic, partition: partition ?? 0, offset: offset ?? 0n, metadata: metadata ?? '' }
    if (read.offset < 0n) throw negative(`${argument}.offsets[${index}].offset`, read.offset)
    return read
  })
  const timestamps = (fields.timestamps ?? []).map((element, index) => {
    const { topic, partition, timestamp } = constructed(element, 'PartitionTimestamp')
    if (topic === null) throw constructionProblem('PartitionTimestamp', 'Null topic')
    if (timestamp === null) throw constructionProblem('PartitionTimestamp', 'Null timestamp')
    if (timestamp < 0) throw negative(`${argument}.timestamps[${index}].timestamp`, timestamp)
    return { topic, partition: partition ?? 0, timestampMs: timestamp }
  })
  return { offsets, timestamps }
}

const commitFields = object('ConsumerOffsetCommitRequest', {
  offsets: list(
    object('TopicPartitionOffsetMetadata', { topic: string, partition: int, offset: long, metadata: string }),
    'List<TopicPartitionOffsetMetadata>',
  ),
})

/** The largest offset whose successor is still a long. */
const committableMax = 2n ** 63n - 2n

/**
 * POST …/offsets: undefined without a body (commit what was handed out), else the offsets of the last records
 * that were processed: what is stored is one more (contract v2 §2.15).
 * @throws RestError validation for a null list, an element without topic, partition or offset, an offset below −1.
 */
export function parseCommit(bytes: Uint8Array, limits: JsonLimits): readonly OffsetBody[] | undefined {
  const argument = 'commitOffsets.arg4'
  const body = parseJsonBody(bytes, limits)
  const fields = commitFields(body?.value)
  if (fields === null) return undefined
  if (fields.offsets === null) throw notNull(`${argument}.offsets`)
  return fields.offsets.map((element, index) => {
    const path = `${argument}.offsets[${index}]`
    const { topic, partition } = partitionOf(element, path)
    const offset = element?.offset ?? null
    if (offset === null) throw notNull(`${path}.offset`)
    if (offset < -1n || offset > committableMax)
      throw new RestError(
        'validation',
        `${path}.offset must be between -1 and ${committableMax} (was ${offset})`,
      )
    return { topic, partition, offset, metadata: element?.metadata ?? '' }
  })
}

function required<T>(shape: Reader<T | null>, bytes: Uint8Array, limits: JsonLimits, argument: string): T {
  const fields = shape(parseJsonBody(bytes, limits)?.value)
  if (fields === null) throw notNull(argument)
  return fields
}

function partitionOf(
  element: { topic: string | null; partition: number | null } | null,
  path: string,
): PartitionBody {
  if (element === null) throw notNull(path)
  if (element.topic === null) throw notNull(`${path}.topic`)
  if (element.topic === '') throw invalid(`${path}.topic`, 'must not be empty', '')
  if (element.partition === null) throw notNull(`${path}.partition`)
  return { topic: element.topic, partition: element.partition }
}

function notBlank(text: string | null, path: string): string {
  if (text === null) throw notNull(path)
  if (text.trim() === '') throw invalid(path, 'must not be blank', text)
  return text
}

function invalid(path: string, rule: string, was: string): RestError {
  return new RestError('validation', `${path} ${rule} (was ${was})`)
}

function negative(path: string, was: bigint | number): RestError {
  return new RestError('validation', `${path} must not be negative (was ${was})`)
}

function constructed<T>(element: T | null, type: string): T {
  if (element === null) throw constructionProblem(type, 'at index 0')
  return element
}

/** The original's text for a value object that cannot be made (contract v2 §2.13: it ends `problem: Null topic`). */
function constructionProblem(type: string, problem: string): RestError {
  return new RestError('badRequest', `Cannot construct instance of \`${type}\`, problem: ${problem}`)
}

/** RFC 3339 with a zone; seconds may be left out, as Java allows. */
const isoInstant = /^[+-]?\d{4,6}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/i

/**
 * A point in time: ISO-8601 with a zone, or epoch seconds, which may have a fraction (contract v2 §2.13).
 * @returns ms since the epoch, rounded down as Java does.
 */
function instant(value: unknown): number | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'number' || typeof value === 'bigint') return instantOfSeconds(Number(value), value)
  if (typeof value === 'string') {
    const text = value.trim()
    if (text === '') return null
    if (/^[+-]?\d+(\.\d+)?$/.test(text)) return instantOfSeconds(Number(text), value)
    const parsed = isoInstant.test(text) ? Date.parse(text) : Number.NaN
    if (!Number.isNaN(parsed)) return parsed
  }
  throw notAnInstant(value)
}

/** The largest time that a Date, and every broker's clock, can hold. */
const instantMsMax = 8.64e15

function instantOfSeconds(seconds: number, value: unknown): number {
  // A double of seconds with three decimals is not exact: 1.001 * 1000 is just below 1001.
  const ms = Math.floor(Number((seconds * 1000).toFixed(3)))
  if (Math.abs(ms) > instantMsMax) throw notAnInstant(value)
  return ms
}

function notAnInstant(value: unknown): RestError {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 100)) : String(value).slice(0, 100)
  return new RestError(
    'badRequest',
    `Cannot deserialize value of type \`Instant\` from ${shown}: not an ISO-8601 time with a zone or epoch seconds`,
  )
}
