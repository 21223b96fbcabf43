import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { DecompressionError } from './decompression-error.ts'
import { lz4Decompress } from './lz4-frame.ts'
import { snappyDecompress } from './snappy.ts'

/**
 * Decompresses the records of a batch. The library's own decompressors have no bound (1 MB of gzip can become 1 GB),
 * so the bound is checked here before or while memory is taken.
 * @param codec the compression bits of the batch's attributes: 1 gzip, 2 Snappy, 3 LZ4, 4 zstd.
 * @throws DecompressionError
 */
export function decompress(codec: number, data: Buffer, bytesMax: number): Buffer {
  switch (codec) {
    case 0:
      return data
    case 1:
      return bounded(() => gunzipSync(data, { maxOutputLength: bytesMax }))
    case 2:
      return snappyDecompress(data, bytesMax)
    case 3:
      return lz4Decompress(data, bytesMax)
    case 4:
      return bounded(() => zstdDecompressSync(data, { maxOutputLength: bytesMax }))
    default:
      throw new DecompressionError('unsupported', `unknown compression codec ${codec}`)
  }
}

function bounded(run: () => Buffer): Buffer {
  try {
    return run()
  } catch (error) {
    const tooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
    throw new DecompressionError(tooLarge ? 'tooLarge' : 'corrupt', 'the data cannot be decompressed', error)
  }
}
