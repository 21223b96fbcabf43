import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import {
  type GoneReason,
  type Holding,
  type RoutingTable,
  RoutingTableUnavailable,
} from '../../shared/routing/routing-table.ts'

export interface UnsettledDeps {
  readonly table: RoutingTable
  readonly clock: Clock
  readonly log: Logger
  readonly settings: {
    /** How long the reason for an instance's end is kept, in ms. */
    readonly tombstoneMs: number
    /** Most releases, and most unanswered claims, that wait for the table; beyond it the oldest are dropped. */
    readonly pendingMax: number
  }
  /** What this node makes of a key now. */
  readonly stateOf: (key: string) => 'written' | 'dirty' | 'claiming' | 'free'
}

/** How a placement was given up: ended for a reason, or for another node to take over with a spec. */
type Release = { readonly held: Holding } & (
  | { readonly reason: GoneReason }
  | { readonly handedBack: HandBack }
)

/** What a placement is handed back with. */
export interface HandBack {
  readonly expiresAt: number
  readonly spec: string
}

/** How long after it was written a release is written again to a table that may have lost its last writes, in ms. */
const repeatedMs = 60_000

/** What is open between this node and the table: releases that were not written, and claims that got no answer. */
export class Unsettled {
  readonly #deps: UnsettledDeps
  readonly #releases = new Map<string, Release>()
  /** Releases that were written, with when. */
  readonly #written = new Map<string, { readonly release: Release; readonly at: number }>()
  /** Keys with the session that refuses the claim if it still arrives. */
  readonly #doubts = new Map<string, number>()

  constructor(deps: UnsettledDeps) {
    this.#deps = deps
  }

  /** A claim got no answer. @param session the first one that refuses it. */
  doubt(key: string, session: number): void {
    this.#doubts.set(key, session)
    dropOldest(this.#doubts, this.#deps.settings.pendingMax)
  }

  /** Ends a placement in the table, now or later. Never rejects. */
  async release(key: string, held: Holding, reason: GoneReason): Promise<void> {
    const release = { held, reason }
    if (await this.#tryRelease(key, release)) return
    this.#releases.set(key, release)
    dropOldest(this.#releases, this.#deps.settings.pendingMax)
  }

  /** A placement was handed back in the table. */
  handedBack(key: string, held: Holding, handedBack: HandBack): void {
    this.#noteWritten(key, { held, handedBack })
  }

  /**
   * The table may have lost its last writes, as a replica does that takes over: it would name this node for what the
   * node has let go, as long as the node lives. What was released of late is released again after the next renewal.
   */
  repeat(): void {
    const { clock, settings } = this.#deps
    for (const [key, { release, at }] of this.#written)
      if (clock.monotonic() - at < repeatedMs) this.#releases.set(key, release)
    this.#written.clear()
    dropOldest(this.#releases, settings.pendingMax)
  }

  /** The key is held anew: the claim has replaced what was there. */
  held(key: string): void {
    this.#releases.delete(key)
    this.#written.delete(key)
  }

  /** The incarnation is over: its placements are anyone's. */
  clear(): void {
    this.#releases.clear()
    this.#written.clear()
    this.#doubts.clear()
  }

  /**
   * Settles what can be settled after a renewal.
   * @param incarnation the one that was renewed. @param session the one that the renewal wrote.
   * @throws RoutingTableUnavailable
   */
  async settle(incarnation: string, session: number): Promise<void> {
    for (const [key, release] of [...this.#releases]) {
      if (this.#deps.stateOf(key) !== 'free') continue
      if (!(await this.#tryRelease(key, release))) return
      if (this.#releases.get(key) === release) this.#releases.delete(key)
    }
    for (const [key, doubt] of [...this.#doubts]) {
      if (doubt > session) continue
      if (await this.#settleDoubt(key, incarnation)) this.#doubts.delete(key)
    }
  }

  /**
   * A claim without an answer may have been carried out. The renewal wrote a session that refuses it from now on, so
   * what it did is there to see. If we hold the key, the re-assertion of what is dirty takes over the table's token.
   * If we do not (any more), the placement would point here until it expires: it is ended.
   */
  async #settleDoubt(key: string, incarnation: string): Promise<boolean> {
    const { stateOf, settings, table } = this.#deps
    if (stateOf(key) !== 'free') return stateOf(key) === 'written'
    const { placement } = await table.find(key)
    // Claimed again while we asked: what we saw is not for us to end.
    if (stateOf(key) !== 'free') return false
    if (placement?.incarnation === incarnation)
      await table.release(key, placement, 'deleted', settings.tombstoneMs)
    return true
  }

  /** @returns false when the table could not be asked. */
  async #tryRelease(key: string, release: Release): Promise<boolean> {
    const { table, settings } = this.#deps
    const { held } = release
    try {
      if ('reason' in release) await table.release(key, held, release.reason, settings.tombstoneMs)
      else await table.handBack(key, held, release.handedBack)
      if (this.#deps.stateOf(key) === 'free') this.#noteWritten(key, release)
      return true
    } catch (error) {
      if (!(error instanceof RoutingTableUnavailable))
        this.#deps.log.error({ err: error, key }, 'a release failed unexpectedly')
      return false
    }
  }

  #noteWritten(key: string, release: Release): void {
    // Anew, so that the oldest is always the first.
    this.#written.delete(key)
    this.#written.set(key, { release, at: this.#deps.clock.monotonic() })
    dropOldest(this.#written, this.#deps.settings.pendingMax)
  }
}

function dropOldest(entries: Map<string, unknown>, sizeMax: number): void {
  for (const oldest of entries.keys()) {
    if (entries.size <= sizeMax) break
    entries.delete(oldest)
  }
}
