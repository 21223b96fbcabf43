import { describe, expect, test } from 'vitest'
import { KafkaError } from '../ports/kafka-error.ts'
import { recordFailure, toRestError } from './kafka-failures.ts'

const failure = (kind: string, retriable = false) => new KafkaError(kind, { code: 0, retriable, text: 'why' })

describe('toRestError (contract v2 §3.3)', () => {
  test.each([
    ['SASL_AUTHENTICATION_FAILED', false, 401, 40101, 'why'],
    ['GROUP_AUTHORIZATION_FAILED', false, 403, 40301, 'why'],
    ['BROKER_NOT_AVAILABLE', false, 503, 50302, 'why'],
    ['POLICY_VIOLATION', false, 400, 40002, 'why'],
    ['INVALID_TOPIC_EXCEPTION', false, 400, 40002, 'why'],
    ['OFFSET_METADATA_TOO_LARGE', false, 400, 40002, 'why'],
    ['MESSAGE_TOO_LARGE', false, 413, 413, 'why'],
    ['UNKNOWN_TOPIC_OR_PARTITION', true, 404, 40403, 'This server does not host this topic-partition.'],
    ['THROTTLING_QUOTA_EXCEEDED', true, 429, 42901, 'why'],
    ['NOT_PRESENT_IN_METADATA', true, 404, 40401, 'why'],
    ['TIMED_OUT', true, 500, 50003, 'why'],
    ['ILLEGAL_GENERATION', false, 500, 50002, 'why'],
  ])('%s', (kind, retriable, status, errorCode, message) => {
    expect(toRestError(failure(kind, retriable))).toMatchObject({ status, errorCode, message })
  })
})

describe('recordFailure (contract v2 §2.8, §9.27)', () => {
  test.each([
    ['SASL_AUTHENTICATION_FAILED', false, 40101, 401],
    ['TOPIC_AUTHORIZATION_FAILED', false, 40301, 403],
    ['NOT_PRESENT_IN_METADATA', true, 50003, undefined],
    ['UNKNOWN_TOPIC_OR_PARTITION', true, 50003, undefined],
    ['MESSAGE_TOO_LARGE', false, 50002, undefined],
    ['INVALID_TOPIC_EXCEPTION', false, 50002, undefined],
  ])('%s', (kind, retriable, errorCode, status) => {
    expect(recordFailure(failure(kind, retriable))).toEqual({ errorCode, text: 'why', status })
  })
})
