import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import type { Member, RoutingTable } from '../../shared/routing/routing-table.ts'

/** Another process has this node id and goes on renewing it. */
export class NodeIdTaken extends Error {
  constructor(id: string, by: Member) {
    super(
      `the node id "${id}" is in use by another process at ${by.url}; give each proxy node an id of its own`,
    )
    this.name = 'NodeIdTaken'
  }
}

export interface NodeIdDeps {
  readonly table: Pick<RoutingTable, 'retire'>
  readonly clock: Clock
  readonly log: Logger
  readonly nodeId: string
  readonly settings: { readonly leaseMs: number; readonly renewIntervalMs: number }
}

/** How long an incarnation that was declared dead stays marked, in leases. */
export const deadMarkLeases = 10

/**
 * Decides between two processes with one node id. Refusing the second at once would turn kill -9 and restart into a
 * crash loop, so it waits for the first one's lease, and refuses only when that was renewed meanwhile.
 */
export class NodeId {
  readonly #deps: NodeIdDeps
  #rivalSince: number | undefined

  constructor(deps: NodeIdDeps) {
    this.#deps = deps
  }

  /** The id is ours. */
  won(): void {
    this.#rivalSince = undefined
  }

  /**
   * Another incarnation is registered under the id.
   * @param firstTime this process has never held the id. Only then is an old process at the address that this one has
   *   bound retired: two processes that both advertise the address (loopback, on two hosts) would else retire each
   *   other for ever. As it is, the second to come wins, and the first finds out and gives up.
   * @returns whether the next try can succeed at once.
   * @throws NodeIdTaken
   */
  async contested(own: Member, by: Member, firstTime: boolean): Promise<boolean> {
    const { clock, log, nodeId, settings, table } = this.#deps
    if (firstTime && (by.internalUrl === own.internalUrl || by.url === own.url)) {
      log.info({ incarnation: by.incarnation }, 'replacing the former process at this address')
      await table.retire(nodeId, by.incarnation, settings.leaseMs * deadMarkLeases)
      return true
    }
    const now = clock.monotonic()
    if (this.#rivalSince === undefined) {
      this.#rivalSince = now
      log.warn({ url: by.url }, 'the node id is registered by another process; waiting for its lease to end')
    }
    // A record that is there after a whole lease was renewed since it was first seen.
    if (now - this.#rivalSince > settings.leaseMs + settings.renewIntervalMs)
      throw new NodeIdTaken(nodeId, by)
    return false
  }
}
