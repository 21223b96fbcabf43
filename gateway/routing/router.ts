import { type InstanceRef, instanceKey } from '../../shared/ids.ts'
import {
  type GoneReason,
  type Holding,
  nobody,
  type Placement,
  type RoutingTable,
} from '../../shared/routing/routing-table.ts'
import { SingleFlight } from '../../shared/single-flight.ts'
import type { GatewayMeter } from '../metrics.ts'
import type { DeathCheck } from './death-check.ts'
import type { NodeLoad } from './node-load.ts'
import type { NodeQuestions } from './node-questions.ts'
import type { KnownNode, NodeView } from './node-view.ts'
import type { CachedPlacement, PlacementCache } from './placement-cache.ts'
import type { Selection } from './selection.ts'

/** Where a request for an instance must go. */
export type Located =
  | { readonly at: 'node'; readonly node: KnownNode; readonly placement: CachedPlacement }
  /** Proved: there is no such instance, or its owner is dead. */
  | { readonly at: 'gone'; readonly reason: GoneReason | 'unknown' }
  /** It may exist, but nobody who could say so can be asked. */
  | { readonly at: 'unknown' }

/** Where a new instance goes. */
export interface Placing {
  readonly node: KnownNode
  /** The instance that has this name already, if its owner is dead: the claim must replace exactly this. */
  readonly provedDead: Holding | undefined
}

export interface RouterDeps {
  readonly table: RoutingTable | undefined
  readonly view: NodeView
  readonly cache: PlacementCache
  readonly selection: Selection
  readonly load: NodeLoad
  readonly questions: NodeQuestions
  readonly deaths: DeathCheck
  readonly meter: GatewayMeter
}

/** Nodes that are asked to take an instance over, and looks for who has it, before the client has to ask again. */
const takeoverTriesMax = 6

/** Nodes that are asked at once where an instance is, while the table cannot say. */
const askedAtOnce = 2

/**
 * Finds the node of each consumer instance: in the cache, in the routing table, or, while the table cannot be asked
 * or may have lost its data, by asking the nodes themselves. It says that an instance is gone only on proof.
 */
export class Router {
  readonly #deps: RouterDeps
  readonly #lookUps = new SingleFlight<string, Located>()

  constructor(deps: RouterDeps) {
    this.#deps = deps
  }

  /** Where the instance is. Rejects only with the signal's reason. */
  async locate(ref: InstanceRef, signal?: AbortSignal): Promise<Located> {
    const { cache, view, meter } = this.#deps
    const key = instanceKey(ref)
    const cached = cache.get(key)
    const node = cached && view.holder(cached)
    if (cached && node) {
      meter.count('kafka_rest_gateway_placement_lookups_total', { source: 'cache' })
      return { at: 'node', node, placement: cached }
    }
    cache.drop(key)
    const begin = () => this.#lookUp(ref, key)
    const joined = this.#lookUps.isUnderWay(key)
    const located = await this.#lookUps.run(key, signal, begin)
    // That look began before this request came, and the instance may have been created since; the next one did not.
    return joined && located.at === 'gone' ? this.#lookUps.run(key, signal, begin) : located
  }

  /**
   * Looks past the cache, and past what another request has begun to look up: the node said that it does not hold the
   * instance, and the other look-up may have seen the table as it was before.
   */
  async relocate(ref: InstanceRef, signal?: AbortSignal): Promise<Located> {
    this.forget(ref)
    const key = instanceKey(ref)
    return this.#lookUps.runAnew(key, signal, () => this.#lookUp(ref, key))
  }

  forget(ref: InstanceRef): void {
    this.#deps.cache.drop(instanceKey(ref))
  }

  /** Whether the node that could not be reached is dead for certain; its instances are gone then. */
  isDead(node: KnownNode): Promise<boolean> {
    return this.#deps.deaths.prove(node)
  }

  /**
   * A node for a new instance, reserved there: the caller settles it in `NodeLoad` when the creation is over.
   * @param ref undefined: nobody can know its name yet, and any node will do.
   * @param chosen whether the client chose the name, so that it may exist already.
   */
  async place(
    ref: InstanceRef | undefined,
    chosen: boolean,
    tried: ReadonlySet<string>,
  ): Promise<Placing | undefined> {
    const { selection } = this.#deps
    if (ref === undefined) return this.#placingAt(selection.stateless(tried))
    const key = instanceKey(ref)
    const present = chosen ? await this.#present(key) : undefined
    if (present === undefined) return this.#placingAt(selection.forInstance(key, tried))
    // It exists already. Its owner, while it can be reached, answers that, or takes its own placement anew.
    if (!present.dead && !tried.has(present.node.id)) return this.#placingAt(present.node)
    if (!present.dead && !(await this.isDead(present.node)))
      return this.#placingAt(selection.forInstance(key, tried))
    return this.#placingAt(selection.forInstance(key, tried), present.holding)
  }

