import { isUtf8 } from 'node:buffer'
import { UndecodableRecord, UnrenderableRecord } from './format.ts'

/** What one stored value may cost, shared by the readers of all the messages in it. */
export class ProtoBudget {
  #depthLeft: number
  #charsLeft: number
  #rereadLeft: number

  constructor(limits: { recordDepthMax: number; renderedCharsMax: number }, payloadBytes: number) {
    this.#depthLeft = limits.recordDepthMax
    this.#charsLeft = limits.renderedCharsMax
    this.#rereadLeft = payloadBytes * rereadTimes + freeRereadBytes
  }

  /** Charges bytes that are gone through once more at each level of nesting: groups, and messages that come in parts. */
  reread(bytes: number): void {
    this.#rereadLeft -= bytes
    if (this.#rereadLeft < 0)
      throw new UndecodableRecord('the record nests too large groups, or messages in parts')
  }

  enter(): void {
    this.#depthLeft--
    if (this.#depthLeft < 0) throw new UndecodableRecord('the record is nested too deep')
  }

  leave(): void {
    this.#depthLeft++
  }

  /** Charges text that comes from the schema: names and defaults, which no bytes stand for. */
  spend(chars: number): void {
    this.#charsLeft -= chars
    if (this.#charsLeft < 0) throw new UnrenderableRecord('Protobuf', 'it is too large as JSON')
  }
}

/** How often the whole of a value may be gone through again, and what a small one may have besides. */
const rereadTimes = 8
const freeRereadBytes = 1024 * 1024

export const wireTypes = { varint: 0, fixed64: 1, length: 2, startGroup: 3, endGroup: 4, fixed32: 5 } as const

/** Reads the Protobuf wire format of one message (protobuf.dev, "Encoding"). */
export class ProtoReader {
  readonly #bytes: Buffer
  readonly #end: number
  #position: number

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#position = start
    this.#end = end
  }

  get atEnd(): boolean {
    return this.#position >= this.#end
  }

  /** The next tag: field number × 8 + wire type. */
  tag(): number {
    const tag = this.low32() >>> 0
    if (tag < 8) throw new UndecodableRecord('the record has a field of number 0')
    return tag
  }

  /** The lowest 32 bits of a varint, signed. */
  low32(): number {
    let bits = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte()
      if (shift < 32) bits |= (byte & 0x7f) << shift
      if (byte < 0x80) return bits
    }
    throw new UndecodableRecord('the record has a varint of more than 10 bytes')
  }

  /** A varint of 64 bits, not signed; a number where it is exact. */
  varint(): number | bigint {
    let value = 0
    let scale = 1
    for (let count = 0; count < 7; count++) {
      const byte = this.#byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
    }
    let wide = BigInt(value)
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.#byte()
      wide |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, wide)
    }
    throw new UndecodableRecord('the record has a varint of more than 10 bytes')
  }

  fixed32(): number {
    return this.#bytes.readInt32LE(this.#take(4))
  }

  fixed64(): bigint {
    return this.#bytes.readBigUInt64LE(this.#take(8))
  }

  float(): number {
    return this.#bytes.readFloatLE(this.#take(4))
  }

  double(): number {
    return this.#bytes.readDoubleLE(this.#take(8))
  }

  /**
   * UTF-8 text with its length in front.
   * @param verified whether other bytes are refused, as for strings of proto3, and not shown as U+FFFD.
   */
  text(verified: boolean): string {
    const length = Number(this.varint())
    const start = this.#take(length)
    const text = this.#bytes.toString('utf8', start, start + length)
    if (verified && text.includes('\ufffd') && !isUtf8(this.#bytes.subarray(start, start + length)))
      throw new UndecodableRecord('the record has a string that is no UTF-8')
    return text
  }

  /** What is length-delimited: bytes, a message, packed numbers. */
  delimited(): Buffer {
    const length = Number(this.varint())
    const start = this.#take(length)
    return this.#bytes.subarray(start, start + length)
  }

  /** The content of a group whose start tag was just read. */
  group(field: number, budget: ProtoBudget): Buffer {
    const start = this.#position
    for (;;) {
      const before = this.#position
      const tag = this.tag()
      if ((tag & 7) !== wireTypes.endGroup) {
        this.skip(tag, budget)
        continue
      }
      if (tag >>> 3 !== field) throw new UndecodableRecord('the record ends a group that it did not begin')
      return this.#bytes.subarray(start, before)
    }
  }

  /** Passes over the value of a field that the schema does not have. */
  skip(tag: number, budget: ProtoBudget): void {
    switch (tag & 7) {
      case wireTypes.varint:
        this.low32()
        return
      case wireTypes.fixed64:
        this.#take(8)
        return
      case wireTypes.length:
        this.#take(Number(this.varint()))
        return
      case wireTypes.startGroup:
        budget.enter()
        this.group(tag >>> 3, budget)
        budget.leave()
        return
      case wireTypes.fixed32:
        this.#take(4)
        return
      default:
        throw new UndecodableRecord(`the record has a field of wire type ${tag & 7}`)
    }
  }

  #byte(): number {
    if (this.#position >= this.#end) throw endOfData()
    return this.#bytes[this.#position++] as number
  }

  /** Moves on by `length` bytes, which must be there; returns where they start. */
  #take(length: number): number {
    const start = this.#position
    if (length > this.#end - start) throw endOfData()
    this.#position = start + length
    return start
  }
}

function endOfData(): UndecodableRecord {
  return new UndecodableRecord('the record ends in the middle of a field')
}
