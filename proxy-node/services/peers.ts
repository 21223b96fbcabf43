import type { Clock } from '../../shared/clock.ts'
import type { InstanceRef } from '../../shared/ids.ts'
import { type DeathProofRules, deathProved, type ProbeIdentity } from '../../shared/routing/death-proof.ts'
import type { Holding, Member, RoutingTable } from '../../shared/routing/routing-table.ts'
import type { MemberSigner } from '../../shared/security/member-signature.ts'

/** Asks a node whether it holds an instance; never rejects. `unclear`: it did not say. */
export type ProbeInstance = (
  internalUrl: string,
  ref: InstanceRef,
  options: { readonly timeoutMs: number },
) => Promise<'held' | 'absent' | 'unclear'>

export interface PeersDeps {
  readonly table: Pick<RoutingTable, 'members'>
  readonly clock: Clock
  readonly nodeId: string
  readonly signer: Pick<MemberSigner, 'verify'>
  readonly probeIdentity: ProbeIdentity
  readonly probeInstance: ProbeInstance
  readonly settings: DeathProofRules & {
    /** Longest wait for another node's answer, in ms. */
    readonly peerTimeoutMs: number
    readonly leaseMs: number
  }
}

interface Known {
  readonly member: Member
  /** Monotonic ms of the first look that did not find it. */
  missingSince: number | undefined
}

/** The other proxy nodes, as this node knows them; the internal token goes only to those whose record verifies. */
export class Peers {
  readonly #deps: PeersDeps
  readonly #known = new Map<string, Known>()

  constructor(deps: PeersDeps) {
    this.#deps = deps
  }

  get size(): number {
    return this.#known.size
  }

  /**
   * Reads the members anew. One that is missing is kept for a lease: a table that lost its contents is when the others
   * are needed, and they are not all back in it yet.
   * @throws RoutingTableUnavailable; the former ones are kept then.
   */
  async refresh(): Promise<void> {
    const { members } = await this.#deps.table.members()
    const verified = await Promise.all(members.map(member => this.#deps.signer.verify(member)))
    const now = this.#deps.clock.monotonic()
    for (const known of this.#known.values()) known.missingSince ??= now
    for (const [index, member] of members.entries())
      if (verified[index] && member.id !== this.#deps.nodeId)
        this.#known.set(member.id, { member, missingSince: undefined })
    for (const [id, { missingSince }] of this.#known)
      if (missingSince !== undefined && now - missingSince >= this.#deps.settings.leaseMs)
        this.#known.delete(id)
  }

  /**
   * Whether another node says that it holds an instance. Nodes that do not answer are taken for a no: if one of them
   * holds it, the higher token decides later and the other is closed.
   */
  async holds(ref: InstanceRef): Promise<boolean> {
    const { probeInstance, settings } = this.#deps
    const limits = { timeoutMs: settings.peerTimeoutMs }
    const answers = await Promise.all(
      [...this.#known.values()].map(({ member }) => probeInstance(member.internalUrl, ref, limits)),
    )
    return answers.includes('held')
  }

  /**
   * Whether this node itself sees that the holder of a placement is dead: its record is gone, or its own socket says
   * so. False when that cannot be said.
   */
  async confirmDeath({ node, incarnation }: Holding): Promise<boolean> {
    const { members } = await this.#deps.table.members()
    const owner = members.find(member => member.id === node)
    if (!owner || owner.incarnation !== incarnation) return true
    return (await this.#deps.signer.verify(owner)) && this.checkDeath(owner)
  }

  /** Asks a process for its identity, for a gateway that wants a second view. */
  checkDeath(expected: { id: string; incarnation: string; internalUrl: string }): Promise<boolean> {
    const { probeIdentity, settings } = this.#deps
    return deathProved(expected, {
      refusedIsDead: settings.refusedIsDead,
      timeoutMs: settings.peerTimeoutMs,
      probe: probeIdentity,
    })
  }
}
