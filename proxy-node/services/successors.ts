import type { Clock } from '../../shared/clock.ts'
import type { TakeoverReply } from '../../shared/http/identity-probe.ts'
import { type InstanceRef, instanceKey } from '../../shared/ids.ts'
import type { Holding, Member, RoutingTable } from '../../shared/routing/routing-table.ts'
import type { MemberSigner } from '../../shared/security/member-signature.ts'

export interface SuccessorsDeps {
  readonly nodeId: string
  readonly zone: string
  readonly table: Pick<RoutingTable, 'find' | 'members'>
  readonly signer: Pick<MemberSigner, 'verify'>
  /** Asks a node; never rejects. */
  readonly ask: (internalUrl: string, ref: InstanceRef, replaces: Holding) => Promise<TakeoverReply>
  readonly clock: Clock
}

/** How long a list of the members is good for. */
const membersFreshMs = 1000
/** Nodes that are asked for one instance; after that it waits for the next request, or for adoption. */
const askedMax = 3

/** Finds other nodes for the instances that this node gives up: those with the least to hold, its own zone first. */
export class Successors {
  readonly #deps: SuccessorsDeps
  #members: readonly Member[] = []
  #listedAt = Number.NEGATIVE_INFINITY
  /** Instances given to each node since the members were listed: their records do not count these yet. */
  #given = new Map<string, number>()

  constructor(deps: SuccessorsDeps) {
    this.#deps = deps
  }

  /**
   * Has another node take over an instance that was handed back.
   * @returns whether somebody has it now.
   * @throws RoutingTableUnavailable
   */
  async find(ref: InstanceRef): Promise<boolean> {
    const { placement, ...found } = await this.#deps.table.find(instanceKey(ref))
    if (placement === undefined || ('ownerAlive' in found && found.ownerAlive)) return true
    const { node, incarnation, token } = placement
    const candidates = (await this.#candidates()).slice(0, askedMax)
    for (const member of candidates) {
      const reply = await this.#deps.ask(member.internalUrl, ref, { node, incarnation, token })
      if (reply === 'refused') continue
      if (reply === 'held') this.#given.set(member.id, (this.#given.get(member.id) ?? 0) + 1)
      return true
    }
    return false
  }

  async #candidates(): Promise<Member[]> {
    const { clock, nodeId, zone, signer, table } = this.#deps
    if (clock.monotonic() - this.#listedAt >= membersFreshMs) {
      const { members } = await table.members()
      const verified = await Promise.all(members.map(member => signer.verify(member)))
      this.#members = members.filter((_, index) => verified[index])
      this.#listedAt = clock.monotonic()
      this.#given = new Map()
    }
    const load = (member: Member) => member.instances + (this.#given.get(member.id) ?? 0)
    return this.#members
      .filter(member => member.id !== nodeId && member.state === 'active')
      .filter(member => load(member) < member.instancesMax)
      .sort(
        (left, right) =>
          Number(right.zone === zone) - Number(left.zone === zone) ||
          load(left) - load(right) ||
          (left.id < right.id ? -1 : 1),
      )
  }
}
