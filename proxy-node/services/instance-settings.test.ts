import { describe, expect, test } from 'vitest'
import { RestError } from '../../shared/errors/rest-error.ts'
import { formatOf, type InstanceSettings, instanceSettings, resetPolicyOf } from './instance-settings.ts'

const defaults: Omit<InstanceSettings, 'format'> = {
  autoOffsetReset: { from: 'latest' },
  autoCommit: true,
  fetchMinBytes: -1,
  requestTimeoutMs: 1000,
}

const nothing = {
  id: null,
  name: null,
  format: null,
  autoOffsetReset: null,
  autoCommitEnable: null,
  fetchMinBytes: null,
  requestTimeoutMs: null,
}

function errorOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof RestError) return `${error.status}/${error.errorCode} ${error.message}`
    throw error
  }
  return 'no error'
}

describe('instanceSettings - contract v2 §2.9', () => {
  test('§9.9: a format is taken in any case, and binary when there is none', () => {
    expect([null, 'BINARY', 'Json', 'avro'].map(formatOf)).toEqual(['binary', 'binary', 'json', 'avro'])
  })

  test('what the request leaves out is the node default', () => {
    expect(instanceSettings(nothing, defaults)).toEqual({ format: 'binary', ...defaults })
  })

  test('§9 row 34, 35: a request overrides, upwards too', () => {
    expect(
      instanceSettings(
        {
          ...nothing,
          format: 'JSONSchema',
          autoOffsetReset: 'earliest',
          autoCommitEnable: ' False ',
          fetchMinBytes: 10_000_000,
          requestTimeoutMs: 90_000,
        },
        defaults,
      ),
    ).toEqual({
      format: 'jsonschema',
      autoOffsetReset: { from: 'earliest' },
      autoCommit: false,
      fetchMinBytes: 10_000_000,
      requestTimeoutMs: 90_000,
    })
  })

  test.each([
    [{ format: 'xml' }, '422/422 Invalid format type.'],
    [{ format: '' }, '422/422 Invalid format type.'],
    [{ format: 'String' }, '500/500 Invalid embedded format STRING for new consumer.'],
    [
      { fetchMinBytes: 10_000_001, autoCommitEnable: 'foo' },
      '422/40001 Invalid consumer configuration. It does not abide by the constraints: Invalid value 10000001 for configuration fetch.min.bytes: Value must be no more than 10000000',
    ],
    [
      { fetchMinBytes: -2 },
      '422/40001 Invalid consumer configuration. It does not abide by the constraints: Invalid value -2 for configuration fetch.min.bytes: Value must be at least -1',
    ],
    [
      { autoCommitEnable: 'foo' },
      '422/42204 Invalid consumer configuration: Invalid value foo for configuration enable.auto.commit: Expected value to be either true or false',
    ],
  ])('%j', (change, expected) => {
    expect(errorOf(() => instanceSettings({ ...nothing, ...change }, defaults))).toBe(expected)
  })

  test.each(['Earliest', 'foo', '', 'by_duration:', 'by_duration:P', 'by_duration:PT', 'by_duration:-PT1H'])(
    '§9 row 3: auto.offset.reset %j is refused at create',
    autoOffsetReset => {
      expect(errorOf(() => instanceSettings({ ...nothing, autoOffsetReset }, defaults))).toMatch(
        /^422\/42204 Invalid consumer configuration: Invalid value .*for configuration auto\.offset\.reset/,
      )
    },
  )

  test.each([
    ['by_duration:PT1H', 3_600_000],
    ['by_duration:P1DT2H3M4.5S', 93_784_500],
    ['by_duration:P2D', 172_800_000],
    ['by_duration:PT0S', 0],
  ])('%s', (text, durationMs) => {
    expect(resetPolicyOf(text, 'auto.offset.reset')).toEqual({ policy: { from: 'duration', durationMs } })
  })
})
