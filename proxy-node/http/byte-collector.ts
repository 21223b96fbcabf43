/** Large enough that slabs are few, small enough that the last one's rest is no loss. */
const slabBytes = 64 * 1024

/**
 * Puts the parts of a body together. Parts are copied into slabs, since a client that sends chunks of one
 * byte would otherwise make us keep an object of some 200 bytes for each of them.
 */
export class ByteCollector {
  readonly #slabs: Buffer[] = []
  /** The only part so far, kept as it is: most bodies have just one. */
  #only: Buffer | undefined
  #length = 0

  get length(): number {
    return this.#length
  }

  add(part: Buffer): void {
    if (this.#length === 0) this.#only = part
    else {
      if (this.#only) this.#copy(this.#only, 0)
      this.#only = undefined
      this.#copy(part, this.#length)
    }
    this.#length += part.length
  }

  /** All bytes; the collector must not be used after it. */
  take(): Buffer {
    return this.#only ?? Buffer.concat(this.#slabs, this.#length)
  }

  #copy(part: Buffer, at: number): void {
    for (let from = 0; from < part.length; ) {
      const offset = (at + from) % slabBytes
      if (offset === 0) this.#slabs.push(Buffer.allocUnsafeSlow(slabBytes))
      const count = Math.min(part.length - from, slabBytes - offset)
      this.#slabs.at(-1)?.set(part.subarray(from, from + count), offset)
      from += count
    }
  }
}
