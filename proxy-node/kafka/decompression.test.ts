import { gzipSync, zstdCompressSync } from 'node:zlib'
import { compressionsAlgorithms } from '@platformatic/kafka'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkProperty } from '../../test/support/property.ts'
import { decompress } from './decompression.ts'
import { DecompressionError } from './decompression-error.ts'

const codecs = [
  { name: 'gzip', codec: 1, compress: (data: Buffer) => gzipSync(data) },
  { name: 'snappy', codec: 2, compress: (data: Buffer) => compressionsAlgorithms.snappy.compressSync(data) },
  { name: 'snappy in Java framing', codec: 2, compress: xerial },
  { name: 'lz4', codec: 3, compress: (data: Buffer) => compressionsAlgorithms.lz4.compressSync(data) },
  { name: 'zstd', codec: 4, compress: (data: Buffer) => zstdCompressSync(data) },
]

/** Java's SnappyOutputStream: a header, and blocks of 32 KiB with their lengths. */
function xerial(data: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])]
  for (let at = 0; at < data.length; at += 32_768) {
    const block = compressionsAlgorithms.snappy.compressSync(data.subarray(at, at + 32_768))
    const length = Buffer.alloc(4)
    length.writeUInt32BE(block.length)
    parts.push(length, block)
  }
  return Buffer.concat(parts)
}

/**
 * Bytes with repetitions near and far, so that all kinds of back references occur. Never none: the library's compressors
 * fail on no bytes after their memory has grown, and a batch is never without bytes.
 */
const repetitive = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 200 })), {
    minLength: 1,
    maxLength: 60,
  })
  .map(parts => Buffer.concat(parts.map(([bytes, times]) => Buffer.concat(Array(times).fill(bytes)))))

function reasonOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof DecompressionError) return error.reason
    throw error
  }
  return 'none'
}

describe.each(codecs)('$name', ({ codec, compress }) => {
  test('what was compressed comes back', async () => {
    await checkProperty(
      'decompression',
      fc.property(repetitive, data => {
        const packed = compress(data)
        expect(decompress(codec, packed, Math.max(1, data.length)).equals(data)).toBe(true)
      }),
      60,
    )
  })

  test('large data comes back', () => {
    const data = Buffer.from(Array.from({ length: 50_000 }, (_, i) => `record ${i % 977} `).join(''))
    expect(decompress(codec, compress(data), data.length).equals(data)).toBe(true)
  })

  test('one byte over the bound is refused', () => {
    const data = Buffer.alloc(100_000, 'abcdefg')
    expect(reasonOf(() => decompress(codec, compress(data), data.length - 1))).toBe('tooLarge')
  })

  test('a bomb is refused', () => {
    const packed = compress(Buffer.alloc(50_000_000))
    expect(reasonOf(() => decompress(codec, packed, 1_000_000))).toBe('tooLarge')
  })

  test('damaged data never does more than fail, and never exceeds the bound', async () => {
    await checkProperty(
      'damaged compression',
      fc.property(repetitive, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 4 }), (data, at, bytes) => {
        const packed = Buffer.from(compress(data))
        packed.set(
          bytes.subarray(0, packed.length),
          packed.length === 0 ? 0 : Math.max(0, (at % packed.length) - 4),
        )
        const damaged = packed.subarray(0, packed.length - (at % 3))
        try {
          expect(decompress(codec, damaged, 1_000_000).length).toBeLessThanOrEqual(1_000_000)
        } catch (error) {
          expect(error).toBeInstanceOf(DecompressionError)
        }
      }),
      200,
    )
  })
})

test('an unknown codec is told', () => {
  expect(reasonOf(() => decompress(5, Buffer.alloc(3), 10))).toBe('unsupported')
})
