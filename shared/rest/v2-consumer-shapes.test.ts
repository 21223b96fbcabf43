import { describe, expect, test } from 'vitest'
import { RestError } from '../errors/rest-error.ts'
import {
  parseCommit,
  parseCommittedQuery,
  parseCreateConsumer,
  parsePartitions,
  parsePositions,
  parseSubscription,
} from './v2-consumer-shapes.ts'

const limits = { depthMax: 8 }
const bytes = (text: string) => new TextEncoder().encode(text)

function errorOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof RestError) return `${error.status}/${error.errorCode} ${error.message}`
    throw error
  }
  return 'no error'
}

describe('parseCreateConsumer - contract v2 §2.9', () => {
  const create = (text: string) => parseCreateConsumer(bytes(text), limits)
  const nothing = {
    id: null,
    name: null,
    format: null,
    autoOffsetReset: null,
    autoCommitEnable: null,
    fetchMinBytes: null,
    requestTimeoutMs: null,
  }

  test.each(['', ' \n', 'null', '{}'])('%j asks for nothing', text => {
    expect(create(text)).toEqual(nothing)
  })

  test('every field, its aliases and its coercions', () => {
    expect(
      create(
        '{"id":7,"name":"n","format":"JSON","auto.offset.reset":"earliest","auto.commit.enable":false,' +
          '"fetch.min.bytes":"12","consumer.request.timeout.ms":1.5}',
      ),
    ).toEqual({
      id: '7',
      name: 'n',
      format: 'JSON',
      autoOffsetReset: 'earliest',
      autoCommitEnable: 'false',
      fetchMinBytes: 12,
      requestTimeoutMs: 1,
    })
    expect(create('{"responseMinBytes":3,"requestWaitMs":4,"auto.commit.enable":"true"}')).toEqual({
      ...nothing,
      fetchMinBytes: 3,
      requestTimeoutMs: 4,
      autoCommitEnable: 'true',
    })
  })

  test('other Kafka settings are unknown fields', () => {
    expect(errorOf(() => create('{"isolation.level":"read_committed"}'))).toBe(
      '422/422 Unrecognized field: isolation.level',
    )
    expect(errorOf(() => create('{"fetch.min.bytes":true}'))).toMatch(/^400\/400 /)
    expect(errorOf(() => create('[]'))).toMatch(/^400\/400 Cannot deserialize/)
  })
})

describe('parseSubscription - contract v2 §2.11', () => {
  const subscribe = (text: string) => parseSubscription(bytes(text), limits)

  test('topics win, doubles are dropped, an empty list stays one', () => {
    expect(subscribe('{"topics":["a","b","a"],"topic_pattern":"x.*"}')).toEqual({
      kind: 'topics',
      topics: ['a', 'b'],
    })
    expect(subscribe('{"topics":[]}')).toEqual({ kind: 'topics', topics: [] })
    expect(subscribe('{"topic_pattern":"x.*"}')).toEqual({ kind: 'pattern', pattern: 'x.*' })
    expect(subscribe('{}')).toEqual({ kind: 'nothing' })
    expect(subscribe('{"topics":null,"topic_pattern":null}')).toEqual({ kind: 'nothing' })
  })

  test.each([
    ['', '422/422 subscribe.arg3 must not be null (was null)'],
    ['null', '422/422 subscribe.arg3 must not be null (was null)'],
    ['{"topics":[" "]}', '422/422 subscribe.arg3.topics[0] must not be blank (was  )'],
    ['{"topics":["a",null]}', '422/422 subscribe.arg3.topics[1] must not be null (was null)'],
    ['{"topic_pattern":""}', '422/422 subscribe.arg3.topic_pattern must not be empty (was )'],
    [
      '{"topics":"a"}',
      '400/400 Cannot deserialize value of type `ArrayList<String>` from String value (token `JsonToken.VALUE_STRING`)',
    ],
    ['{"topics":["a"],"x":1}', '422/422 Unrecognized field: x'],
  ])('%s', (text, expected) => {
    expect(errorOf(() => subscribe(text))).toBe(expected)
  })
})

describe('parsePartitions - contract v2 §2.12, §2.13', () => {
  const assign = (text: string) => parsePartitions(bytes(text), limits, 'assign.arg3')

  test('a list of partitions, numbers as strings too', () => {
    expect(assign('{"partitions":[{"topic":"t","partition":"1"},{"topic":"t","partition":-1}]}')).toEqual([
      { topic: 't', partition: 1 },
      { topic: 't', partition: -1 },
    ])
    expect(assign('{"partitions":[]}')).toEqual([])
  })

  test.each([
    ['', '422/422 assign.arg3 must not be null (was null)'],
    ['{}', '422/422 assign.arg3.partitions must not be null (was null)'],
    ['{"partitions":[null]}', '422/422 assign.arg3.partitions[0] must not be null (was null)'],
    [
      '{"partitions":[{"topic":"t"}]}',
      '422/422 assign.arg3.partitions[0].partition must not be null (was null)',
    ],
    [
      '{"partitions":[{"topic":"","partition":0}]}',
      '422/422 assign.arg3.partitions[0].topic must not be empty (was )',
    ],
    [
      '{"partitions":[{"partition":0}]}',
      '422/422 assign.arg3.partitions[0].topic must not be null (was null)',
    ],
  ])('%s', (text, expected) => {
    expect(errorOf(() => assign(text))).toBe(expected)
  })

  test('GET offsets without a body asks for a partition that is not there', () => {
    const query = (text: string) => () => parseCommittedQuery(bytes(text), limits)
    expect(errorOf(query(''))).toBe('404/40402 Partition not found.')
    expect(errorOf(query('null'))).toBe('404/40402 Partition not found.')
    expect(errorOf(query('{}'))).toBe('422/422 committedOffsets.arg2.partitions must not be null (was null)')
  })
})

