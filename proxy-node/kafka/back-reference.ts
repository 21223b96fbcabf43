import { DecompressionError } from './decompression-error.ts'

/** Copies what was written `offset` bytes ago; the ranges may overlap, which repeats the pattern. */
export function copyBack(out: Buffer, written: number, offset: number, length: number): void {
  const from = written - offset
  if (from < 0) throw new DecompressionError('corrupt', 'a copy from before the start')
  if (offset >= length) out.copyWithin(written, from, from + length)
  else if (offset === 1) out.fill(out[from] ?? 0, written, written + length)
  else for (let i = 0; i < length; i++) out[written + i] = out[from + i] ?? 0
}
