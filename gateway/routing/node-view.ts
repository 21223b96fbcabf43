import type { Clock, Timer } from '../../shared/clock.ts'
import type { Stoppable } from '../../shared/lifecycle.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import type { Member, MemberList, RoutingTable } from '../../shared/routing/routing-table.ts'
import type { GatewayMeter } from '../metrics.ts'
import { memberProblem } from './member-check.ts'

/** A proxy node as this gateway knows it. */
export interface KnownNode {
  readonly id: string
  /** undefined: known only from the setting `nodes`, which names no incarnation. */
  readonly incarnation: string | undefined
  /** Where requests go, `http://host:port`. */
  readonly url: string
  /** The process's own socket, for questions about its identity. */
  readonly internalUrl: string
  readonly zone: string
  readonly draining: boolean
  readonly instances: number
  readonly instancesMax: number
  /** What becomes of its instances when it dies; undefined: known only from the setting `nodes`, and nobody told. */
  readonly failover: Member['failover'] | undefined
}

export interface NodeViewOptions {
  /** undefined: there is no routing table, and `staticNodes` are all. */
  readonly table: RoutingTable | undefined
  /** id and url of the setting `nodes`. */
  readonly staticNodes: ReadonlyMap<string, string>
  /** Hosts that members may have; empty: any. */
  readonly allowed: readonly string[]
  /** Whether a member record was signed with the internal token; always true without one. */
  readonly verify: (member: Member) => Promise<boolean>
  readonly refreshMs: number
  readonly leaseMs: number
  readonly clock: Clock
  readonly log: Logger
  readonly meter: GatewayMeter
}

/** How many leases a proved death is remembered: as long as the table's own mark. */
const deathMarkLeases = 10

/**
 * The proxy nodes: the members of the routing table, read each second, and the static list. While the table is away
 * the last members stay. After it was away they stay for one more lease, whether listed or not: a table that came
 * back empty must not make every consumer look lost before its node could register again.
 */
export class NodeView implements Stoppable {
  readonly #options: NodeViewOptions
  #members = new Map<string, KnownNode>()
  readonly #static: readonly KnownNode[]
  /** Incarnations whose death was proved here, until when that is remembered. */
  readonly #dead = new Map<string, number>()
  #verdicts = new Map<string, Promise<string | undefined>>()
  readonly #droppedListeners: ((node: KnownNode) => void)[] = []
  readonly #refreshedListeners: (() => void)[] = []
  #birth: string | undefined
  #readAt: number | undefined
  #away = true
  #graceUntil = 0
  #reading: Promise<void> | undefined
  #timer: Timer | undefined
  #stopped = false
  readonly #forgetReturn: () => void

  constructor(options: NodeViewOptions) {
    this.#options = options
    this.#static = [...options.staticNodes].map(([id, url]) => staticNode(id, url))
    this.#forgetReturn = options.table?.onReturn(() => this.#onReturn()) ?? (() => {})
  }

  /** Reads the members for the first time, and from then on each interval. Never rejects. */
  async start(): Promise<void> {
    await this.refresh()
    this.#schedule()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    this.#forgetReturn()
    await this.#reading
  }

