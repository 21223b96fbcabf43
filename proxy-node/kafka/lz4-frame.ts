import { copyBack } from './back-reference.ts'
import { DecompressionError } from './decompression-error.ts'

/**
 * LZ4 in its frame format, as Kafka's record batches of magic 2 carry it. Checksums inside the frame are not looked
 * at: the batch has a checksum of its own. Source: the LZ4 frame and block format descriptions.
 * @throws DecompressionError when the result would be over `bytesMax`, or the data is no LZ4 frame.
 */
export function lz4Decompress(data: Buffer, bytesMax: number): Buffer {
  const frame = readHeader(data)
  // The first pass only adds up lengths: the frame seldom says its size, and a small bomb must not be unpacked to
  // find out that it is one.
  const blocks = readBlocks(data, frame)
  let size = 0
  for (const block of blocks) {
    size += block.stored ? block.data.length : unpackedLength(block.data)
    if (size > bytesMax) throw new DecompressionError('tooLarge', `an LZ4 frame of over ${bytesMax} bytes`)
  }
  const out = Buffer.allocUnsafe(size)
  let written = 0
  for (const { stored, data: block } of blocks) {
    if (stored) written += block.copy(out, written)
    else written = unpack(block, out, written)
  }
  return out
}

const FRAME_MAGIC = 0x184d2204
const VERSION_BITS = 0xc0
const VERSION = 0x40
const HAS_BLOCK_CHECKSUM = 0x10
const HAS_CONTENT_SIZE = 0x08
const HAS_DICTIONARY = 0x01
const STORED = 0x80000000

interface Block {
  readonly stored: boolean
  readonly data: Buffer
}

function corrupt(text: string): DecompressionError {
  return new DecompressionError('corrupt', text)
}

function readHeader(data: Buffer): { blocksAt: number; blockTrailer: number } {
  if (data.length < 7 || data.readUInt32LE(0) !== FRAME_MAGIC) throw corrupt('not an LZ4 frame')
  const flags = data[4] ?? 0
  if ((flags & VERSION_BITS) !== VERSION) throw corrupt('an LZ4 frame of an unknown version')
  if ((flags & HAS_DICTIONARY) !== 0) throw corrupt('an LZ4 frame with a dictionary')
  return {
    blocksAt: 7 + ((flags & HAS_CONTENT_SIZE) === 0 ? 0 : 8),
    blockTrailer: (flags & HAS_BLOCK_CHECKSUM) === 0 ? 0 : 4,
  }
}

function readBlocks(data: Buffer, { blocksAt, blockTrailer }: ReturnType<typeof readHeader>): Block[] {
  const blocks: Block[] = []
  for (let at = blocksAt; ; ) {
    if (at + 4 > data.length) throw corrupt('an LZ4 frame is cut off')
    const head = data.readUInt32LE(at)
    if (head === 0) return blocks
    const length = head % STORED
    at += 4
    if (at + length > data.length) throw corrupt('an LZ4 block is cut off')
    blocks.push({ stored: head >= STORED, data: data.subarray(at, at + length) })
    at += length + blockTrailer
  }
}

/** What a block unpacks to, in bytes, without unpacking it. */
function unpackedLength(block: Buffer): number {
  let size = 0
  for (let at = 0; at < block.length; ) {
    const token = block[at++] ?? 0
    let literals = token >> 4
    if (literals === 15) {
      const more = readLength(block, at)
      literals += more.length
      at = more.at
    }
    size += literals
    at += literals
    if (at === block.length) return size
    at += 2
    let match = (token & 15) + 4
    if (match === 19) {
      const more = readLength(block, at)
      match += more.length
      at = more.at
    }
    size += match
    if (at > block.length) throw corrupt('an LZ4 block is cut off')
  }
  return size
}

/** Unpacks one block; a match may reach into the blocks before it. Returns where the output ends. */
function unpack(block: Buffer, out: Buffer, start: number): number {
  let written = start
  for (let at = 0; at < block.length; ) {
    const token = block[at++] ?? 0
    let literals = token >> 4
    if (literals === 15) {
      const more = readLength(block, at)
      literals += more.length
      at = more.at
    }
    block.copy(out, written, at, at + literals)
    at += literals
    written += literals
    if (at >= block.length) return written
    if (at + 2 > block.length) throw corrupt('an LZ4 match is cut off')
    const offset = block.readUInt16LE(at)
    at += 2
    if (offset === 0) throw corrupt('an LZ4 match from nowhere')
    let match = (token & 15) + 4
    if (match === 19) {
      const more = readLength(block, at)
      match += more.length
      at = more.at
    }
    copyBack(out, written, offset, match)
    written += match
  }
  return written
}

/** A length over 15: bytes are added up while they are 255. */
function readLength(block: Buffer, start: number): { length: number; at: number } {
  let length = 0
  for (let at = start; ; ) {
    const byte = block[at++]
    if (byte === undefined) throw corrupt('an LZ4 length is cut off')
    length += byte
    if (byte < 255) return { length, at }
  }
}
