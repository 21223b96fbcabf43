import { describe, expect, test } from 'vitest'
import { answerHeaders, requestHeaders } from './headers.ts'

const withLength = { withLength: true, withHost: true }

describe('requestHeaders', () => {
  test('end-to-end headers pass with their spelling, order and repetitions', () => {
    const received = ['Host', 'h:1', 'X-A', '1', 'x-a', '2', 'Content-Length', '5']
    expect(requestHeaders(received, {}, withLength)).toEqual(received)
    expect(requestHeaders(received, {}, { ...withLength, withLength: false })).toEqual(received.slice(0, 6))
  })

  test('headers of one hop, those named by Connection, and Expect are dropped', () => {
    const received = [
      'Connection',
      'keep-alive, X-Hop',
      'X-Hop',
      'a',
      'Keep-Alive',
      'timeout=5',
      'TE',
      'trailers',
      'Trailer',
      'X-Sum',
      'Transfer-Encoding',
      'chunked',
      'Upgrade',
      'h2c',
      'HTTP2-Settings',
      'AAM',
      'Expect',
      '100-continue',
      'Proxy-Connection',
      'close',
      'Proxy-Authorization',
      'Basic eA==',
      'Accept',
      '*/*',
    ]
    expect(requestHeaders(received, {}, withLength)).toEqual(['Accept', '*/*'])
  })

  test('Connection cannot take away what frames or addresses the request', () => {
    const received = ['Host', 'h', 'Content-Length', '5', 'Connection', 'content-length, Host, close']
    expect(requestHeaders(received, {}, withLength)).toEqual(['Host', 'h', 'Content-Length', '5'])
  })

  test('the host that the client asked is left out where it would be looked for in a certificate', () => {
    const received = ['host', 'kafka.example', 'X-A', '1']
    expect(requestHeaders(received, {}, { ...withLength, withHost: false })).toEqual(['X-A', '1'])
  })

  test('internal headers come from the gateway alone, in any spelling of the name', () => {
    const received = ['KAFKA-Rest-Internal-Token', 'x', 'kafka-rest-anything', 'y', 'X-Request-Id', 'theirs']
    const own = { 'kafka-rest-internal-token': 't', 'x-request-id': 'ours' }
    expect(requestHeaders(received, own, withLength)).toEqual([
      'kafka-rest-internal-token',
      't',
      'x-request-id',
      'ours',
    ])
  })

  test('names that objects have by themselves are headers like any other', () => {
    expect(requestHeaders(['constructor', 'a', '__proto__', 'b'], {}, withLength)).toEqual([
      'constructor',
      'a',
      '__proto__',
      'b',
    ])
  })
})

describe('answerHeaders', () => {
  test('what is for the gateway stays here; what it knows better replaces', () => {
    const received = [
      'Content-Type',
      'application/json',
      'Kafka-Rest-Read-Id',
      '7',
      'Kafka-Rest-Refused',
      'yes',
      'X-Request-Id',
      'theirs',
      'Kafka-Rest-Consumer-Gone',
      'unknown',
      'Connection',
      'close',
      'Transfer-Encoding',
      'chunked',
      'Set-Cookie',
      'a=1',
      'Set-Cookie',
      'b=2',
    ]
    expect(answerHeaders(received, { 'kafka-rest-consumer-gone': 'owner-lost' })).toEqual([
      'Content-Type',
      'application/json',
      'Set-Cookie',
      'a=1',
      'Set-Cookie',
      'b=2',
      'kafka-rest-consumer-gone',
      'owner-lost',
    ])
  })
})
