import { compressionsAlgorithms, crc32c } from '@platformatic/kafka'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkProperty } from '../../test/support/property.ts'
import type { Isolation } from '../ports/kafka-consumer.ts'
import { type AbortedTransaction, partitionRecords, type ReadLimits } from './partition-records.ts'

const CONTROL = 0b10_0000
const TRANSACTIONAL = 0b1_0000
const APPEND_TIME = 0b1000
const TIME = 1_700_000_000_000n

interface BatchOptions {
  base: number
  values: readonly (string | null)[]
  compression?: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  producerId?: number
  attributes?: number
  /** Overrides the last offset, as compaction leaves it. */
  lastOffsetDelta?: number
  key?: Buffer
  times?: readonly bigint[]
}

/** A batch as a producer writes it, placed where a broker would have stored it. */
function batch({ base, values, compression = 'none', producerId = -1, ...rest }: BatchOptions): Buffer {
  const times = rest.times ?? values.map(() => TIME)
  const first = times[0] ?? 0n
  const records = values.map((value, index) =>
    prefixed([
      Buffer.from([0]),
      zigzag((times[index] ?? 0n) - first),
      zigzag(BigInt(index)),
      prefixed([rest.key ?? Buffer.from('k')]),
      value === null ? zigzag(-1n) : prefixed([Buffer.from(value)]),
      zigzag(1n),
      prefixed([Buffer.from('h')]),
      prefixed([Buffer.from('v')]),
    ]),
  )
  const codec = ['none', 'gzip', 'snappy', 'lz4', 'zstd'].indexOf(compression)
  const plain = Buffer.concat(records)
  const body = compression === 'none' ? plain : compressionsAlgorithms[compression].compressSync(plain)
  const bytes = Buffer.concat([Buffer.alloc(61), body])
  bytes.writeBigInt64BE(BigInt(base), 0)
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes.writeInt8(2, 16)
  bytes.writeInt16BE(codec | (rest.attributes ?? 0), 21)
  bytes.writeInt32BE(rest.lastOffsetDelta ?? values.length - 1, 23)
  bytes.writeBigInt64BE(first, 27)
  bytes.writeBigInt64BE(((rest.attributes ?? 0) & APPEND_TIME) === 0 ? first : 42n, 35)
  bytes.writeBigInt64BE(BigInt(producerId), 43)
  bytes.writeInt32BE(values.length, 57)
  return sealed(bytes)
}

/** A number as the record format writes it: zigzag, seven bits a byte. */
function zigzag(value: bigint): Buffer {
  const bytes: number[] = []
  let left = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  for (; left >= 0x80n; left >>= 7n) bytes.push(Number(left & 0x7fn) | 0x80)
  return Buffer.from([...bytes, Number(left)])
}

function prefixed(parts: Buffer[]): Buffer {
  const bytes = Buffer.concat(parts)
  return Buffer.concat([zigzag(BigInt(bytes.length)), bytes])
}

function sealed(bytes: Buffer): Buffer {
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17)
  return bytes
}

/** The end of a transaction: a control batch whose record's key is {version, type}. */
function marker(base: number, producerId: number, type: 'abort' | 'commit'): Buffer {
  const key = Buffer.from([0, 0, 0, type === 'abort' ? 0 : 1])
  return batch({ base, values: [''], producerId, attributes: CONTROL | TRANSACTIONAL, key })
}

function read(
  batches: Buffer[],
  options: {
    from?: number
    isolation?: Isolation
    aborted?: AbortedTransaction[]
    lastStable?: number
    limits?: Partial<ReadLimits>
  } = {},
) {
  const result = partitionRecords(
    {
      topic: 't',
      partition: 0,
      askedOffset: BigInt(options.from ?? 0),
      isolation: options.isolation ?? 'read_uncommitted',
      data: Buffer.concat(batches),
      lastStableOffset: BigInt(options.lastStable ?? 1_000_000),
      abortedTransactions: options.aborted ?? [],
    },
    { batchBytesMax: 1_000_000, bytesLeft: 1_000_000, checkCrcs: true, ...options.limits },
  )
  return {
    values: result.records.map(({ value }) => value?.toString() ?? null),
    offsets: result.records.map(({ offset }) => Number(offset)),
    next: Number(result.nextOffset),
    kind: result.error?.kind,
    text: result.error?.message,
    records: result.records,
  }
}

test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)(
  'a %s batch is read as it was written',
  compression => {
    const { records, next } = read([batch({ base: 5, values: ['a', null, ''], compression })])
    expect(next).toBe(8)
    expect(records).toEqual(
      ['a', null, ''].map((value, index) => ({
        offset: BigInt(5 + index),
        key: Buffer.from('k'),
        value: value === null ? null : Buffer.from(value),
        timestamp: 1_700_000_000_000n,
        headers: [[Buffer.from('h'), Buffer.from('v')]],
      })),
    )
  },
)

test('timestamps of any distance come back', async () => {
  const anyTime = fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n })
  await checkProperty(
    'timestamps',
    fc.property(fc.array(anyTime, { minLength: 1, maxLength: 5 }), times => {
      const { records } = read([batch({ base: 0, values: times.map(() => 'x'), times })])
      expect(records.map(({ timestamp }) => timestamp)).toEqual(times)
    }),
  )
})

test('the append time of the broker holds for all records', () => {
  const { records } = read([batch({ base: 0, values: ['a', 'b'], attributes: APPEND_TIME })])
  expect(records.map(({ timestamp }) => timestamp)).toEqual([42n, 42n])
})

test('records below the asked offset are dropped', () => {
  expect(read([batch({ base: 10, values: ['a', 'b', 'c'] })], { from: 12 })).toMatchObject({
    values: ['c'],
    offsets: [12],
    next: 13,
  })
})

