import type { Clock, Timer } from '../../shared/clock.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import type { Metrics } from '../../shared/observability/metrics.ts'
import type { ProbeIdentity } from '../../shared/routing/death-proof.ts'
import {
  type Member,
  type RoutingTable,
  RoutingTableUnavailable,
} from '../../shared/routing/routing-table.ts'
import type { MemberSigner } from '../../shared/security/member-signature.ts'
import type { ProxyNodeMetric } from '../metrics.ts'
import type { PlacementClaims } from '../ports/placements.ts'
import { type LeaseHolder, NodeLease } from './lease.ts'
import type { NodeIdTaken } from './node-id.ts'
import { OrphanSweeper, type OrphanSweeperDeps } from './orphan-sweeper.ts'
import { Peers, type ProbeInstance } from './peers.ts'
import { NodePlacements } from './placements.ts'

export interface MembershipDeps {
  readonly table: RoutingTable
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<Metrics<ProxyNodeMetric>, 'count' | 'read'>
  readonly signer: MemberSigner
  readonly probeIdentity: ProbeIdentity
  readonly probeInstance: ProbeInstance
  readonly node: NodeFacts
  readonly settings: MembershipSettings
  /** The node id turned out to be another process's after the start: this process must stop. */
  readonly onRefused: (error: NodeIdTaken) => void
}

/** What the member record says of this process for its whole life. */
export type NodeFacts = Pick<Member, 'id' | 'url' | 'internalUrl' | 'zone' | 'instancesMax'>

/** All times in ms. */
export interface MembershipSettings {
  readonly leaseMs: number
  readonly renewIntervalMs: number
  readonly failover: 'recreate' | 'takeover'
  readonly tombstoneMs: number
  readonly peerTimeoutMs: number
  readonly refusedIsDead: boolean
  readonly sweepIntervalMs: number
  /** Bounds what waits while the table is away; see PlacementSettings. */
  readonly pendingMax: number
  /** Most placements of dead nodes that one sweep ends or adopts. */
  readonly orphansMax: number
  readonly adoptAfterMs: number
}

/** This node as a member of the routing table, with everything it holds there. */
export interface Membership {
  /** For the identity route: who this process is now. The incarnation changes when it was declared dead. */
  identity(): { readonly id: string; readonly incarnation: string }
  readonly claims: PlacementClaims
  /** Whether this node holds an instance; `key` is `instanceKey`. */
  holds(key: string): boolean
  /** Placements held now. */
  readonly size: number
  /** Other nodes known now: those that are asked when the table cannot be. */
  readonly peers: number
  /** Whether the member record is in the table, as far as this node knows. */
  readonly registered: boolean
  /** Asks a process for its identity, for a gateway that wants a second view of a death. */
  checkDeath(expected: { id: string; incarnation: string; internalUrl: string }): Promise<boolean>
  /** Says in the table that this node takes no new instances, or takes them again. */
  setState(state: Member['state']): Promise<void>
  /** Begins to sweep up after dead nodes. */
  startSweeping(orphans: Pick<OrphanSweeperDeps, 'removeMember' | 'adopt'>): void
  /** Ends the renewals and removes the member record. What is still held then is anyone's: release it before. */
  leave(): Promise<void>
}

/**
 * Registers this node. Without a table to be reached the node starts all the same: it serves what needs no table, claims
 * provisionally, and registers as soon as the table is there.
 * @throws NodeIdTaken when another process has this id and goes on renewing it; the signal's reason.
 */
export async function openMembership(deps: MembershipDeps, signal: AbortSignal): Promise<Membership> {
  const membership = new NodeMembership(deps)
  await membership.start(signal)
  return membership
}

class NodeMembership implements Membership {
  readonly #deps: MembershipDeps
  readonly #placements: NodePlacements
  readonly #peers: Peers
  readonly #stopping = new AbortController()
  #state: Member['state'] = 'active'
  #timer: Timer | undefined
  #sweeping: Promise<unknown> = Promise.resolve()

