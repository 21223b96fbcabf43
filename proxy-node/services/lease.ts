import type { Clock, Timer } from '../../shared/clock.ts'
import { drawIncarnation } from '../../shared/ids.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import {
  type Member,
  type RoutingTable,
  RoutingTableUnavailable,
} from '../../shared/routing/routing-table.ts'
import { NodeId, NodeIdTaken } from './node-id.ts'
import { ReassertSchedule } from './reassert-schedule.ts'

/** What is held under the lease: the placements. */
export interface LeaseHolder {
  /** Writes everything held back into the table, closing what others hold by now. Rejects as the table does. */
  reassert(): Promise<'asserted' | 'fenced'>
  /** Called after each renewal: writes what could not be written while the table was away. Never rejects. */
  settle(session: number): Promise<void>
  /** The incarnation has ended: close everything without committing or leaving groups. */
  abandon(): void
}

export interface LeaseDeps {
  readonly table: RoutingTable
  readonly clock: Clock
  readonly log: Logger
  readonly settings: LeaseSettings
  readonly nodeId: string
  /** The member record of an incarnation as it is now, signed. */
  readonly describe: (incarnation: string) => Promise<Member>
  readonly holder: LeaseHolder
  readonly count: (outcome: RenewalOutcome) => void
  /** The id turned out to be another process's after the start: this process must stop. */
  readonly onRefused: (error: NodeIdTaken) => void
}

export interface LeaseSettings {
  /** How long a renewal is good for, in ms (`lease.ms`). */
  readonly leaseMs: number
  /** Time between renewals in ms (`lease.renew.interval.ms`). */
  readonly renewIntervalMs: number
}

export type RenewalOutcome = 'renewed' | 'fenced' | 'taken' | 'waiting' | 'unreachable'

/** The part of a lease that is believed: it holds though this process's clock is up to a fifth slower than the table's. */
const believedPart = 0.8

/**
 * The one lease of this process: registers the node as a member and renews it, and knows up to when this process may
 * believe that nobody else holds what it holds (`current`). All its calls to the table are one at a time.
 */
export class NodeLease {
  readonly #deps: LeaseDeps
  #incarnation = drawIncarnation()
  #session = 0
  /** Monotonic ms: the lease may be believed before it. Counted from before the renewal was sent. */
  #deadline = Number.NEGATIVE_INFINITY
  #failedAt = Number.NEGATIVE_INFINITY
  #registered = false
  #everRegistered = false
  #reachable = true
  #birth: string | undefined
  #bornAt = Number.NEGATIVE_INFINITY
  readonly #reasserts = new ReassertSchedule()
  readonly #id: NodeId
  #renewing: Promise<void> | undefined
  #settling: Promise<void> | undefined
  #timer: Timer | undefined
  #unsubscribe: (() => void) | undefined
  #stopped = false

  constructor(deps: LeaseDeps) {
    this.#deps = deps
    this.#id = new NodeId(deps)
  }

  get incarnation(): string {
    return this.#incarnation
  }

  /** Goes with each request that creates placements; see `Sent`. */
  get session(): number {
    return this.#session
  }

  /** The table's birth id as last seen. */
  get birth(): string | undefined {
    return this.#birth
  }

  get registered(): boolean {
    return this.#registered
  }

  /** Whether the last answer of the table was an answer. */
  get reachable(): boolean {
    return this.#reachable
  }

