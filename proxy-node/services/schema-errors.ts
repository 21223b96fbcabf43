import { RestError } from '../../shared/errors/rest-error.ts'
import { excerpt } from '../formats/excerpt.ts'
import { type SchemaRefused, type SchemaType, UndecodableRecord } from '../formats/format.ts'
import type { RegistryError } from '../ports/schema-registry.ts'

/** What the original's error texts call a schema type. */
export const formatWords: Readonly<Record<SchemaType, string>> = {
  AVRO: 'AVRO',
  JSON: 'JSONSCHEMA',
  PROTOBUF: 'PROTOBUF',
}

/** Confluent's code for "not allowed", which reaches the client as 403. */
const registryForbids = 40301

/**
 * A failure while the schemas of a produce request are resolved: 422 / 42207 with what was tried and the registry's
 * own text on a second line, or 403 / 40301 with the first alone (contract v2 §6.3).
 */
export function resolutionError(attempt: string, error: RegistryError | string): RestError {
  if (typeof error === 'string') return new RestError('serializationFailed', `${attempt}\n${error}`)
  if (error.errorCode === registryForbids)
    return new RestError('kafkaAuthorization', attempt, { cause: error })
  return new RestError('serializationFailed', `${attempt}\n${error.message}`, { cause: error })
}

/** Schema text in a request that does not parse or goes beyond a limit: 422 / 42205. */
export function invalidSchema(type: SchemaType, text: string, refusal: SchemaRefused): RestError {
  const detail = `Error when parsing raw schema. format = ${formatWords[type]}, schema = ${excerpt(text)}`
  return new RestError('invalidSchema', `${detail}\n${refusal.message}`, { cause: refusal })
}

/** A schema of the registry itself that does not parse: 400 (contract v2 §3.1). */
export function unusableSchema(type: SchemaType, refusal: SchemaRefused): RestError {
  const detail = `Error parsing schema with format = ${formatWords[type]}\n${refusal.message}`
  return new RestError('badPayload', detail, { cause: refusal })
}

/**
 * A failure to fetch the schema of a stored record, by the registry's status (contract v2 §6.3): 401, 403 and 429
 * keep their meaning; what may pass is 500 / 50003; all else makes the record undecodable.
 */
export function readError(schemaName: number | string, error: RegistryError): RestError | UndecodableRecord {
  const text = `Error retrieving schema for id ${schemaName}: ${error.message}`
  const cause = { cause: error }
  if (error.status === 401) return new RestError('kafkaAuthentication', text, cause)
  if (error.status === 403) return new RestError('kafkaAuthorization', text, cause)
  if (error.status === 429) return new RestError('kafkaQuota', text, cause)
  if (error.kind !== 'answered') return new RestError('kafkaRetriable', text, cause)
  return new UndecodableRecord(text, cause)
}