  constructor(deps: MembershipDeps) {
    this.#deps = deps
    const { clock, log, metrics, node, settings, table } = deps
    this.#peers = new Peers({ ...deps, nodeId: node.id })
    const count = (event: string) => metrics.count('kafka_rest_node_placements_total', { event })
    const openLease = (holder: LeaseHolder) =>
      new NodeLease({
        table,
        clock,
        log,
        settings,
        nodeId: node.id,
        holder: this.#withPeers(holder),
        describe: incarnation => this.#describe(incarnation),
        count: outcome => metrics.count('kafka_rest_node_lease_renewals_total', { outcome }),
        onRefused: deps.onRefused,
      })
    this.#placements = new NodePlacements(
      {
        table,
        clock,
        log,
        nodeId: node.id,
        settings,
        confirmDeath: holding => this.#confirmDeath(holding),
        heldByPeer: ref => this.#peers.holds(ref),
        count,
      },
      openLease,
    )
    metrics.read('kafka_rest_node_placements', () => this.#placements.size)
  }

  get claims(): PlacementClaims {
    return this.#placements
  }

  get size(): number {
    return this.#placements.size
  }

  get peers(): number {
    return this.#peers.size
  }

  get registered(): boolean {
    return this.#placements.lease.registered
  }

  start(signal: AbortSignal): Promise<void> {
    return this.#placements.lease.start(signal)
  }

  identity(): { id: string; incarnation: string } {
    return { id: this.#deps.node.id, incarnation: this.#placements.lease.incarnation }
  }

  holds(key: string): boolean {
    return this.#placements.holds(key)
  }

  checkDeath(expected: { id: string; incarnation: string; internalUrl: string }): Promise<boolean> {
    return this.#peers.checkDeath(expected)
  }

  async setState(state: Member['state']): Promise<void> {
    this.#state = state
    await this.#placements.lease.renewAnew()
  }

  startSweeping(orphans: Pick<OrphanSweeperDeps, 'removeMember' | 'adopt'>): void {
    const { node, settings } = this.#deps
    const sweeper = new OrphanSweeper({ ...this.#deps, nodeId: node.id, ...orphans })
    const round = async () => {
      await sweeper.sweep(this.#stopping.signal)
      if (!this.#stopping.signal.aborted) next()
    }
    const next = () => {
      this.#timer = this.#deps.clock.after(settings.sweepIntervalMs, () => {
        this.#sweeping = round()
      })
    }
    next()
  }

  async leave(): Promise<void> {
    this.#stopping.abort()
    this.#timer?.cancel()
    await this.#sweeping
    await this.#placements.lease.leave()
  }

  /** Looks at the other members after each renewal. */
  #withPeers(holder: LeaseHolder): LeaseHolder {
    return {
      reassert: () => holder.reassert(),
      abandon: () => holder.abandon(),
      settle: async session => {
        await holder.settle(session)
        await this.#refreshPeers()
      },
    }
  }

  async #describe(incarnation: string): Promise<Member> {
    const facts = { ...this.#deps.node, incarnation }
    const signature = await this.#sign(facts)
    const { failover } = this.#deps.settings
    return { ...facts, state: this.#state, instances: this.#placements.size, failover, signature }
  }

  #signed: { incarnation: string; signature: string } | undefined

  /** The signature depends on nothing that changes within an incarnation. */
  async #sign(facts: NodeFacts & { readonly incarnation: string }): Promise<string> {
    if (this.#signed?.incarnation !== facts.incarnation)
      this.#signed = { incarnation: facts.incarnation, signature: await this.#deps.signer.sign(facts) }
    return this.#signed.signature
  }

  async #confirmDeath(holding: Parameters<Peers['confirmDeath']>[0]): Promise<boolean> {
    try {
      return await this.#peers.confirmDeath(holding)
    } catch (error) {
      if (error instanceof RoutingTableUnavailable) return false
      throw error
    }
  }

  async #refreshPeers(): Promise<void> {
    try {
      await this.#peers.refresh()
    } catch (error) {
      if (!(error instanceof RoutingTableUnavailable))
        this.#deps.log.error({ err: error }, 'reading the members failed')
    }
  }
}
