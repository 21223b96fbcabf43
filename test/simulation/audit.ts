import type { HeldPlacement } from '../../proxy-node/ports/placements.ts'
import type { Placement } from '../../shared/routing/routing-table.ts'
import type { HeldInstance, SimulatedNode } from './simulated-node.ts'
import { leaseMs, noticeMs } from './timing.ts'
import type { World } from './world.ts'

/**
 * What must be true at each step; each breach is told to the world.
 *
 * 1. One holder for a token: what the table grants, it grants to one incarnation, whatever was lost in between. (A claim
 *    without the table has a token of its node's clock, which no table has granted until the node asserts it.)
 * 2. A holder that can see the table hands nothing out unless the table names it with exactly its token. It can see the
 *    table if nothing was cut or lost between the two for `noticeMs`: a table that was just found unreachable is not
 *    asked again for a tick, and a claim whose answer was lost is told its token by the next re-assertion. So long it
 *    may also go on after a claim without the table by a node that did not know the holder: the higher token wins, and
 *    the holder finds out when it renews. Exempt for two leases is a table that lost its data or was stopped. A process
 *    that was stopped is not exempt: it must ask first.
 * 3. No committed record is handed out again, since no client here seeks or commits back. Exempt is a holder that is cut
 *    off from the table while another has its instance (`splits`): that two hand out at once then is what the system
 *    does not promise to prevent. Exempt is also, for two leases, a table that lost its data: a process that was stopped
 *    and goes on in the ms before the new holder's re-assertion, or after the new holder has died too, finds nobody
 *    there. The broker ends that at its next heartbeat.
 * 4. What is committed was handed out, and no commit is overwritten by an older one. No exemption: the broker fences.
 *
 * Where placements point is watched in `PlacementWatch`; what gateways may call gone, in `World`.
 */
export class Audit {
  readonly #world: World
  /** When each token that nobody was granted was first seen to stand against a holder. */
  readonly #overruling = new Map<string, number>()
  /** Who was granted each token. */
  readonly #tokens = new Map<string, string>()
  /** Records handed out by a holder that was cut off from the table while another had its token. */
  splits = 0
  handOuts = 0
  commits = 0

  constructor(world: World) {
    this.#world = world
  }

  async claimed({ key, token, incarnation }: HeldPlacement): Promise<void> {
    // Claimed without the table: not granted.
    const placement = await this.#world.placementOf(key)
    if (placement?.token !== token || placement.incarnation !== incarnation) return
    const name = `${key} ${token}`
    const holder = this.#tokens.get(name)
    if (holder !== undefined && holder !== incarnation)
      this.#world.violate(`token ${token} of ${key} was granted twice`)
    this.#tokens.set(name, incarnation)
  }

  handedOut(node: SimulatedNode, { key, held }: HeldInstance, from: number, to: number): void {
    this.handOuts += 1
    const group = this.#world.kafka.group(key)
    group.handedOutMax = Math.max(group.handedOutMax, to)
    this.#world.trace(`${node.process.name} hands out ${key} ${from}–${to - 1}`)
    const { committed } = group
    const { token } = held
    const seesTable = this.sawTable(node, noticeMs)
    void this.#world.placementOf(key).then(placement => {
      const isHolder = placement?.node === node.id && placement.incarnation === held.incarnation
      if (seesTable && !(isHolder && placement.token === token) && !this.#isOverruled(placement))
        this.#world.violate(
          `${node.process.name} hands out ${key} with token ${token}; ${placement ? `${placement.node} has ${placement.token}` : 'nobody has it'}`,
        )
      if (placement && !isHolder) this.splits += 1
      else if (from < committed && this.#remembers(node))
        this.#world.violate(`${key} ${from} is handed out again; ${committed} is committed`)
    })
  }

  /** Whether the table names, since a moment ago, somebody whose token it has not granted. */
  #isOverruled(placement: Placement | undefined): boolean {
    const name = placement && `${placement.key} ${placement.token}`
    if (name === undefined || this.#tokens.has(name)) return false
    const since = this.#overruling.get(name) ?? this.#world.queue.time
    this.#overruling.set(name, since)
    return this.#world.queue.time - since < noticeMs
  }

  committed(
    node: SimulatedNode,
    { key }: HeldInstance,
    group: { committed: number; handedOutMax: number },
    to: number,
  ) {
    this.commits += 1
    this.#world.trace(`${node.process.name} commits ${key} ${to}`)
    if (to > group.handedOutMax) this.#world.violate(`${key} ${to} is committed; it was never handed out`)
    if (to < group.committed)
      this.#world.violate(`${key}: the commit of ${group.committed} is overwritten by ${to}`)
  }

  /** Whether the node and the table could talk for so long, and the table lost nothing and was not stopped. */
  sawTable(node: SimulatedNode, ms: number): boolean {
    const { network, tableHost, queue } = this.#world
    const since = queue.time - ms
    return (
      network.wholeSince(node.process.name, tableHost.name, since) &&
      this.#remembers(node) &&
      !tableHost.stopped
    )
  }

  /**
   * Whether everybody has had the time to tell the table again what it lost, and this node to find out what it missed
   * of that if it was stopped meanwhile.
   */
  #remembers({ process }: SimulatedNode): boolean {
    const { queue, tableLostAt } = this.#world
    const missed = process.stoppedAt <= tableLostAt && tableLostAt <= process.continuedAt
    return (missed ? process.continuedAt : tableLostAt) + 2 * leaseMs < queue.time
  }
}
