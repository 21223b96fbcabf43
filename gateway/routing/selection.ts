import type { NodeLoad } from './node-load.ts'
import type { KnownNode } from './node-view.ts'
import { createRing, type Ring } from './ring.ts'

export interface SelectionDeps {
  readonly nodes: () => readonly KnownNode[]
  /** Whether anybody who could know it says that the node is there. */
  readonly isVouchedFor: (node: KnownNode) => boolean
  readonly load: NodeLoad
  readonly random: () => number
  readonly options: SelectionOptions
}

export interface SelectionOptions {
  /** This gateway's zone; empty: none is preferred. */
  readonly zone: string
  /** Requests in flight at which a node is full. */
  readonly requestsMax: number
  /** Share of the mean number of instances, in percent, up to which a node takes new ones. */
  readonly loadPercent: number
}

export const nodeStates = ['available', 'draining', 'full', 'failing', 'absent'] as const
export type NodeState = (typeof nodeStates)[number]

/**
 * Which node a request goes to, when any would do (stateless) or when a new consumer instance is placed. One predicate
 * says who is available: known, not draining, not full, not failing. The own zone comes first.
 */
export class Selection {
  readonly #deps: SelectionDeps
  readonly #rings = new Map<string, Ring>()

  constructor(deps: SelectionDeps) {
    this.#deps = deps
  }

  stateOf(node: KnownNode): NodeState {
    const { isVouchedFor, load, options } = this.#deps
    if (!isVouchedFor(node)) return 'absent'
    if (node.draining) return 'draining'
    if (load.inFlight(node.id) >= options.requestsMax) return 'full'
    return load.paused(node.id) ? 'failing' : 'available'
  }

  /** Whether there is a node that could take a request now, before zones and load: what readiness looks at. */
  get hasNode(): boolean {
    return this.#candidates(new Set()).some(node => this.stateOf(node) !== 'absent')
  }

  /**
   * A node for a request that any node can answer: of two at random the one with fewer requests in flight, which
   * spreads nearly as well as looking at all, and does not send every gateway to the same one.
   * @param tried node ids that this request was offered to already.
   */
  stateless(tried: ReadonlySet<string>): KnownNode | undefined {
    const pool = this.#preferred(this.#candidates(tried))
    const first = this.#draw(pool)
    const second = this.#draw(pool.filter(node => node !== first))
    if (!first || !second) return first
    const { load } = this.#deps
    return load.inFlight(second.id) < load.inFlight(first.id) ? second : first
  }

  /**
   * A node for a new consumer instance: the first in the key's order on the ring that is not loaded above the bound
   * and not at its own limit; if all are, the least loaded. (Consistent hashing with bounded loads: no node gets more
   * than its share by the luck of the names.)
   */
  forInstance(key: string, tried: ReadonlySet<string>): KnownNode | undefined {
    const pool = this.#preferred(this.#candidates(tried))
    if (pool.length === 0) return undefined
    const total = pool.reduce((sum, node) => sum + this.#instances(node), 0)
    const bound = Math.ceil(((this.#deps.options.loadPercent / 100) * (total + 1)) / pool.length)
    const byId = new Map(pool.map(node => [node.id, node]))
    for (const id of this.#ringOver(pool).order(key)) {
      const node = byId.get(id)
      if (node && this.#instances(node) < Math.min(bound, node.instancesMax)) return node
    }
    return pool.reduce((least, node) => (this.#instances(node) < this.#instances(least) ? node : least))
  }

  /** All known nodes in the key's order: whom to ask where an instance is. */
  inRingOrder(key: string): KnownNode[] {
    const nodes = this.#deps.nodes()
    const byId = new Map(nodes.map(node => [node.id, node]))
    return this.#ringOver(nodes)
      .order(key)
      .flatMap(id => byId.get(id) ?? [])
  }

  #candidates(tried: ReadonlySet<string>): KnownNode[] {
    const untried = this.#deps.nodes().filter(node => !tried.has(node.id))
    const byState = Map.groupBy(untried, node => this.stateOf(node))
    const available = byState.get('available') ?? []
    if (available.length > 0) return available
    // Never leave out the last one for its failures; and a node that drains still answers until it is gone. One that
    // nobody vouches for may be there all the same.
    return byState.get('failing') ?? byState.get('draining') ?? byState.get('absent') ?? []
  }

  #preferred(nodes: KnownNode[]): KnownNode[] {
    const { zone } = this.#deps.options
    const own = zone === '' ? [] : nodes.filter(node => node.zone === zone)
    return own.length > 0 ? own : nodes
  }

  #instances(node: KnownNode): number {
    return node.instances + this.#deps.load.unseen(node.id)
  }

  #draw(nodes: readonly KnownNode[]): KnownNode | undefined {
    return nodes[Math.floor(this.#deps.random() * nodes.length)]
  }

  /** A ring is costly to build and changes only with the nodes: the last few are kept. */
  #ringOver(nodes: readonly KnownNode[]): Ring {
    const ids = nodes.map(node => node.id).sort()
    const name = JSON.stringify(ids)
    let ring = this.#rings.get(name)
    if (!ring) {
      ring = createRing(ids)
      if (this.#rings.size >= ringsMax) this.#rings.clear()
      this.#rings.set(name, ring)
    }
    return ring
  }
}

/** Subsets of the nodes that rings are kept for: all, all of a zone, and these without one that fails or drains. */
const ringsMax = 16
