import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import {
  type GoneReason,
  type Holding,
  type Placement,
  type RoutingTable,
  RoutingTableUnavailable,
  specLengthMax,
} from '../../shared/routing/routing-table.ts'
import type { MayJoin } from '../ports/kafka-consumer.ts'
import type { HeldPlacement } from '../ports/placements.ts'
import type { NodeLease } from './lease.ts'
import type { HandBack } from './unsettled.ts'

export interface HeldDeps {
  readonly table: RoutingTable
  readonly clock: Clock
  readonly log: Logger
  readonly lease: Pick<NodeLease, 'current' | 'confirm' | 'justFailed'>
  /** Writes this placement as it is now; false when another holds it (`lose` was called then). */
  readonly reassert: (held: Held) => Promise<boolean>
  readonly release: (held: Held, reason: GoneReason) => Promise<void>
  /** It is anyone's now. */
  readonly handedBack: (held: Held, change: HandBack) => void
}

/**
 * One placement that this node holds. What cannot be written to the table stays here and marks the placement
 * `dirty`; the next renewal that succeeds writes it.
 */
export class Held implements HeldPlacement {
  readonly key: string
  readonly replaced: Placement | undefined
  readonly #deps: HeldDeps
  #placement: Placement
  /** Counts changes, so that a write which is overtaken by another change does not make it clean. */
  #changes = 0
  #written = 0
  #asserted: boolean
  #touchedAt: number
  #ended: 'held' | 'lost' | 'released' | 'handed-back' = 'held'
  #onLost: (() => void) | undefined

  constructor(deps: HeldDeps, placement: Placement, replaced: Placement | undefined, inTable: boolean) {
    this.#deps = deps
    this.#placement = placement
    this.key = placement.key
    this.replaced = replaced
    this.#touchedAt = deps.clock.monotonic()
    this.#asserted = inTable
    if (!inTable) this.#changes = 1
  }

  get token(): number {
    return this.#placement.token
  }

  get incarnation(): string {
    return this.#placement.incarnation
  }

  get holding(): Holding {
    const { node, incarnation, token } = this.#placement
    return { node, incarnation, token }
  }

  get dirty(): boolean {
    return this.#changes > this.#written
  }

  /** The placement as it should stand in the table, and a stamp for `wrote`. */
  snapshot(): { placement: Placement; changes: number } {
    return { placement: this.#placement, changes: this.#changes }
  }

  /** A snapshot stands in the table now, with this token. */
  wrote(changes: number, token: number): void {
    this.#placement = { ...this.#placement, token }
    this.#written = Math.max(this.#written, changes)
    this.#asserted = true
  }

  async mayServe(): Promise<boolean> {
    if (this.#ended === 'held' && !this.#deps.lease.current()) await this.#deps.lease.confirm()
    // Claimed without the table: the lease says nothing about it until it was asserted once.
    if (this.#ended === 'held' && !this.#asserted && !this.#deps.lease.justFailed()) await this.#assert()
    return this.#ended === 'held'
  }

  async mayRejoin(): Promise<MayJoin> {
    if (!(await this.mayServe())) return 'no'
    return this.#asserted && !this.#deps.lease.current() ? 'unknown' : 'yes'
  }

  async #assert(): Promise<void> {
    try {
      await this.#deps.reassert(this)
    } catch (error) {
      // Still away: the node goes on with what it has.
      if (!(error instanceof RoutingTableUnavailable)) throw error
    }
  }

  touch(expiresAt: number): void {
    const throttleMs = Math.max(0, expiresAt - this.#deps.clock.now()) / touchesPerIdleTime
    // Late rather than early: the table's value is not written again before the throttle has passed.
    this.#placement = { ...this.#placement, expiresAt: Math.ceil(expiresAt + throttleMs) }
    const now = this.#deps.clock.monotonic()
    if (this.#ended !== 'held' || now - this.#touchedAt < throttleMs) return
    this.#touchedAt = now
    this.#update({ expiresAt: this.#placement.expiresAt }).catch(error =>
      this.#deps.log.error({ err: error, key: this.key }, 'refreshing a placement failed unexpectedly'),
    )
  }

  async setSpec(spec: string): Promise<boolean> {
    if (spec.length > specLengthMax || this.#ended !== 'held') return false
    this.#placement = { ...this.#placement, spec }
    return this.#update({ spec })
  }

  async handBack(spec: string): Promise<boolean> {
    if (spec.length > specLengthMax || this.#ended !== 'held') return false
    // A re-assertion on its way would be overruled; one that is sent later must not be.
    const { expiresAt } = this.#placement
    try {
      // Claimed without the table, or under a token that it does not know: it has to be there to be given up.
      if (this.dirty && !(await this.#deps.reassert(this))) return false
      if (!(await this.#deps.table.handBack(this.key, this.holding, { expiresAt, spec }))) return false
    } catch (error) {
      if (!(error instanceof RoutingTableUnavailable)) throw error
      return false
    }
    if (this.#ended !== 'held') return false
    this.#ended = 'handed-back'
    this.#deps.handedBack(this, { expiresAt, spec })
    return true
  }

  async release(reason: GoneReason): Promise<void> {
    if (this.#ended !== 'held') return
    this.#ended = 'released'
    await this.#deps.release(this, reason)
  }

  onLost(listener: () => void): void {
    if (this.#ended === 'lost') listener()
    else this.#onLost = listener
  }

  /** Another holder has it, or the incarnation is over. */
  lose(): void {
    if (this.#ended !== 'held') return
    this.#ended = 'lost'
    this.#onLost?.()
  }

  /** Writes a change. `false`: not written; another holds the placement, or it will be written later. */
  async #update(change: { expiresAt?: number; spec?: string }): Promise<boolean> {
    this.#changes += 1
    const { changes } = this.snapshot()
    const clean = this.#written === changes - 1
    try {
      if (await this.#deps.table.update(this.key, this.holding, change)) {
        // An older change that failed is not in this write: only the next re-assertion makes up for it.
        if (clean) this.#written = Math.max(this.#written, changes)
        return true
      }
      // Not there with our token: the table lost it, or knows it under the token of a claim whose answer we did not
      // get, or another node has it. A re-assertion tells which.
      return this.#ended === 'held' && (await this.#deps.reassert(this))
    } catch (error) {
      if (!(error instanceof RoutingTableUnavailable)) throw error
      return false
    }
  }
}

/** The expiry in the table is refreshed at most this many times in an instance's idle time. */
const touchesPerIdleTime = 10
