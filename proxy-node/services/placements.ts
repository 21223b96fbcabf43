import type { Clock } from '../../shared/clock.ts'
import { RestError } from '../../shared/errors/rest-error.ts'
import { type InstanceRef, instanceKey } from '../../shared/ids.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import {
  type ClaimRequest,
  type ClaimResult,
  type GoneReason,
  type Holding,
  type Placement,
  type RoutingTable,
  RoutingTableUnavailable,
  sameHolding,
} from '../../shared/routing/routing-table.ts'
import { type HeldPlacement, OrphanFound, type PlacementClaims } from '../ports/placements.ts'
import { Held, type HeldDeps } from './held-placement.ts'
import type { LeaseHolder, NodeLease } from './lease.ts'
import { deadMarkLeases } from './node-id.ts'
import { Unsettled, type UnsettledDeps } from './unsettled.ts'

export interface NodePlacementsDeps {
  readonly table: RoutingTable
  readonly clock: Clock
  readonly log: Logger
  readonly nodeId: string
  readonly settings: PlacementSettings
  /** Whether this node itself sees that a holder is dead. */
  readonly confirmDeath: (holding: Holding) => Promise<boolean>
  /** Whether another node says that it holds an instance; asked when the table cannot tell. */
  readonly heldByPeer: (ref: InstanceRef) => Promise<boolean>
  readonly count: (event: PlacementEvent) => void
}

export interface PlacementSettings {
  readonly failover: 'recreate' | 'takeover'
  readonly leaseMs: number
  readonly tombstoneMs: number
  readonly pendingMax: number
}

/**
 * `provisional`: a claim without the table. `lost`: another holder has the placement. `handed-back`: given up for
 * another node to take over.
 */
export type PlacementEvent =
  | 'claimed'
  | 'provisional'
  | 'taken-over'
  | 'refused'
  | 'released'
  | 'handed-back'
  | 'lost'

type Claim = Parameters<PlacementClaims['claim']>[0]
type Takeover = Parameters<PlacementClaims['takeOver']>[0]

/** All placements of this node: claims them, keeps them in the table, and gives them up. */
export class NodePlacements implements PlacementClaims, LeaseHolder {
  readonly #deps: NodePlacementsDeps
  readonly #lease: NodeLease
  readonly #held = new Map<string, Held>()
  readonly #claiming = new Set<string>()
  readonly #unsettled: Unsettled
  #lastProvisional = 0

  /** @param openLease makes the lease that these placements are held under. */
  constructor(deps: NodePlacementsDeps, openLease: (holder: LeaseHolder) => NodeLease) {
    this.#deps = deps
    this.#lease = openLease(this)
    this.#unsettled = new Unsettled({ ...deps, stateOf: key => this.#stateOf(key) })
  }

  get lease(): NodeLease {
    return this.#lease
  }

  /** Placements held now. */
  get size(): number {
    return this.#held.size
  }

  holds(key: string): boolean {
    return this.#held.has(key)
  }

