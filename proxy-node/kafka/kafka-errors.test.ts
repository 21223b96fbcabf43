import {
  AuthenticationError,
  MultipleErrors,
  NetworkError,
  ProtocolError,
  TimeoutError,
} from '@platformatic/kafka'
import {
  KafkaJSConnectionError,
  KafkaJSNonRetriableError,
  KafkaJSProtocolError,
  KafkaJSTimeout,
} from 'kafkajs'
import { describe, expect, test } from 'vitest'
import { kafkaErrorTable } from './kafka-error-table.ts'
import { brokerError, translateKafkajs, translatePlatformatic } from './kafka-errors.ts'

describe('brokerError', () => {
  test('the table covers every number that Kafka 4.1 knows, each kind once', () => {
    const codes = [...kafkaErrorTable.keys()]
    expect(codes).toEqual([-1, ...Array.from({ length: 133 }, (_, index) => index + 1)])
    expect(new Set([...kafkaErrorTable.values()].map(row => row.kind)).size).toBe(codes.length)
  })

  test('texts that clients match on are the contract’s', () => {
    expect(brokerError(3).message).toBe('This server does not host this topic-partition.')
    expect(brokerError(17).message).toBe('The request attempted to perform an operation on an invalid topic.')
    expect(brokerError(29, { subject: 't' }).message).toBe('Not authorized to access topics: [t]')
    expect(brokerError(30, { subject: '$& g' }).message).toBe('Not authorized to access group: $& g')
  })

  test('a text of the broker is kept, and an unknown number is not retried', () => {
    expect(brokerError(87, { text: 'no key' })).toMatchObject({ kind: 'INVALID_RECORD', message: 'no key' })
    expect(brokerError(9999)).toMatchObject({ kind: 'UNKNOWN_ERROR_9999', code: 9999, retriable: false })
  })
})

describe('translatePlatformatic', () => {
  test('a broker’s number wins over the failures around it', () => {
    const failure = new MultipleErrors('all failed', [
      new NetworkError('socket hung up'),
      new MultipleErrors('inner', [new ProtocolError(29, null)]),
    ])
    expect(translatePlatformatic(failure, 'orders')).toMatchObject({
      kind: 'TOPIC_AUTHORIZATION_FAILED',
      message: 'Not authorized to access topics: [orders]',
    })
  })

  test('time-outs, lost connections and refused logins are told apart', () => {
    expect(translatePlatformatic(new TimeoutError('x'))).toMatchObject({ kind: 'TIMED_OUT', retriable: true })
    expect(translatePlatformatic(new NetworkError('x'))).toMatchObject({ kind: 'CONNECTION_LOST' })
    const refused = new NetworkError('x', { cause: new AuthenticationError('bad password') })
    expect(translatePlatformatic(refused)).toMatchObject({
      code: 58,
      message: 'bad password',
      retriable: false,
    })
    const cut = new AuthenticationError('x', { cause: new NetworkError('socket hung up') })
    expect(translatePlatformatic(cut)).toMatchObject({ kind: 'CONNECTION_LOST', retriable: true })
    const told = new AuthenticationError('bad password', { cause: new ProtocolError(58, null) })
    expect(translatePlatformatic(told)).toMatchObject({ code: 58, message: 'bad password' })
  })

  test('what is no Kafka failure stays what it is', () => {
    const bug = new TypeError('bug')
    expect(translatePlatformatic(bug)).toBe(bug)
    expect(translateKafkajs(bug)).toBe(bug)
  })
})

test('translateKafkajs takes the number, never the canned text', () => {
  // The library's types want an Error; its own code passes an entry of its error table.
  const entry = Object.assign(new Error('canned'), {
    type: 'NOT_LEADER_FOR_PARTITION',
    code: 6,
    retriable: true,
  })
  const error = new KafkaJSProtocolError(entry)
  expect(translateKafkajs(error)).toMatchObject({ kind: 'NOT_LEADER_OR_FOLLOWER', retriable: true })
  expect(translateKafkajs(error)).not.toMatchObject({ message: 'canned' })
  const closed = new KafkaJSConnectionError('Closed connection', { broker: 'a:1' })
  expect(translateKafkajs(closed)).toMatchObject({ kind: 'CONNECTION_LOST', code: -1, retriable: true })
  expect(translateKafkajs(Reflect.construct(KafkaJSTimeout, ['lock', {}]))).toMatchObject({
    kind: 'TIMED_OUT',
  })
  const other = new KafkaJSNonRetriableError('x')
  expect(translateKafkajs(other)).toMatchObject({ kind: 'CLIENT_ERROR', retriable: false })
})
