import { ResponseError } from '@platformatic/kafka'
import { KafkaError } from '../ports/kafka-error.ts'
import { connectionLost, translatePlatformatic } from './kafka-errors.ts'

/**
 * The answer of a call even when parts of it are errors. The library rejects as soon as one topic, partition or
 * member of an answer has an error; the whole answer is on the rejection, and callers look at each part of it.
 * @throws KafkaError when there was no answer.
 */
export async function answerOf<T>(call: Promise<T>): Promise<T> {
  try {
    return await call
  } catch (error) {
    if (error instanceof ResponseError) return error['response']
    throw translatePlatformatic(error)
  }
}

/** What a failed attempt to connect means: whatever it is, there is no connection. */
export function connectFailure(error: unknown): KafkaError {
  const translated = translatePlatformatic(error)
  if (translated instanceof KafkaError) return translated
  return connectionLost('The connection to the broker could not be opened.', error)
}

/** Whether no broker answered, so that another broker, or the same one later, may. */
export function isConnectionFailure(error: unknown): boolean {
  return error instanceof KafkaError && (error.kind === 'CONNECTION_LOST' || error.kind === 'TIMED_OUT')
}