  /** All nodes that may be asked: not proved dead, whatever their state. */
  nodes(): readonly KnownNode[] {
    const members = [...this.#members.values()].filter(node => !this.isDead(node.incarnation))
    if (this.settled && members.length > 0) return members
    // Without a table that can be believed, or with an empty one, the static list is better than nothing.
    return [...members, ...this.#static.filter(({ id }) => !this.#members.has(id))]
  }

  /** Whether somebody says that the node is there: the table, or the static list while the table cannot be read. */
  isVouchedFor({ incarnation }: KnownNode): boolean {
    return incarnation !== undefined || this.#away
  }

  /** Members whose death was proved and that are in the table as it was last read. */
  deadMembers(): readonly KnownNode[] {
    return [...this.#members.values()].filter(node => this.isDead(node.incarnation))
  }

  find(id: string): KnownNode | undefined {
    return this.nodes().find(node => node.id === id)
  }

  /** The node, if it is still that incarnation as far as this gateway knows. */
  holder({ node, incarnation }: { node: string; incarnation: string | undefined }): KnownNode | undefined {
    const found = this.find(node)
    return found?.incarnation === incarnation ? found : undefined
  }

  /**
   * Whether an absence in the table means what it says: the table can be read, and no lease has yet to pass since
   * it could not, or since it lost its data.
   */
  get settled(): boolean {
    return !this.#away && this.#options.clock.monotonic() >= this.#graceUntil
  }

  /** Ms since the members were last read; undefined: never. */
  get ageMs(): number | undefined {
    return this.#readAt === undefined ? undefined : this.#options.clock.monotonic() - this.#readAt
  }

  isDead(incarnation: string | undefined): boolean {
    if (incarnation === undefined) return false
    return this.#options.clock.monotonic() < (this.#dead.get(incarnation) ?? 0)
  }

  /** Notes that the death of an incarnation was proved: it is no longer among the nodes. */
  markDead(incarnation: string): void {
    const { clock, leaseMs } = this.#options
    for (const [old, until] of this.#dead) if (until <= clock.monotonic()) this.#dead.delete(old)
    this.#dead.set(incarnation, clock.monotonic() + deathMarkLeases * leaseMs)
    for (const node of this.#members.values()) if (node.incarnation === incarnation) this.#tellDropped(node)
  }

  /** Called for a node that is gone without having drained: what waits for it waits in vain. */
  onDropped(listener: (node: KnownNode) => void): void {
    this.#droppedListeners.push(listener)
  }

  /** Called after each try to read the members. */
  onRefreshed(listener: () => void): void {
    this.#refreshedListeners.push(listener)
  }

  /** Reads the members now; concurrent calls share one read. Never rejects. */
  refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #read(): Promise<void> {
    const { table, log, meter } = this.#options
    try {
      if (table) await this.#absorb(await table.members())
    } catch (error) {
      meter.count('kafka_rest_gateway_table_errors_total', { operation: 'members' })
      if (!this.#away)
        log.warn({ err: error }, 'the routing table cannot be read; going on with what is known')
      this.#away = true
    }
    for (const listener of this.#refreshedListeners) listener()
  }

  async #absorb({ members, birth }: MemberList): Promise<void> {
    const { clock, leaseMs, log } = this.#options
    const now = clock.monotonic()
    if (this.#away || birth !== this.#birth) {
      this.#graceUntil = now + leaseMs
      log.info({ members: members.length, birth }, 'the routing table is read')
    }
    this.#away = false
    this.#birth = birth
    this.#readAt = now
    const next = new Map<string, KnownNode>()
    for (const member of await this.#believed(members)) next.set(member.id, knownNode(member))
    for (const [id, node] of this.#members) {
      const successor = next.get(id)
      if (successor?.incarnation === node.incarnation) continue
      if (successor === undefined && now < this.#graceUntil && !this.isDead(node.incarnation))
        next.set(id, node)
      else if (!node.draining) this.#tellDropped(node)
    }
    this.#members = next
  }

  /** The records that are well-formed, allowed and signed. Each different record is judged, and counted, once. */
  async #believed(members: readonly Member[]): Promise<Member[]> {
    const verdicts = new Map<string, Promise<string | undefined>>()
    const believed: Member[] = []
    for (const member of members) {
      const { id, incarnation, url, internalUrl, signature } = member
      const record = JSON.stringify([id, incarnation, url, internalUrl, signature])
      const verdict = this.#verdicts.get(record) ?? this.#judge(member)
      verdicts.set(record, verdict)
      if ((await verdict) === undefined) believed.push(member)
    }
    this.#verdicts = verdicts
    return believed
  }

  async #judge(member: Member): Promise<string | undefined> {
    const { allowed, verify, log, meter } = this.#options
    const problem =
      memberProblem(member, allowed) ?? ((await verify(member)) ? undefined : ('signature' as const))
    if (problem !== undefined) {
      meter.count('kafka_rest_gateway_members_skipped_total', { reason: problem })
      log.warn({ node: member.id, url: member.url, problem }, 'a member record is not believed')
    }
    return problem
  }

  /** The table is back, perhaps without its data: the grace starts before any of it is believed. */
  #onReturn(): void {
    this.#graceUntil = this.#options.clock.monotonic() + this.#options.leaseMs
    void this.refresh()
  }

  #schedule(): void {
    if (this.#stopped) return
    this.#timer = this.#options.clock.after(this.#options.refreshMs, () => {
      void this.refresh().then(() => this.#schedule())
    })
  }

  #tellDropped(node: KnownNode): void {
    for (const listener of this.#droppedListeners) listener(node)
  }
}

function knownNode(member: Member): KnownNode {
  const { id, incarnation, zone, instances, instancesMax, failover } = member
  return {
    id,
    incarnation,
    url: new URL(member.url).origin,
    internalUrl: new URL(member.internalUrl).origin,
    zone,
    draining: member.state === 'draining',
    instances,
    instancesMax,
    failover,
  }
}

function staticNode(id: string, url: string): KnownNode {
  const origin = new URL(url).origin
  return {
    id,
    incarnation: undefined,
    url: origin,
    internalUrl: origin,
    zone: '',
    draining: false,
    instances: 0,
    instancesMax: Number.POSITIVE_INFINITY,
    failover: undefined,
  }
}
