import { RestError } from '../../shared/errors/rest-error.ts'
import type { RestErrorName } from '../../shared/errors/rest-errors.ts'
import type { KafkaError } from '../ports/kafka-error.ts'

/**
 * How failures of Kafka look to clients: one mapping for single answers (contract v2 §3.3), one for the records of a
 * produce answer (§2.8). Both go by the error's kind, never by its text.
 */

/** The kinds that Kafka's Java client raises as AuthenticationException. */
const authenticationKinds: ReadonlySet<string> = new Set([
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'ILLEGAL_SASL_STATE',
])

/** The kinds that Kafka's Java client raises as AuthorizationException. */
const authorizationKinds: ReadonlySet<string> = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'DELEGATION_TOKEN_AUTHORIZATION_FAILED',
])

/** The exact-class table of contract v2 §3.3, and the two kinds that it names after the retriable ones. */
const rowsByKind: ReadonlyMap<string, RestErrorName> = new Map([
  ['BROKER_NOT_AVAILABLE', 'brokerNotAvailable'],
  ['INVALID_REPLICATION_FACTOR', 'kafkaBadRequest'],
  ['SECURITY_DISABLED', 'kafkaBadRequest'],
  ['UNSUPPORTED_VERSION', 'kafkaBadRequest'],
  ['INVALID_PARTITIONS', 'kafkaBadRequest'],
  ['INVALID_REQUEST', 'kafkaBadRequest'],
  ['UNKNOWN_SERVER_ERROR', 'kafkaBadRequest'],
  ['POLICY_VIOLATION', 'kafkaBadRequest'],
  ['TOPIC_ALREADY_EXISTS', 'kafkaBadRequest'],
  ['INVALID_CONFIG', 'kafkaBadRequest'],
  ['TOPIC_DELETION_DISABLED', 'kafkaBadRequest'],
  ['INVALID_TOPIC_EXCEPTION', 'kafkaBadRequest'],
  // Not in that table, where they would be failures of ours: 500 / 50002.
  ['OFFSET_METADATA_TOO_LARGE', 'kafkaBadRequest'],
  ['INVALID_COMMIT_OFFSET_SIZE', 'kafkaBadRequest'],
  ['MESSAGE_TOO_LARGE', 'kafkaRecordTooLarge'],
  ['UNKNOWN_TOPIC_OR_PARTITION', 'unknownTopicOrPartition'],
  ['UNKNOWN_TOPIC_ID', 'unknownTopicOrPartition'],
  ['THROTTLING_QUOTA_EXCEEDED', 'kafkaQuota'],
  ['NOT_PRESENT_IN_METADATA', 'notPresentInMetadata'],
])

/** The answer to a request that failed in Kafka, outside produce (contract v2 §3.3). */
export function toRestError(error: KafkaError): RestError {
  return new RestError(rowOf(error), error.message, { cause: error })
}

function rowOf(error: KafkaError): RestErrorName {
  if (authenticationKinds.has(error.kind)) return 'kafkaAuthentication'
  if (authorizationKinds.has(error.kind)) return 'kafkaAuthorization'
  return rowsByKind.get(error.kind) ?? (error.retriable ? 'kafkaRetriable' : 'kafkaError')
}

/** How one record of a produce answer failed. */
export interface RecordFailure {
  readonly errorCode: number
  readonly text: string
  /** Of the whole answer, if this is the first record with one: 401 or 403 (contract v2 §2.8). */
  readonly status: 401 | 403 | undefined
}

/** The failure of one record in a produce answer (contract v2 §2.8). */
export function recordFailure(error: KafkaError): RecordFailure {
  const text = error.message
  if (authenticationKinds.has(error.kind)) return { errorCode: 40101, text, status: 401 }
  if (authorizationKinds.has(error.kind)) return { errorCode: 40301, text, status: 403 }
  return { errorCode: error.retriable ? 50003 : 50002, text, status: undefined }
}
