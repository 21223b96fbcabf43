import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import { bucketCount } from '../../shared/routing/buckets.ts'
import {
  nobody,
  type Placement,
  type RoutingTable,
  RoutingTableUnavailable,
} from '../../shared/routing/routing-table.ts'

export interface OrphanSweeperDeps {
  readonly table: RoutingTable
  readonly clock: Clock
  readonly log: Logger
  readonly nodeId: string
  readonly settings: {
    readonly leaseMs: number
    readonly tombstoneMs: number
    /** Most placements that one sweep ends or adopts, so that it cannot hold the node for long. */
    readonly orphansMax: number
    /** How long an instance that may be taken over waits for somebody to ask for it, in ms. */
    readonly adoptAfterMs: number
  }
  /** Takes a dead node's member out of its Kafka group, which would else wait for its session time-out. */
  readonly removeMember: (orphan: Placement) => Promise<void>
  /**
   * Takes an instance over that nobody has asked for: until somebody holds it, its group waits for its member's session
   * to end, and rebalances then. @returns whether this node holds it now.
   */
  readonly adopt: (orphan: Placement) => Promise<boolean>
}

/**
 * Ends the placements that dead nodes left and that nobody recreated, or adopts those that may be taken over. The
 * buckets are divided among the active nodes by their sorted ids, so that each placement has one sweeper. While views
 * of the members differ, two may meet: removing a group member twice is harmless, and the table lets only one end the
 * placement.
 */
export class OrphanSweeper {
  readonly #deps: OrphanSweeperDeps
  /** When each absent holder was first missed, on the monotonic clock. */
  #missing = new Map<string, number>()

  constructor(deps: OrphanSweeperDeps) {
    this.#deps = deps
  }

  /** One sweep over this node's share. @returns how many placements it ended or adopted. Never rejects. */
  async sweep(signal?: AbortSignal): Promise<number> {
    try {
      return await this.#sweep(signal)
    } catch (error) {
      // Nobody could renew a lease either: who was missed before may be back when the table can be asked again.
      this.#missing.clear()
      if (!(error instanceof RoutingTableUnavailable)) this.#deps.log.error({ err: error }, 'a sweep failed')
      return 0
    }
  }

  async #sweep(signal: AbortSignal | undefined): Promise<number> {
    const { nodeId, settings, table } = this.#deps
    const { members } = await table.members()
    const sweepers = members.filter(({ state }) => state === 'active').map(({ id }) => id)
    const own = sweepers.sort().indexOf(nodeId)
    if (own < 0) {
      this.#missing.clear()
      return 0
    }
    const missing = new Map<string, number>()
    let ended = 0
    for (let bucket = own; bucket < bucketCount; bucket += sweepers.length) {
      for (const orphan of await table.orphans(bucket, settings.orphansMax)) {
        if (signal?.aborted) return ended
        if (ended >= settings.orphansMax || !this.#isDue(orphan, missing)) continue
        if (await (this.#mayBeAdopted(orphan) ? this.#deps.adopt(orphan) : this.#end(orphan))) ended += 1
      }
    }
    this.#missing = missing
    return ended
  }

  /**
   * A record that is away for a moment (a table that was stopped, a node that was) is no reason: the holder must have
   * been missed for a whole lease, and longer where a request for the instance would make somebody take it over. One
   * that was handed back is missed on its own, since all of them have the same holder.
   */
  #isDue(orphan: Placement, missing: Map<string, number>): boolean {
    const { clock, settings } = this.#deps
    const holder = orphan.incarnation === nobody ? `${orphan.key} ${orphan.token}` : orphan.incarnation
    const since = this.#missing.get(holder) ?? clock.monotonic()
    missing.set(holder, since)
    const waitMs = this.#mayBeAdopted(orphan)
      ? Math.max(settings.leaseMs, settings.adoptAfterMs)
      : settings.leaseMs
    return clock.monotonic() - since >= waitMs
  }

  #mayBeAdopted({ failover, expiresAt }: Placement): boolean {
    return failover === 'takeover' && this.#deps.clock.now() < expiresAt
  }

  async #end(orphan: Placement): Promise<boolean> {
    const { log, removeMember, settings, table } = this.#deps
    try {
      await removeMember(orphan)
    } catch (error) {
      log.warn(
        { err: error, key: orphan.key },
        'could not remove the member of a dead node; trying again later',
      )
      return false
    }
    return table.removeOrphan(orphan, settings.tombstoneMs)
  }
}
