/** Why a batch could not be decompressed: over the bound, not what it says it is, or an unknown codec. */
export class DecompressionError extends Error {
  readonly reason: 'tooLarge' | 'corrupt' | 'unsupported'

  constructor(reason: 'tooLarge' | 'corrupt' | 'unsupported', text: string, cause?: unknown) {
    super(text, cause === undefined ? undefined : { cause })
    this.name = 'DecompressionError'
    this.reason = reason
  }
}
