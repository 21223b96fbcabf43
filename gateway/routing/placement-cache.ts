import { BoundedCache } from '../../shared/bounded-cache.ts'
import type { Clock } from '../../shared/clock.ts'
import type { KnownNode } from './node-view.ts'

/** Where an instance was found. */
export interface CachedPlacement {
  readonly node: string
  /** undefined: found at a node of the static list, whose incarnation nobody told. */
  readonly incarnation: string | undefined
  /** 0: found by asking the node itself. */
  readonly token: number
  /** What becomes of it when its node dies; undefined: nobody told. */
  readonly failover: KnownNode['failover']
}

/**
 * Placements by key, the least recently used forgotten first. An entry may be stale: it is used only while its node
 * is known with that incarnation, and a node that does not hold the instance says so.
 */
export class PlacementCache {
  readonly #entries: BoundedCache<string, CachedPlacement>

  constructor(entriesMax: number, clock: Clock) {
    this.#entries = new BoundedCache({ entriesMax }, clock)
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string): CachedPlacement | undefined {
    return this.#entries.fresh(key)
  }

  put(key: string, placement: CachedPlacement): void {
    this.#entries.set(key, placement)
  }

  drop(key: string): void {
    this.#entries.delete(key)
  }
}
