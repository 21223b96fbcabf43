import type { Found } from '../../shared/routing/routing-table.ts'
import type { Audit } from './audit.ts'
import { adoptAfterMs, clockRateMin, leaseMs, noticeMs, sweepMs } from './timing.ts'
import type { World } from './world.ts'

/**
 * How long a placement may name a lease that lives and whose process does not hold the instance: a lease, and what the
 * process needs to write down that it has let go.
 */
const strayMs = leaseMs / clockRateMin + noticeMs

/** How long what dead nodes left may stay: until the sweeper has missed its holder, and one sweep more on each side. */
export const orphanMs = (failover: 'recreate' | 'takeover') =>
  ((failover === 'takeover' ? adoptAfterMs : leaseMs) + 2 * sweepMs) / clockRateMin + noticeMs

/** Looks again and again where the placements of the table point. */
export class PlacementWatch {
  readonly #world: World
  readonly #audit: Audit
  /** Placements that nobody holds, with the true time since when, and whether the lease that they name lives. */
  #stray = new Map<string, number>()

  constructor(world: World, audit: Audit) {
    this.#world = world
    this.#audit = audit
  }

  /**
   * No placement points nowhere for longer than a lease, also during faults. Not counted is the time in which
   * - its process is stopped, or it and the table cannot talk, or the table lost its data: nobody can write then;
   * - its owner's lease has run out: everybody knows it for an orphan then. How long it lies there counts once nothing
   *   has been disturbed for long, because a sweeper that misses a holder begins anew when the sweepers change.
   */
  async look(): Promise<void> {
    const { options, queue, table } = this.#world
    const stray = new Map<string, number>()
    for (const { key } of await table.list({}, 100)) {
      const found = await table.find(key)
      if (!found.placement || this.#isHeld(found)) continue
      const { node, incarnation, token } = found.placement
      const name = `${key} ${incarnation} ${token} ${found.ownerAlive}`
      const since = this.#stray.get(name) ?? queue.time
      stray.set(name, since)
      const ms = queue.time - since
      const late = found.ownerAlive
        ? ms > strayMs && this.#couldLetGo(node)
        : Math.min(ms, queue.time - this.#world.disturbedAt - 2 * leaseMs) > orphanMs(options.failover)
      if (late)
        this.#world.violate(
          `the placement of ${key} points nowhere for ${Math.round(ms)} ms: ${node} ${token}, whose lease ${found.ownerAlive ? 'lives' : 'ran out'}`,
        )
    }
    this.#stray = stray
  }

  #isHeld({ placement }: Found): boolean {
    if (!placement) return false
    const node = this.#world.nodes.get(placement.node)
    return (
      node?.process.alive === true &&
      node.instances.get(placement.key)?.held.incarnation === placement.incarnation
    )
  }

  /** Whether nothing kept a node from writing, or the table from letting its lease run out. */
  #couldLetGo(id: string): boolean {
    const node = this.#world.nodes.get(id)
    if (!node || !this.#audit.sawTable(node, strayMs)) return false
    const { process } = node
    return !process.alive || (!process.stopped && process.continuedAt < this.#world.queue.time - strayMs)
  }
}
