import { copyBack } from './back-reference.ts'
import { DecompressionError } from './decompression-error.ts'

/**
 * Snappy in the framing of Java's `SnappyOutputStream` ("xerial": a 16-byte header, then chunks of a big-endian length
 * and a raw Snappy block), or one raw block as other Kafka clients write it. Source: Snappy's format description.
 * @throws DecompressionError when the result would be over `bytesMax`, or the data is no Snappy.
 */
export function snappyDecompress(data: Buffer, bytesMax: number): Buffer {
  if (!isXerial(data)) return rawBlock(data, bytesMax)
  const blocks: Buffer[] = []
  let left = bytesMax
  for (let at = XERIAL_HEADER_BYTES; at < data.length; ) {
    if (at + 4 > data.length) throw new DecompressionError('corrupt', 'a Snappy chunk without its length')
    const length = data.readUInt32BE(at)
    at += 4
    if (at + length > data.length) throw new DecompressionError('corrupt', 'a Snappy chunk is cut off')
    const block = rawBlock(data.subarray(at, at + length), left)
    left -= block.length
    blocks.push(block)
    at += length
  }
  const [only, ...more] = blocks
  return only && more.length === 0 ? only : Buffer.concat(blocks)
}

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const XERIAL_HEADER_BYTES = 16

function isXerial(data: Buffer): boolean {
  return data.length >= XERIAL_HEADER_BYTES && data.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)
}

/** A raw block: the uncompressed length as a varint, then literals and copies. */
function rawBlock(data: Buffer, bytesMax: number): Buffer {
  let at = 0
  let size = 0
  for (let shift = 0; ; shift += 7) {
    const byte = data[at++]
    if (byte === undefined || shift > 28)
      throw new DecompressionError('corrupt', 'a Snappy block without its size')
    size += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) break
  }
  if (size > bytesMax) throw new DecompressionError('tooLarge', `a Snappy block of ${size} bytes`)
  const out = Buffer.allocUnsafe(size)
  let written = 0
  while (at < data.length) {
    const tag = data[at] ?? 0
    const { length, offset, bytes } = element(data, at, tag)
    at += bytes
    if (written + length > size)
      throw new DecompressionError('corrupt', 'a Snappy block is longer than it says')
    if (offset === 0) {
      if (at + length > data.length) throw new DecompressionError('corrupt', 'a Snappy literal is cut off')
      data.copy(out, written, at, at + length)
      at += length
    } else copyBack(out, written, offset, length)
    written += length
  }
  if (written !== size) throw new DecompressionError('corrupt', 'a Snappy block is shorter than it says')
  return out
}

/** One element's head: how many bytes it yields, from how far back (0: they follow as a literal), and its own size. */
function element(data: Buffer, at: number, tag: number): { length: number; offset: number; bytes: number } {
  const need = (bytes: number) => {
    if (at + bytes > data.length) throw new DecompressionError('corrupt', 'a Snappy element is cut off')
  }
  switch (tag & 3) {
    case 0: {
      const extra = Math.max(0, (tag >> 2) - 59)
      need(1 + extra)
      return {
        length: extra === 0 ? (tag >> 2) + 1 : data.readUIntLE(at + 1, extra) + 1,
        offset: 0,
        bytes: 1 + extra,
      }
    }
    case 1:
      need(2)
      return { length: ((tag >> 2) & 7) + 4, offset: back(((tag >> 5) << 8) | (data[at + 1] ?? 0)), bytes: 2 }
    case 2:
      need(3)
      return { length: (tag >> 2) + 1, offset: back(data.readUInt16LE(at + 1)), bytes: 3 }
    default:
      need(5)
      return { length: (tag >> 2) + 1, offset: back(data.readUInt32LE(at + 1)), bytes: 5 }
  }
}

function back(offset: number): number {
  if (offset === 0) throw new DecompressionError('corrupt', 'a Snappy copy from nowhere')
  return offset
}