test('positions move over gaps and emptied batches by the batch', () => {
  const emptied = batch({ base: 3, values: [], lastOffsetDelta: 4 })
  const thinned = batch({ base: 8, values: ['x'], lastOffsetDelta: 9 })
  expect(read([emptied])).toMatchObject({ values: [], next: 8, kind: undefined })
  expect(read([emptied, thinned], { from: 4 })).toMatchObject({ values: ['x'], next: 18 })
})

test('a batch that is cut off at the end is left for the next fetch', () => {
  const [first, second] = [batch({ base: 0, values: ['a'] }), batch({ base: 1, values: ['b'] })]
  for (const cut of [1, 20, second.length - 1]) {
    expect(read([first, second.subarray(0, second.length - cut)])).toMatchObject({ values: ['a'], next: 1 })
  }
})

describe('bounds', () => {
  const bomb = (base: number) => batch({ base, values: ['x'.repeat(500_000)], compression: 'zstd' })

  test('a batch over the bound is an error that says where it ends', () => {
    const result = read([bomb(7)], { from: 7, limits: { batchBytesMax: 400_000 } })
    expect(result).toMatchObject({ values: [], next: 7, kind: 'BATCH_TOO_LARGE' })
    expect(result.text).toContain('t-0 at offsets 7 to 7')
  })

  test('what comes before it is handed out first', () => {
    const result = read([batch({ base: 6, values: ['a'] }), bomb(7)], { limits: { batchBytesMax: 400_000 } })
    expect(result).toMatchObject({ values: ['a'], next: 7, kind: undefined })
  })

  test('many small bombs are read a few at a time', () => {
    const limits = { batchBytesMax: 1_000_000, bytesLeft: 600_000, checkCrcs: true }
    const result = read([bomb(0), bomb(1), bomb(2)], { limits })
    expect(result.offsets).toEqual([0, 1])
    expect(result.next).toBe(2)
  })
})

describe('damage', () => {
  test('a wrong checksum is an error, unless checksums are not looked at', () => {
    const damaged = batch({ base: 0, values: ['abc'] })
    damaged[damaged.length - 6] = (damaged[damaged.length - 6] ?? 0) ^ 1
    expect(read([damaged]).kind).toBe('CORRUPT_BATCH')
    expect(read([damaged], { limits: { checkCrcs: false } }).kind).toBeUndefined()
  })

  test('a batch of an older magic is an error and not garbage', () => {
    const old = batch({ base: 0, values: ['abc'] })
    old.writeInt8(1, 16)
    expect(read([old])).toMatchObject({ values: [], kind: 'CORRUPT_BATCH' })
  })

  test('any damage is an error or other records, and the walk ends', async () => {
    const whole = Buffer.concat([
      batch({ base: 0, values: ['a', 'b'] }),
      batch({ base: 2, values: ['c'], compression: 'lz4' }),
    ])
    await checkProperty(
      'damaged batches',
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const data = Buffer.from(whole)
        data[at] = byte
        const result = read([data], { limits: { checkCrcs: false } })
        expect(
          result.kind === undefined || result.kind === 'CORRUPT_BATCH' || result.kind === 'BATCH_TOO_LARGE',
        ).toBe(true)
      }),
      2000,
    )
  })
})

describe('transactions', () => {
  const transactional = (base: number, producerId: number, value: string) =>
    batch({ base, values: [value], producerId, attributes: TRANSACTIONAL })

  /** 7 aborts what it wrote at 0 and commits what it wrote at 3; 8 commits; plain records in between. */
  const log = [
    transactional(0, 7, 'aborted'),
    transactional(1, 8, 'committed by 8'),
    marker(2, 7, 'abort'),
    transactional(3, 7, 'committed by 7'),
    batch({ base: 4, values: ['plain'] }),
    marker(5, 8, 'commit'),
    marker(6, 7, 'commit'),
  ]
  const aborted = [{ producerId: 7n, firstOffset: 0n }]

  test('read_committed shows no aborted records and no markers', () => {
    const result = read(log, { isolation: 'read_committed', aborted })
    expect(result.values).toEqual(['committed by 8', 'committed by 7', 'plain'])
    expect(result.next).toBe(7)
  })

  test('read_uncommitted shows all records, but no markers', () => {
    const result = read(log, { aborted })
    expect(result.values).toEqual(['aborted', 'committed by 8', 'committed by 7', 'plain'])
    expect(result.next).toBe(7)
  })

  test('a fetch that starts inside an aborted transaction hides the rest of it', () => {
    const result = read(
      [transactional(10, 7, 'aborted'), marker(11, 7, 'abort'), transactional(12, 7, 'next')],
      {
        from: 10,
        isolation: 'read_committed',
        aborted: [{ producerId: 7n, firstOffset: 4n }],
      },
    )
    expect(result.values).toEqual(['next'])
  })

  test('two aborted transactions of one producer are both hidden, what is between them is shown', () => {
    const result = read(
      [
        transactional(0, 7, 'aborted'),
        marker(1, 7, 'abort'),
        transactional(2, 7, 'kept'),
        marker(3, 7, 'commit'),
        transactional(4, 7, 'aborted'),
        marker(5, 7, 'abort'),
      ],
      {
        isolation: 'read_committed',
        aborted: [
          { producerId: 7n, firstOffset: 4n },
          { producerId: 7n, firstOffset: 0n },
        ],
      },
    )
    expect(result.values).toEqual(['kept'])
  })

  test('read_committed never goes past the last stable offset', () => {
    const result = read(log, { isolation: 'read_committed', aborted, lastStable: 3 })
    expect(result).toMatchObject({ values: ['committed by 8'], next: 3 })
  })
})
