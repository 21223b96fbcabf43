/**
 * Bytes that grow, written one value at a time and synchronously; the buffer is used again for the next value. The
 * codecs of Avro and Protobuf write with it.
 */
export class ByteWriter {
  #buffer = Buffer.allocUnsafeSlow(1024)
  #position = 0

  /** Begins a new value. A buffer that one large value made huge is let go. */
  reset(): void {
    if (this.#buffer.length > keptBytesMax) this.#buffer = Buffer.allocUnsafeSlow(1024)
    this.#position = 0
  }

  /** What was written: good until the next `reset`. */
  written(): Buffer {
    return this.#buffer.subarray(0, this.#position)
  }

  byte(value: number): void {
    this.#room(1)
    this.#buffer[this.#position++] = value
  }

  /** A whole number of at most 53 bits, not negative, seven bits a byte, the lowest first. */
  varint(value: number): void {
    this.#room(varintBytesMax)
    let rest = value
    while (rest > 0x7f) {
      this.#buffer[this.#position++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    this.#buffer[this.#position++] = rest
  }

  /** The same for 64 bits; a negative number stands for its two's complement. */
  wideVarint(value: bigint): void {
    this.#room(varintBytesMax)
    let rest = BigInt.asUintN(64, value)
    while (rest > 0x7fn) {
      this.#buffer[this.#position++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.#buffer[this.#position++] = Number(rest)
  }

  /** The lowest 32 bits. */
  fixed32(value: number): void {
    this.#room(4)
    this.#position = this.#buffer.writeInt32LE(value | 0, this.#position)
  }

  /** The lowest 64 bits. */
  fixed64(value: bigint): void {
    this.#room(8)
    this.#position = this.#buffer.writeBigUInt64LE(BigInt.asUintN(64, value), this.#position)
  }

  float(value: number): void {
    this.#room(4)
    this.#position = this.#buffer.writeFloatLE(value, this.#position)
  }

  double(value: number): void {
    this.#room(8)
    this.#position = this.#buffer.writeDoubleLE(value, this.#position)
  }

  bytes(value: Uint8Array): void {
    this.#room(value.length)
    this.#buffer.set(value, this.#position)
    this.#position += value.length
  }

  /** UTF-8 of a text that `Buffer.byteLength` says is `bytes` long. */
  utf8(value: string, bytes: number): void {
    this.#room(bytes)
    // Buffer.write is much slower than a loop for the short texts that most records are made of.
    if (bytes !== value.length || bytes > shortMax) {
      this.#position += this.#buffer.write(value, this.#position, 'utf8')
      return
    }
    for (let index = 0; index < bytes; index++) this.#buffer[this.#position++] = value.charCodeAt(index)
  }

  /** One byte for each character of an ISO-8859-1 text. */
  latin1(value: string): void {
    this.#room(value.length)
    this.#position += this.#buffer.write(value, this.#position, 'latin1')
  }

  /** Begins what has its length in front; pass the result to `endLength`. */
  beginLength(): number {
    this.#room(1)
    // One byte does for most lengths.
    this.#position++
    return this.#position
  }

  /** Writes the length of all since `start`, moving it if the length takes more than one byte. */
  endLength(start: number): void {
    const length = this.#position - start
    const extra = varintBytes(length) - 1
    // Room is made while the position is still at the end: growing copies no further than the position.
    this.#room(extra + varintBytesMax)
    if (extra > 0) this.#buffer.copyWithin(start + extra, start, this.#position)
    this.#position = start - 1
    this.varint(length)
    this.#position += length
  }

  #room(bytes: number): void {
    const needed = this.#position + bytes
    if (needed <= this.#buffer.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2))
    this.#buffer.copy(grown, 0, 0, this.#position)
    this.#buffer = grown
  }
}

const keptBytesMax = 1 << 20
const varintBytesMax = 10
const shortMax = 24

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) bytes++
  return bytes
}