  async claim(request: Claim): Promise<HeldPlacement> {
    const key = instanceKey(request.ref)
    if (this.#held.has(key) || this.#claiming.has(key)) throw this.#refused('consumerAlreadyExists')
    this.#claiming.add(key)
    try {
      // Waiting for an id that another process has: nothing can be claimed under it.
      if (!this.#lease.registered && this.#lease.reachable) throw this.#refused('placementUnknown')
      const confirmed =
        request.provedDead !== undefined && (await this.#deps.confirmDeath(request.provedDead))
      return await this.#claim(key, request, confirmed)
    } finally {
      this.#claiming.delete(key)
    }
  }

  async takeOver(request: Takeover): Promise<HeldPlacement | 'lost' | 'gone'> {
    const key = instanceKey(request.ref)
    if (this.#held.has(key) || this.#claiming.has(key)) return 'lost'
    this.#claiming.add(key)
    try {
      return await this.#takeOver(key, request)
    } catch (error) {
      if (!(error instanceof RoutingTableUnavailable)) throw error
      throw this.#refused('placementUnknown')
    } finally {
      this.#claiming.delete(key)
    }
  }

  async #takeOver(
    key: string,
    { replaces, deathProved }: Takeover,
  ): Promise<HeldPlacement | 'lost' | 'gone'> {
    for (let tries = 0; tries < triesMax; tries++) {
      const { table, clock } = this.#deps
      const found = await this.#answered(table.find(key))
      if (!found.placement) return 'gone'
      const { placement, ownerAlive } = found
      if (!sameHolding(placement, replaces)) return 'lost'
      if (placement.failover !== 'takeover' || placement.expiresAt <= clock.now()) return 'gone'
      const proved = ownerAlive && deathProved
      if (proved && !(await this.#deps.confirmDeath(placement))) throw this.#refused('ownerUnreachable')
      if (ownerAlive && !proved) return 'lost'
      const claim = this.#takeoverClaim(placement, proved)
      const result = await this.#askTable(claim)
      if (result === 'unreachable') throw this.#refused('placementUnknown')
      if (result.outcome === 'held') return 'lost'
      if (result.outcome === 'reborn') this.#lease.noteBirth(result.birth)
      else if (result.outcome === 'unregistered') await this.#lease.register()
      else if (result.outcome === 'fenced') await this.#lease.fenced(claim.incarnation)
      else if (result.outcome === 'claimed' && claim.incarnation === this.#lease.incarnation) {
        this.#deps.count('taken-over')
        // What its holder wrote between our look and our claim counts.
        const spec = result.replaced?.spec ?? claim.spec
        const held = this.#hold({ ...placementOf(claim), token: result.token, spec }, result.replaced, true)
        if (spec !== claim.spec) await held.setSpec(spec)
        return held
      }
    }
    throw this.#refused('placementUnknown')
  }

  #takeoverClaim(placement: Placement, proved: boolean): ClaimRequest {
    const { key, expiresAt, failover, spec } = placement
    const { leaseMs } = this.#deps.settings
    const { birth, incarnation, session } = this.#lease
    const deathProved = proved && { markMs: leaseMs * deadMarkLeases }
    const claimer = { node: this.#deps.nodeId, incarnation, birth, session }
    return { key, expiresAt, failover, spec, ...claimer, replaces: placement, deathProved }
  }

  async #claim(key: string, request: Claim, deathConfirmed: boolean): Promise<HeldPlacement> {
    const { provedDead } = request
    // What may be taken over is looked at before it is replaced.
    let replaces = this.#deps.settings.failover === 'takeover' ? undefined : provedDead
    let asked = false
    for (let tries = 0; tries < triesMax; tries++) {
      // The table is empty, and the name's holder may not have re-asserted it yet.
      if (this.#lease.isTableNew() && !asked) {
        asked = true
        await this.#askPeers(request.ref)
      }
      // The proof was about the placement that the gateway saw, never about another one.
      const isProved = replaces !== undefined && provedDead !== undefined && sameHolding(replaces, provedDead)
      const claim = this.#claimRequest(key, request, replaces, deathConfirmed && isProved)
      const result = await this.#askTable(claim)
      if (result === 'unreachable') return await this.#claimProvisionally(request.ref, claim)
      if (result.outcome === 'held') replaces = this.#replaceable(result, provedDead, deathConfirmed)
      else if (result.outcome === 'reborn') this.#lease.noteBirth(result.birth)
      else if (result.outcome === 'unregistered') await this.#lease.register()
      else if (result.outcome === 'fenced') await this.#lease.fenced(claim.incarnation)
      else if (result.outcome === 'claimed' && claim.incarnation === this.#lease.incarnation) {
        this.#deps.count('claimed')
        return this.#hold({ ...placementOf(claim), token: result.token }, result.replaced, true)
      }
      // `late`: an older claim's answer was given up while this one was sent. The next try has the new session.
    }
    throw this.#refused('placementUnknown')
  }

  #claimRequest(
    key: string,
    { expiresAt, spec }: Claim,
    replaces: Holding | undefined,
    deathProved: boolean,
  ): ClaimRequest {
    const { failover, leaseMs } = this.#deps.settings
    const { birth, incarnation, session } = this.#lease
    return {
      key,
      node: this.#deps.nodeId,
      incarnation,
      expiresAt,
      failover,
      spec,
      replaces,
      deathProved: deathProved && { markMs: leaseMs * deadMarkLeases },
      session,
      birth,
    }
  }

  /** @throws RestError when another node says that it holds the instance. */
  async #askPeers(ref: InstanceRef): Promise<void> {
    if (await this.#deps.heldByPeer(ref)) throw this.#refused('consumerAlreadyExists')
  }

  async #askTable(claim: ClaimRequest): Promise<ClaimResult | 'unreachable'> {
    try {
      return await this.#answered(this.#deps.table.claim(claim))
    } catch (error) {
      if (!(error instanceof RoutingTableUnavailable)) throw error
      // It may have been carried out, or be on its way still.
      this.#unsettled.doubt(claim.key, this.#lease.session)
      return 'unreachable'
    }
  }

  /**
   * What a claim may replace after it found a placement.
   * @throws RestError when the placement's owner lives; OrphanFound when it is there to be taken over.
   */
  #replaceable(
    { placement, ownerAlive }: Extract<ClaimResult, { outcome: 'held' }>,
    provedDead: Holding | undefined,
    deathConfirmed: boolean,
  ): Holding {
    const { node, incarnation, token, failover, expiresAt } = placement
    // Our own, and yet we hold nothing under this key: what a claim or a release left whose answer was lost.
    const own = node === this.#deps.nodeId && incarnation === this.#lease.incarnation
    if (own) return { node, incarnation, token }
    const doubted = provedDead !== undefined && sameHolding(provedDead, placement)
    const dead = !ownerAlive || (doubted && deathConfirmed)
    if (dead && failover === 'takeover' && this.#deps.clock.now() < expiresAt)
      throw new OrphanFound(placement, doubted && deathConfirmed)
    if (dead) return { node, incarnation, token }
    // The gateway saw it dead and we did not: it may live, and nobody knows.
    throw this.#refused(doubted ? 'ownerUnreachable' : 'consumerAlreadyExists')
  }

  /** Without the table: nobody can say that the name is free, so those who might hold it are asked. */
  async #claimProvisionally(ref: InstanceRef, claim: ClaimRequest): Promise<HeldPlacement> {
    const { clock, count, log } = this.#deps
    await this.#askPeers(ref)
    if (claim.incarnation !== this.#lease.incarnation) throw this.#refused('placementUnknown')
    const token = Math.max(this.#lastProvisional + 1, Math.floor(clock.now() * 1000))
    this.#lastProvisional = token
    count('provisional')
    log.debug({ key: claim.key }, 'claimed without the routing table')
    return this.#hold({ ...placementOf(claim), token }, undefined, false)
  }

  #hold(placement: Placement, replaced: Placement | undefined, inTable: boolean): Held {
    const deps: HeldDeps = {
      table: this.#deps.table,
      clock: this.#deps.clock,
      log: this.#deps.log,
      lease: this.#lease,
      reassert: held => this.#reassertOne(held),
      release: (held, reason) => this.#release(held, reason),
      handedBack: (handed, change) => {
        this.#held.delete(handed.key)
        this.#unsettled.handedBack(handed.key, handed.holding, change)
        this.#deps.count('handed-back')
      },
    }
    const held = new Held(deps, placement, replaced, inTable)
    this.#unsettled.held(held.key)
    this.#held.set(held.key, held)
    return held
  }

  #refused(row: 'consumerAlreadyExists' | 'ownerUnreachable' | 'placementUnknown'): RestError {
    this.#deps.count('refused')
    return new RestError(row)
  }

  /** Writes everything back, a batch at a time; what was let go of late follows when the renewal is settled. */
  reassert(): Promise<'asserted' | 'fenced'> {
    this.#unsettled.repeat()
    return this.#reassertAll([...this.#held.values()])
  }

  async #reassertAll(all: readonly Held[]): Promise<'asserted' | 'fenced'> {
    for (let start = 0; start < all.length; start += batchSize) {
      const batch = all.slice(start, start + batchSize).filter(held => this.#held.get(held.key) === held)
      if ((await this.#reassertBatch(batch)) === 'fenced') return 'fenced'
    }
    return 'asserted'
  }

  async #reassertBatch(batch: readonly Held[]): Promise<'asserted' | 'fenced'> {
    if (batch.length === 0) return 'asserted'
    const written = batch.map(held => ({ held, ...held.snapshot() }))
    const result = await this.#sendReassertion(written.map(({ placement }) => placement))
    if (result.outcome === 'fenced') return 'fenced'
    const lost = new Set(result.lost)
    for (const { held, changes } of written) {
      // Released and claimed anew while we waited: the answer is about the one before.
      if (this.#held.get(held.key) !== held) continue
      if (lost.has(held.key)) this.#lose(held)
      else held.wrote(changes, result.tokens.get(held.key) ?? held.token)
    }
    return 'asserted'
  }

  async #sendReassertion(placements: readonly Placement[]) {
    for (let tries = 0; tries < triesMax; tries++) {
      const { birth, session } = this.#lease
      const result = await this.#answered(this.#deps.table.reassert(placements, { birth, session }))
      if (result.outcome === 'fenced' || result.outcome === 'asserted') return result
      if (result.outcome === 'reborn') this.#lease.noteBirth(result.birth)
      // Within a renewal that is the end of it: the next one registers and begins anew.
      if (result.outcome === 'unregistered')
        throw new RoutingTableUnavailable('the lease has run out meanwhile')
    }
    throw new RoutingTableUnavailable('the routing table changes faster than it can be written to')
  }

  /** Notes that a request may still arrive when its answer did not. */
  async #answered<Result>(request: Promise<Result>): Promise<Result> {
    try {
      return await request
    } catch (error) {
      if (error instanceof RoutingTableUnavailable) this.#lease.doubt()
      throw error
    }
  }

  async #reassertOne(held: Held): Promise<boolean> {
    const incarnation = this.#lease.incarnation
    if ((await this.#reassertBatch([held])) === 'fenced') await this.#lease.fenced(incarnation)
    return this.#held.get(held.key) === held
  }

  #lose(held: Held): void {
    this.#held.delete(held.key)
    this.#deps.count('lost')
    this.#deps.log.warn({ key: held.key, token: held.token }, 'another node holds this consumer instance now')
    held.lose()
  }

  abandon(): void {
    const all = [...this.#held.values()]
    this.#held.clear()
    this.#unsettled.clear()
    for (const held of all) {
      this.#deps.count('lost')
      held.lose()
    }
  }

  async #release(held: Held, reason: GoneReason): Promise<void> {
    // First: a re-assertion under way or later must not bring it back.
    if (this.#held.get(held.key) === held) this.#held.delete(held.key)
    this.#deps.count('released')
    await this.#unsettled.release(held.key, held.holding, reason)
  }

  async settle(session: number): Promise<void> {
    const { incarnation } = this.#lease
    try {
      await this.#unsettled.settle(incarnation, session)
      const dirty = [...this.#held.values()].filter(held => held.dirty)
      if ((await this.#reassertAll(dirty)) === 'fenced') void this.#lease.fenced(incarnation)
    } catch (error) {
      // The next renewal that succeeds goes on from here.
      if (!(error instanceof RoutingTableUnavailable))
        this.#deps.log.error({ err: error }, 'writing back to the routing table failed unexpectedly')
    }
  }

  #stateOf(key: string): ReturnType<UnsettledDeps['stateOf']> {
    const held = this.#held.get(key)
    if (held) return held.dirty ? 'dirty' : 'written'
    return this.#claiming.has(key) ? 'claiming' : 'free'
  }
}

/** A request that finds the table changing under it is tried again so many times. */
const triesMax = 4
/** Placements in one re-assertion: a few ms of the table's time. */
const batchSize = 50

function placementOf({
  key,
  node,
  incarnation,
  expiresAt,
  failover,
  spec,
}: ClaimRequest): Omit<Placement, 'token'> {
  return { key, node, incarnation, expiresAt, failover, spec }
}
