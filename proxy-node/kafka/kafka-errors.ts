import {
  AuthenticationError,
  MultipleErrors,
  NetworkError,
  ProtocolError,
  TimeoutError,
  UnsupportedApiError,
} from '@platformatic/kafka'
import kafkajs from 'kafkajs'
import { KafkaError } from '../ports/kafka-error.ts'
import { kafkaErrorTable } from './kafka-error-table.ts'

// Node does not find these names by itself in kafkajs's CommonJS module: it spreads them into its exports.
const {
  KafkaJSConnectionError,
  KafkaJSError,
  KafkaJSProtocolError,
  KafkaJSRequestTimeoutError,
  KafkaJSSASLAuthenticationError,
  KafkaJSServerDoesNotSupportApiKey,
  KafkaJSTimeout,
} = kafkajs

/**
 * The one place where failures of the brokers and of the drivers become KafkaErrors. Drivers' own texts are never
 * looked at: a broker's number decides, else the class of the driver's error.
 */

export interface KafkaErrorDetail {
  /** The topic or group that the error is about, for the texts that name it. */
  readonly subject?: string | undefined
  /** The text that the broker sent with the number, if any: it says more than the table. */
  readonly text?: string | null | undefined
  readonly cause?: unknown
}

/** The error of a broker error number. A number newer than the table is not retried. */
export function brokerError(code: number, detail: KafkaErrorDetail = {}): KafkaError {
  const row = kafkaErrorTable.get(code) ?? {
    kind: `UNKNOWN_ERROR_${code}`,
    retriable: false,
    text: `The broker answered with error ${code}, which this version does not know.`,
  }
  const text = detail.text || row.text.replace('{}', () => detail.subject ?? '')
  return new KafkaError(row.kind, { code, retriable: row.retriable, text, cause: detail.cause })
}

/**
 * A wait that ended without an answer: Kafka's client-side TimeoutException, which is retriable. Whether the broker
 * has done what it was asked is not known.
 */
export function timedOut(text: string, cause?: unknown): KafkaError {
  return new KafkaError('TIMED_OUT', { code: -1, retriable: true, text, cause })
}

/**
 * No connection, or one that ended before the answer: Kafka's DisconnectException, which is retriable. Whether the
 * broker has done what it was asked is not known, unless the connection could not be opened at all.
 */
export function connectionLost(text: string, cause?: unknown): KafkaError {
  return new KafkaError('CONNECTION_LOST', { code: -1, retriable: true, text, cause })
}

/** An answer that says nothing about a partition that was asked for: not done, as far as anybody knows. */
export function incompleteAnswer(topic: string, partition: number): KafkaError {
  const text = `The answer of the broker lacks topic partition ${topic}-${partition}.`
  return new KafkaError('INCOMPLETE_ANSWER', { code: -1, retriable: true, text })
}

/** The end of whatever is under way when the process stops. */
export function stopping(): KafkaError {
  return new KafkaError('STOPPED', { code: -1, retriable: false, text: 'The proxy node is stopping.' })
}

/** The brokers refused this process's own credentials (contract v2 §3.3: 401 / 40101). */
export function authenticationFailed(text: string, cause?: unknown): KafkaError {
  return brokerError(58, { text, cause })
}

/**
 * The client-side time-out of a topic or partition that does not appear in the metadata. A kind of its own, since
 * outside produce it is the contract's 404 / 40401 and not 500 / 50003 (v2 §3.3).
 */
export function notPresentInMetadata(text: string): KafkaError {
  return new KafkaError('NOT_PRESENT_IN_METADATA', { code: -1, retriable: true, text })
}

/**
 * Translates what @platformatic/kafka throws; anything that is no Kafka failure (a bug, an abort) comes back as it is.
 * For `throw translatePlatformatic(error, topic)`.
 */
export function translatePlatformatic(error: unknown, subject?: string | undefined): unknown {
  if (error instanceof KafkaError) return error
  if (error instanceof ProtocolError) {
    return brokerError(Number(error['apiCode']), {
      subject,
      text: textOrNothing(error['serverErrorMessage']),
      cause: error,
    })
  }
  if (error instanceof MultipleErrors) return translateMultiple(error, subject)
  if (error instanceof AuthenticationError) {
    // A connection that ended during the login says nothing about the credentials.
    const cause = error.cause === undefined ? undefined : translatePlatformatic(error.cause, subject)
    const unanswered = cause instanceof KafkaError && cause.code === -1 && cause.retriable
    return unanswered ? cause : authenticationFailed(error.message, error)
  }
  // Before NetworkError: the library gives its time-outs the network error's code.
  if (error instanceof TimeoutError) return timedOut('The broker did not answer in time.', error)
  if (error instanceof NetworkError) {
    // A refused login may be wrapped as a failure to connect.
    const cause = error.cause === undefined ? error : translatePlatformatic(error.cause, subject)
    if (cause instanceof KafkaError && cause.kind === 'SASL_AUTHENTICATION_FAILED') return cause
    return connectionLost('The connection to the broker was lost.', error)
  }
  if (error instanceof UnsupportedApiError) return brokerError(35, { cause: error })
  return error
}

/** An answer of the broker says more than the time-outs and lost connections around it. */
function translateMultiple(error: MultipleErrors, subject: string | undefined): unknown {
  const translated = error.errors.map(inner => translatePlatformatic(inner, subject))
  const kafka = translated.filter(inner => inner instanceof KafkaError)
  return kafka.find(inner => inner.code !== -1) ?? kafka[0] ?? translated[0] ?? error
}

/** Translates what kafkajs throws; anything that is no Kafka failure comes back as it is. */
export function translateKafkajs(error: unknown, subject?: string | undefined): unknown {
  if (error instanceof KafkaError) return error
  if (error instanceof KafkaJSProtocolError) return brokerError(error.code, { subject, cause: error })
  if (error instanceof KafkaJSSASLAuthenticationError) return authenticationFailed(error.message, error)
  if (error instanceof KafkaJSRequestTimeoutError)
    return timedOut('The broker did not answer in time.', error)
  if (error instanceof KafkaJSConnectionError) {
    return connectionLost('The connection to the broker was lost.', error)
  }
  if (error instanceof KafkaJSTimeout) return timedOut('The broker did not answer in time.', error)
  if (error instanceof KafkaJSServerDoesNotSupportApiKey) return brokerError(35, { cause: error })
  if (error instanceof KafkaJSError) {
    const { retriable } = error
    return new KafkaError('CLIENT_ERROR', {
      code: -1,
      retriable,
      text: 'The Kafka client failed.',
      cause: error,
    })
  }
  return error
}

function textOrNothing(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
