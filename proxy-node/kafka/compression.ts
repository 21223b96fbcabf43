import { promisify } from 'node:util'
import { gzip, zstdCompress } from 'node:zlib'
import { compressionsAlgorithms } from '@platformatic/kafka'
import type { ProducerOptions } from '../ports/kafka-producer.ts'

/** How the records of a batch are compressed. */
export interface Compressor {
  /** The compression type in the batch's attributes. */
  readonly attribute: number
  readonly compress: ((records: Buffer) => Promise<Buffer>) | undefined
}

const gzipAsync = promisify(gzip)
const zstdAsync = promisify(zstdCompress)

/**
 * Compressors by `compression.type`. gzip and zstd are Node's and run outside the event loop; snappy and lz4 are
 * WebAssembly and take microseconds for a batch.
 */
export const compressors: Readonly<Record<ProducerOptions['compression'], Compressor>> = {
  none: { attribute: 0, compress: undefined },
  gzip: { attribute: 1, compress: records => gzipAsync(records) },
  snappy: { attribute: 2, compress: async records => xerialSnappy(records) },
  lz4: { attribute: 3, compress: async records => compressionsAlgorithms.lz4.compressSync(records) },
  zstd: { attribute: 4, compress: records => zstdAsync(records) },
}

/**
 * The framing of the `snappy-java` library (magic, version 1, compatible with version 1, then blocks with their length),
 * which Kafka's snappy batches have: not every client reads a bare snappy block.
 */
function xerialSnappy(records: Buffer): Buffer {
  const blocks: Buffer[] = [xerialHeader]
  for (let at = 0; at < records.length; at += XERIAL_BLOCK_BYTES) {
    const block = compressionsAlgorithms.snappy.compressSync(records.subarray(at, at + XERIAL_BLOCK_BYTES))
    const length = Buffer.alloc(4)
    length.writeInt32BE(block.length)
    blocks.push(length, block)
  }
  return Buffer.concat(blocks)
}

const XERIAL_BLOCK_BYTES = 32 * 1024
const xerialHeader = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