  /**
   * Registers the node and begins to renew. While another incarnation holds the id, waits for its lease to run out.
   * Returns without having registered when the table cannot be reached; the renewals go on trying.
   * @throws NodeIdTaken when the other one was renewed meanwhile; the signal's reason.
   */
  async start(signal: AbortSignal): Promise<void> {
    const { clock, settings, table } = this.#deps
    for (;;) {
      await this.renew()
      if (this.#registered || !this.#reachable) break
      await clock.sleep(settings.renewIntervalMs, signal)
    }
    this.#unsubscribe = table.onReturn(() => this.#tableReturned())
    this.#schedule(settings.renewIntervalMs)
  }

  /** Whether the lease can be believed without asking. */
  current(): boolean {
    return !this.#stopped && this.#deps.clock.monotonic() < this.#deadline
  }

  /** Whether the table was found unreachable within the last interval. */
  justFailed(): boolean {
    return this.#deps.clock.monotonic() - this.#failedAt < this.#deps.settings.renewIntervalMs
  }

  /**
   * Asks the table, once the lease cannot be believed any more. Returns without asking while the table was found
   * unreachable within the last interval: then the node goes on serving what it holds, and no request waits.
   */
  async confirm(): Promise<void> {
    // Twice: a renewal that was under way when the process was stopped may end with a deadline in the past.
    for (let tries = 0; tries < 2 && !this.#stopped && !this.current(); tries++) {
      if (this.justFailed()) return
      await this.renew().catch(() => undefined)
    }
  }

  /**
   * Renews now, or joins the renewal under way. Never rejects because the table is unreachable.
   * @throws NodeIdTaken
   */
  renew(): Promise<void> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined
    })
    return this.#renewing
  }

  /** Renews with a record that was described after this call. */
  async renewAnew(): Promise<void> {
    await this.#renewing?.catch(() => undefined)
    await this.renew()
  }

  /** Notes that a request got no answer and may still arrive: the next renewal writes a session that refuses it. */
  doubt(): void {
    this.#session += 1
  }

  /** Notes in which life the table is; a new one is a reason to write everything back. */
  noteBirth(birth: string): void {
    if (this.#birth !== undefined && this.#birth !== birth) {
      this.#deps.log.warn('the routing table lost its contents; writing back what this node holds')
      this.#bornAt = this.#deps.clock.monotonic()
      this.#reasserts.want()
    }
    this.#birth = birth
  }

  /**
   * Whether the table came up empty within the last interval: other nodes may not have re-asserted yet, so that a
   * missing placement proves nothing.
   */
  isTableNew(): boolean {
    return this.#deps.clock.monotonic() - this.#bornAt < this.#deps.settings.renewIntervalMs
  }

  /** The table said that there is no live record of this incarnation. Never rejects. */
  async register(): Promise<void> {
    await this.renewAnew().catch(error => this.#deps.log.warn({ err: error }, 'could not register'))
  }

  /** The table said that this incarnation is over: ends it and registers as a new one. */
  async fenced(incarnation: string): Promise<void> {
    if (incarnation === this.#incarnation) this.#endIncarnation('declared dead')
    await this.register()
  }

  /** Ends the renewals and removes the member's record. Never rejects: the lease would run out all the same. */
  async leave(): Promise<void> {
    this.#stopped = true
    this.#unsubscribe?.()
    this.#timer?.cancel()
    await this.#renewing?.catch(() => undefined)
    await this.#settling
    try {
      await this.#deps.table.leave(this.#deps.nodeId, this.#incarnation)
    } catch (error) {
      this.#deps.log.warn({ err: error }, 'could not leave the routing table; the lease will run out')
    }
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return
    this.#timer = this.#deps.clock.after(delayMs, () => void this.#tick())
  }

  async #tick(): Promise<void> {
    const { clock, settings } = this.#deps
    const began = clock.monotonic()
    try {
      await this.renew()
    } catch (error) {
      if (this.#stopped) return
      if (error instanceof NodeIdTaken) {
        this.#deps.log.error({ err: error }, 'this node id belongs to another process')
        this.#deps.onRefused(error)
        return
      }
      this.#deps.log.error({ err: error }, 'a renewal failed unexpectedly')
    }
    this.#schedule(Math.max(0, settings.renewIntervalMs - (clock.monotonic() - began)))
  }

  async #renew(): Promise<void> {
    // An incarnation that is over or an id whose old owner is retired is followed by one more try at once.
    for (let tries = 0; tries < 3 && !this.#stopped; tries++) {
      const triedAt = this.#deps.clock.monotonic()
      try {
        if (await this.#renewOnce()) return
      } catch (error) {
        if (!(error instanceof RoutingTableUnavailable)) throw error
        this.#noteFailure(triedAt)
        // The answer that was lost may have said that something was lost to others.
        this.#reasserts.want()
        this.#deps.count('unreachable')
        if (this.#reachable) this.#deps.log.warn({ err: error }, 'the routing table cannot be reached')
        this.#reachable = false
        return
      }
    }
  }

  /**
   * A failure of what was sent long ago says nothing about the table of now: a process that was stopped with a renewal
   * under way finds it timed out when it continues, and would then serve unasked what another owns by now. Another can
   * own it only after the renewal before that one has run out, which is half a lease later at the least: the interval
   * between renewals is at most the other half.
   */
  #noteFailure(triedAt: number): void {
    const { clock, settings } = this.#deps
    const now = clock.monotonic()
    if (now - triedAt < (settings.leaseMs / 2) * believedPart) this.#failedAt = now
  }

  /** @returns false when another try may succeed at once. */
  async #renewOnce(): Promise<boolean> {
    const { clock, settings, table, count } = this.#deps
    const incarnation = this.#incarnation
    const session = this.#session
    const member = await this.#deps.describe(incarnation)
    const sentAt = clock.monotonic()
    const result = await table.renew(member, settings.leaseMs, session)
    if (!this.#reachable) this.#deps.log.info('the routing table is reached again')
    this.#reachable = true
    // Before it is registered, another's record is mostly that of its own former process.
    count(result.outcome === 'taken' && !this.#registered ? 'waiting' : result.outcome)
    if (incarnation !== this.#incarnation) return false
    if (result.outcome === 'fenced') {
      this.#endIncarnation('declared dead')
      return false
    }
    if (result.outcome === 'taken') {
      if (this.#registered) this.#endIncarnation('its id was registered by another process')
      return !(await this.#id.contested(member, result.by, !this.#everRegistered))
    }
    this.#id.won()
    this.noteBirth(result.birth)
    if (result.lapsed) this.#reasserts.want()
    this.#registered = true
    this.#everRegistered = true
    if (!(await this.#reassertIfWanted()) || incarnation !== this.#incarnation) return false
    // Only now: were the lease believed before the re-assertion, this process could hand out records of an instance
    // that another node claimed between the end of the old lease and this renewal.
    this.#deadline = sentAt + settings.leaseMs * believedPart
    this.#settling ??= this.#deps.holder.settle(session).finally(() => {
      this.#settling = undefined
    })
    return true
  }

  /** @returns false when the incarnation turned out to be over. */
  async #reassertIfWanted(): Promise<boolean> {
    const { clock, holder } = this.#deps
    const ticket = this.#reasserts.due()
    if (ticket === undefined) return true
    if ((await holder.reassert()) === 'fenced') {
      this.#endIncarnation('declared dead')
      return false
    }
    this.#reasserts.done(ticket, clock.monotonic())
    return true
  }

  #tableReturned(): void {
    this.#reasserts.want()
    // A table on the edge of its time-out returns again and again: at most one re-assertion in an interval.
    if (this.#deps.clock.monotonic() - this.#reasserts.doneAt < this.#deps.settings.renewIntervalMs) return
    void this.renewAnew().catch(error => this.#deps.log.warn({ err: error }, 'renewal refused'))
  }

  #endIncarnation(reason: string): void {
    this.#deps.log.error(
      { incarnation: this.#incarnation, reason },
      'this incarnation is over: closing all it held',
    )
    this.#incarnation = drawIncarnation()
    this.#session = 0
    this.#deadline = Number.NEGATIVE_INFINITY
    this.#registered = false
    this.#reasserts.reset()
    this.#deps.holder.abandon()
  }
}
