import { ByteWriter } from './byte-writer.ts'

/** Writes Avro's binary encoding (Avro 1.12 specification, "Binary encoding"). */
export class AvroWriter extends ByteWriter {
  boolean(value: boolean): void {
    this.byte(value ? 1 : 0)
  }

  /** A whole number of at most 64 bits, zig-zag coded. */
  long(value: number | bigint): void {
    if (typeof value === 'number' && value >= -smallMax && value < smallMax) {
      this.varint(value >= 0 ? value * 2 : -value * 2 - 1)
      return
    }
    const wide = BigInt(value)
    this.wideVarint((wide << 1n) ^ (wide >> 63n))
  }

  /** UTF-8 with its length in front. */
  string(value: string): void {
    const bytes = Buffer.byteLength(value)
    this.long(bytes)
    this.utf8(value, bytes)
  }
}

/** Up to here zig-zag coding stays within the whole numbers that a double holds exactly. */
const smallMax = 2 ** 51