describe('parsePositions - contract v2 §2.13', () => {
  const positions = (text: string) => parsePositions(bytes(text), limits)

  test('missing numbers are 0, metadata is taken', () => {
    expect(positions('{}')).toEqual({ offsets: [], timestamps: [] })
    expect(positions('{"offsets":[{"topic":"t"}]}').offsets).toEqual([
      { topic: 't', partition: 0, offset: 0n, metadata: '' },
    ])
    expect(
      positions('{"offsets":[{"topic":"t","partition":2,"offset":9007199254740993,"metadata":"m"}]}').offsets,
    ).toEqual([{ topic: 't', partition: 2, offset: 9007199254740993n, metadata: 'm' }])
  })

  test.each([
    ['"2024-01-01T00:00:00Z"', 1704067200000],
    ['"2024-01-01T02:00:00+02:00"', 1704067200000],
    ['"2024-01-01T00:00:00.123456Z"', 1704067200123],
    ['1704067200', 1704067200000],
    ['1704067200.001', 1704067200001],
    ['"1704067200.5"', 1704067200500],
    ['0', 0],
  ])('timestamp %s is %d ms', (timestamp, expected) => {
    expect(positions(`{"timestamps":[{"topic":"t","timestamp":${timestamp}}]}`).timestamps).toEqual([
      { topic: 't', partition: 0, timestampMs: expected },
    ])
  })

  test.each([
    ['', '422/422 seekToOffset.arg3 must not be null (was null)'],
    [
      '{"offsets":[{"topic":"t","offset":-1}]}',
      '422/422 seekToOffset.arg3.offsets[0].offset must not be negative (was -1)',
    ],
    [
      '{"offsets":[{"offset":1}]}',
      '400/400 Cannot construct instance of `PartitionOffset`, problem: Null topic',
    ],
    [
      '{"timestamps":[{"topic":"t"}]}',
      '400/400 Cannot construct instance of `PartitionTimestamp`, problem: Null timestamp',
    ],
    [
      '{"timestamps":[{"topic":"t","timestamp":-1}]}',
      '422/422 seekToOffset.arg3.timestamps[0].timestamp must not be negative (was -1000)',
    ],
  ])('%s', (text, expected) => {
    expect(errorOf(() => positions(text))).toBe(expected)
  })

  test.each(['"2024-01-01"', '"2024-01-01T00:00:00"', '"tomorrow"', 'true', '{}', '1e300'])(
    'timestamp %s is refused',
    timestamp => {
      expect(errorOf(() => positions(`{"timestamps":[{"topic":"t","timestamp":${timestamp}}]}`))).toMatch(
        /^400\/400 Cannot deserialize value of type `Instant`/,
      )
    },
  )
})

describe('parseCommit - contract v2 §2.15', () => {
  const commit = (text: string) => parseCommit(bytes(text), limits)

  test('no body commits what was handed out', () => {
    expect([commit(''), commit(' '), commit('null')]).toEqual([undefined, undefined, undefined])
    expect(commit('{"offsets":[]}')).toEqual([])
  })

  test('offsets keep every digit', () => {
    expect(
      commit(
        '{"offsets":[{"topic":"t","partition":0,"offset":9007199254740993},{"topic":"t","partition":1,"offset":-1,"metadata":"m"}]}',
      ),
    ).toEqual([
      { topic: 't', partition: 0, offset: 9007199254740993n, metadata: '' },
      { topic: 't', partition: 1, offset: -1n, metadata: 'm' },
    ])
  })

  test.each([
    ['{}', '422/422 commitOffsets.arg4.offsets must not be null (was null)'],
    ['{"offsets":null}', '422/422 commitOffsets.arg4.offsets must not be null (was null)'],
    [
      '{"offsets":[{"topic":"t","partition":0}]}',
      '422/422 commitOffsets.arg4.offsets[0].offset must not be null (was null)',
    ],
    [
      '{"offsets":[{"topic":"t","offset":0}]}',
      '422/422 commitOffsets.arg4.offsets[0].partition must not be null (was null)',
    ],
    [
      '{"offsets":[{"topic":"t","partition":0,"offset":-2}]}',
      '422/422 commitOffsets.arg4.offsets[0].offset must be between -1 and 9223372036854775806 (was -2)',
    ],
    [
      '{"offsets":[{"topic":"t","partition":0,"offset":9223372036854775807}]}',
      '422/422 commitOffsets.arg4.offsets[0].offset must be between -1 and 9223372036854775806 (was 9223372036854775807)',
    ],
  ])('%s', (text, expected) => {
    expect(errorOf(() => commit(text))).toBe(expected)
  })
})
