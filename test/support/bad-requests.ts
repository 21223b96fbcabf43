import { badConsumerBodies } from './bad-consumer-bodies.ts'
import { badHeads } from './bad-heads.ts'
import { badProduceBodies } from './bad-produce-bodies.ts'
import { badTargets } from './bad-targets.ts'

/** What an answer must be. */
export interface Expected {
  readonly status: number
  /** `error_code`; without one the answer is no error. */
  readonly code?: number
  /** The exact message. */
  readonly text?: string
  /** The start of the message, where the rest is a library's (contract v2, the texts marked *(lib)*). */
  readonly prefix?: string
  /** Part of an answer that is no error. */
  readonly includes?: string
  /** The answer has no Content-Type (contract v2 §1.6). */
  readonly bare?: boolean
}

/** A malformed or hostile request, and its answer from gateway and node alike. */
export interface BadRequest {
  readonly name: string
  /** Text is sent a byte for each character. */
  readonly bytes: string | Buffer
  /** The client ends its side after the last byte. */
  readonly end?: boolean
  readonly expected: Expected
  /** Where a gateway answers otherwise by design. */
  readonly atGateway?: Expected
}

/** What the requests are about; both tiers know it. */
export interface BadRequestSubjects {
  /** With one partition. */
  readonly topic: string
  readonly group: string
  /** An instance in format binary, neither subscribed nor assigned. */
  readonly idle: string
  /** An instance in format json with `topic` partition 0 assigned. */
  readonly assigned: string
  /** An instance in format avro that is subscribed to `topic`. */
  readonly subscribed: string
}

/**
 * The limits that the table goes over; both tiers run with them. Those of time leave a busy machine enough to read a
 * whole request.
 */
export const tableLimits = {
  'request.body.max.bytes': 200_000,
  'request.records.max': 500,
  'request.json.depth.max': 64,
  'request.head.max.bytes': 8192,
  'request.head.timeout.ms': 5000,
  'request.receive.timeout.ms': 8000,
  'response.write.timeout.ms': 6000,
} as const

/** The whole table; no two rows have the same name. */
export function badRequests(subjects: BadRequestSubjects): readonly BadRequest[] {
  return [
    ...badHeads(),
    ...badTargets(subjects),
    ...badProduceBodies(subjects),
    ...badConsumerBodies(subjects),
  ]
}
