import type { Clock } from './clock.ts'

export interface BoundedCacheOptions {
  readonly entriesMax: number
  /** Bound on the sum of the weights; without it only entries count. */
  readonly weightMax?: number
  /** Ms that an entry is fresh; without it entries stay fresh for ever. */
  readonly freshMs?: number
}

interface Entry<Value> {
  readonly value: Value
  readonly weight: number
  /** On the clock's monotonic time. */
  readonly freshUntil: number
}

/**
 * A cache that never grows beyond its bounds: the entry that was not used for longest goes first. Entries past
 * their time are no longer `fresh` but still there as `stale`, for when the source cannot be asked.
 */
export class BoundedCache<Key, Value> {
  // A Map keeps the order of insertion: an entry that is used is put in again, so the first is the oldest.
  readonly #entries = new Map<Key, Entry<Value>>()
  readonly #options: BoundedCacheOptions
  readonly #clock: Clock
  #weight = 0

  constructor(options: BoundedCacheOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
  }

  get size(): number {
    return this.#entries.size
  }

  /** The sum of the weights of all entries. */
  get weight(): number {
    return this.#weight
  }

  /** The value, if it is there and not past its time. */
  fresh(key: Key): Value | undefined {
    const entry = this.#used(key)
    if (entry === undefined || entry.freshUntil === Number.POSITIVE_INFINITY) return entry?.value
    return this.#clock.monotonic() < entry.freshUntil ? entry.value : undefined
  }

  /** The value, if it is there, fresh or not. */
  stale(key: Key): Value | undefined {
    return this.#used(key)?.value
  }

  /** A value that is heavier than the whole cache may be is not kept. */
  set(key: Key, value: Value, weight = 1): void {
    this.delete(key)
    const { freshMs, weightMax = Number.POSITIVE_INFINITY, entriesMax } = this.#options
    if (weight > weightMax || entriesMax < 1) return
    const freshUntil = freshMs === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonic() + freshMs
    this.#entries.set(key, { value, weight, freshUntil })
    this.#weight += weight
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= entriesMax && this.#weight <= weightMax) break
      this.delete(oldest)
    }
  }

  delete(key: Key): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#weight -= entry.weight
    this.#entries.delete(key)
  }

  #used(key: Key): Entry<Value> | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry
  }
}
