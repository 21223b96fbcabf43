import { UndecodableRecord, UnrenderableRecord } from './format.ts'

const emptyItemsMax = 100_000

/**
 * Reads Avro's binary encoding, and keeps the two bounds that stored bytes from anywhere need: nesting, and the size of
 * what they are rendered to (an array of a billion nulls is five bytes long).
 */
export class AvroReader {
  readonly #bytes: Buffer
  #position = 0
  #depthLeft: number
  #charsLeft: number
  #emptyItemsLeft = emptyItemsMax

  constructor(bytes: Buffer, limits: { recordDepthMax: number; renderedCharsMax: number }) {
    this.#bytes = bytes
    this.#depthLeft = limits.recordDepthMax
    this.#charsLeft = limits.renderedCharsMax
  }

  boolean(): boolean {
    const byte = this.#byte()
    if (byte > 1) throw new UndecodableRecord('Malformed data. A boolean is neither 0 nor 1')
    return byte === 1
  }

  int(): number {
    let bits = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte()
      bits |= (byte & 0x7f) << shift
      if (byte < 0x80) return (bits >>> 1) ^ -(bits & 1)
    }
    throw new UndecodableRecord('Invalid int encoding')
  }

  /** A number where it is exact, else a bigint. */
  long(): number | bigint {
    let value = 0
    let scale = 1
    for (let count = 0; count < 7; count++) {
      const byte = this.#byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
      scale *= 128
    }
    return this.#wideLong(BigInt(value))
  }

  float(): number {
    return this.#bytes.readFloatLE(this.#take(4))
  }

  double(): number {
    return this.#bytes.readDoubleLE(this.#take(8))
  }

  string(): string {
    const length = this.#length()
    const start = this.#take(length)
    return this.#bytes.toString('utf8', start, start + length)
  }

  bytes(): string {
    return this.fixed(this.#length())
  }

  /** `length` bytes as ISO-8859-1 text. */
  fixed(length: number): string {
    const start = this.#take(length)
    return this.#bytes.toString('latin1', start, start + length)
  }

  /** The number of items in the next block of an array or map; 0 is the end. */
  blockCount(): number {
    const count = Number(this.long())
    if (count >= 0) return count
    // A negative count is followed by the block's size in bytes, for readers that skip.
    this.long()
    return -count
  }

  /** Where the next byte is read, for `emptyItem`. */
  get position(): number {
    return this.#position
  }

  /** Counts an item of an array that no byte stands for, such as a null: any number of them fits into five bytes. */
  emptyItem(): void {
    this.#emptyItemsLeft--
    if (this.#emptyItemsLeft < 0)
      throw new UnrenderableRecord('Avro', 'it has too many items without content')
  }

  /** Charges text that comes from the schema: field names, tags, brackets. */
  spend(chars: number): void {
    this.#charsLeft -= chars
    if (this.#charsLeft < 0) throw new UnrenderableRecord('Avro', 'it is too large as JSON')
  }

  enter(): void {
    this.#depthLeft--
    if (this.#depthLeft < 0) throw new UndecodableRecord('the record is nested too deep')
  }

  leave(): void {
    this.#depthLeft++
  }

  #wideLong(low49: bigint): bigint {
    let value = low49
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.#byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) {
        const bits = BigInt.asUintN(64, value)
        return BigInt.asIntN(64, (bits >> 1n) ^ -(bits & 1n))
      }
    }
    throw new UndecodableRecord('Invalid long encoding')
  }

  #length(): number {
    const length = Number(this.long())
    if (length < 0) throw new UndecodableRecord(`Malformed data. Length is negative: ${length}`)
    return length
  }

  #byte(): number {
    const byte = this.#bytes[this.#position]
    if (byte === undefined) throw endOfData()
    this.#position++
    return byte
  }

  /** Moves on by `length` bytes, which must be there; returns where they start. */
  #take(length: number): number {
    const start = this.#position
    if (length > this.#bytes.length - start) throw endOfData()
    this.#position = start + length
    return start
  }
}

function endOfData(): UndecodableRecord {
  return new UndecodableRecord('the record ends before its schema does')
}
