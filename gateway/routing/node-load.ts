import type { Clock } from '../../shared/clock.ts'

interface Load {
  inFlight: number
  /** Failures since the last success. */
  failures: number
  /** Monotonic ms until which the node is left out. */
  pausedUntil: number
  /** Instances that are being created there through this gateway. */
  creating: number
  /** Instances created through this gateway since the last refresh of the members, and between the two before. */
  created: number
  createdBefore: number
  /** Instances in the record that was read last. */
  shown: number | undefined
}

/**
 * What this gateway itself knows of each node: requests in flight, failures in a row, instances that it just created
 * there. Kept by node id, and forgotten with the node.
 */
export class NodeLoad {
  readonly #loads = new Map<string, Load>()
  readonly #clock: Clock
  readonly #random: () => number
  readonly #failuresMax: number
  readonly #pauseMs: number

  constructor(deps: { clock: Clock; random: () => number; failuresMax: number; pauseMs: number }) {
    this.#clock = deps.clock
    this.#random = deps.random
    this.#failuresMax = deps.failuresMax
    this.#pauseMs = deps.pauseMs
  }

  inFlight(id: string): number {
    return this.#loads.get(id)?.inFlight ?? 0
  }

  /** Whether too many failures in a row leave the node out for now. */
  paused(id: string): boolean {
    return this.#clock.monotonic() < (this.#loads.get(id)?.pausedUntil ?? 0)
  }

  /** Instances that the node's own record cannot show yet. */
  unseen(id: string): number {
    const load = this.#loads.get(id)
    return load === undefined ? 0 : load.creating + load.created + load.createdBefore
  }

  begin(id: string): void {
    this.#of(id).inFlight++
  }

  end(id: string): void {
    const load = this.#loads.get(id)
    if (load && load.inFlight > 0) load.inFlight--
  }

  succeeded(id: string): void {
    const load = this.#loads.get(id)
    if (load) load.failures = 0
  }

  /**
   * One more failure in a row. From the limit on each one leaves the node out for a while; the jitter keeps the
   * gateways from coming back to it all at once.
   */
  failed(id: string): void {
    const load = this.#of(id)
    load.failures++
    if (load.failures < this.#failuresMax) return
    load.pausedUntil = this.#clock.monotonic() + this.#pauseMs * (1 + this.#random() / 2)
  }

  /**
   * An instance will be created there. Counted from the choice on: many that are chosen at once would otherwise all
   * see the same least loaded node.
   */
  reserve(id: string): void {
    this.#of(id).creating++
  }

  /** The creation is over. */
  settle(id: string, created: boolean): void {
    const load = this.#of(id)
    if (load.creating > 0) load.creating--
    if (created) load.created++
  }

  /**
   * The members were read anew. What a record has grown by are instances that it shows now, so they no longer count
   * here. What it does not show after two reads, it never will: they were closed meanwhile.
   */
  refreshed(nodes: readonly { readonly id: string; readonly instances: number }[]): void {
    for (const { id, instances } of nodes) {
      const load = this.#of(id)
      const shown = Math.max(0, instances - (load.shown ?? instances))
      const shownOfNew = Math.max(0, shown - load.createdBefore)
      load.createdBefore = Math.max(0, load.created - shownOfNew)
      load.created = 0
      load.shown = instances
    }
    const known = new Set(nodes.map(node => node.id))
    for (const [id, load] of this.#loads)
      if (!known.has(id) && load.inFlight === 0 && load.creating === 0) this.#loads.delete(id)
  }

  /** Requests in flight by node, for the metrics. */
  *entries(): Generator<{ id: string; inFlight: number }> {
    for (const [id, { inFlight }] of this.#loads) yield { id, inFlight }
  }

  #of(id: string): Load {
    let load = this.#loads.get(id)
    if (!load) {
      load = { ...fresh }
      this.#loads.set(id, load)
    }
    return load
  }
}

const fresh: Load = {
  inFlight: 0,
  failures: 0,
  pausedUntil: 0,
  creating: 0,
  created: 0,
  createdBefore: 0,
  shown: undefined,
}