  #placingAt(node: KnownNode | undefined, provedDead?: Holding): Placing | undefined {
    if (!node) return undefined
    this.#deps.load.reserve(node.id)
    return { node, provedDead }
  }

  /** The placement that has the key, if its owner's lease lives. */
  async #present(
    key: string,
  ): Promise<
    { node: KnownNode; holding: Holding; dead: false } | { holding: Holding; dead: true } | undefined
  > {
    const { table, view, cache } = this.#deps
    cache.drop(key)
    const found = await this.#find(table, key)
    if (!found?.placement || !found.ownerAlive) return undefined
    const { node, incarnation, token } = found.placement
    const holding = { node, incarnation, token }
    if (view.isDead(incarnation)) return { holding, dead: true }
    const known = view.holder(found.placement)
    return known && { node: known, holding, dead: false }
  }

  async #lookUp(ref: InstanceRef, key: string, tries = 0): Promise<Located> {
    const { table, view } = this.#deps
    const found = await this.#find(table, key)
    if (!found) return this.#askNodes(ref, key, 'unreachable')
    if (!found.placement) {
      // A tombstone is a word of the table itself. A mere absence may be a loss of its data, or an instance that its
      // node created while it, and not we, could not reach the table: it is written within a renewal or two.
      if (found.gone === undefined) return this.#askNodes(ref, key, 'silent')
      return this.#counted('none', { at: 'gone', reason: found.gone })
    }
    const { placement, ownerAlive } = found
    const free = placement.incarnation === nobody || view.isDead(placement.incarnation)
    if (free) return this.#withoutOwner(ref, placement, ownerAlive, tries)
    // The node may have registered within the last second.
    if (ownerAlive && !view.holder(placement)) await view.refresh()
    const node = view.holder(placement)
    if (node && (ownerAlive || !view.settled)) {
      const { incarnation, token, failover } = placement
      return this.#atNode('table', key, node, { node: node.id, incarnation, token, failover })
    }
    if (ownerAlive || !view.settled) return this.#counted('unknown', { at: 'unknown' })
    return this.#withoutOwner(ref, placement, ownerAlive, tries)
  }

  /** The instance has no owner any more: another node goes on with it, if it was set up so. */
  async #withoutOwner(
    ref: InstanceRef,
    placement: Placement,
    deathProved: boolean,
    tries: number,
  ): Promise<Located> {
    if (placement.failover === 'recreate') return this.#counted('none', ownerLost)
    const { selection, questions, load, meter } = this.#deps
    const { key, failover } = placement
    const tried = new Set<string>()
    for (let asked = tries; asked < takeoverTriesMax; asked++) {
      const node = selection.forInstance(key, tried)
      if (node === undefined) break
      tried.add(node.id)
      load.reserve(node.id)
      const answer = await questions.takeOver(node, ref, placement, deathProved)
      load.settle(node.id, answer.outcome === 'held')
      meter.count('kafka_rest_gateway_takeovers_total', { outcome: answer.outcome })
      if (answer.outcome === 'gone') return this.#counted('none', ownerLost)
      // Another gateway chose another node: whoever has it is in the table.
      if (answer.outcome === 'lost') return this.#lookUp(ref, key, asked + 1)
      if (answer.outcome === 'held') {
        const { incarnation, token } = answer
        return this.#atNode('takeover', key, node, { node: node.id, incarnation, token, failover })
      }
    }
    return this.#counted('unknown', { at: 'unknown' })
  }

  async #find(table: RoutingTable | undefined, key: string) {
    try {
      return await table?.find(key)
    } catch {
      this.#deps.meter.count('kafka_rest_gateway_table_errors_total', { operation: 'find' })
      return undefined
    }
  }

  /**
   * Asks the known nodes in the key's order, a few at a time. Only when every one of them says no, or is dead for
   * certain, the instance is gone. A dead one proves nothing while its instances may be taken over, and only the table,
   * which cannot be reached, could tell which it had.
   */
  async #askNodes(ref: InstanceRef, key: string, table: 'silent' | 'unreachable'): Promise<Located> {
    const { selection, questions, deaths, view } = this.#deps
    const nodes = selection.inRingOrder(key)
    let unsure = nodes.length === 0
    for (let start = 0; start < nodes.length; start += askedAtOnce) {
      const asked = nodes.slice(start, start + askedAtOnce)
      const answers = await Promise.all(asked.map(node => questions.holds(node, ref)))
      for (const [index, node] of asked.entries()) {
        if (answers[index]) {
          const placement = {
            node: node.id,
            incarnation: node.incarnation,
            token: 0,
            failover: node.failover,
          }
          return this.#atNode('nodes', key, node, placement)
        }
      }
      for (const [index, node] of asked.entries()) {
        if (answers[index] === undefined && !(await deaths.prove(node))) unsure = true
      }
    }
    if (table === 'unreachable' && view.deadMembers().some(({ failover }) => failover === 'takeover'))
      unsure = true
    return unsure
      ? this.#counted('unknown', { at: 'unknown' })
      : this.#counted('none', { at: 'gone', reason: 'unknown' })
  }

  #atNode(
    source: 'table' | 'nodes' | 'takeover',
    key: string,
    node: KnownNode,
    placement: CachedPlacement,
  ): Located {
    this.#deps.cache.put(key, placement)
    return this.#counted(source, { at: 'node', node, placement })
  }

  #counted(source: 'table' | 'nodes' | 'takeover' | 'none' | 'unknown', located: Located): Located {
    this.#deps.meter.count('kafka_rest_gateway_placement_lookups_total', { source })
    return located
  }
}

const ownerLost: Located = { at: 'gone', reason: 'owner-lost' }
