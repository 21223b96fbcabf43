import type { Clock } from '../clock.ts'
import { bucketOf } from './buckets.ts'
import {
  type ClaimRequest,
  type ClaimResult,
  type Found,
  type GoneReason,
  type Holding,
  type Member,
  type MemberList,
  nobody,
  type Placement,
  type Reassertion,
  type Refused,
  type Renewal,
  type RoutingTable,
  type Sent,
  sameHolding,
} from './routing-table.ts'

interface StoredMember {
  readonly member: Member
  readonly session: number
  /** On the monotonic clock. */
  readonly leaseUntil: number
}

interface Tombstone {
  readonly gone: GoneReason
  readonly token: number
  readonly until: number
}

/**
 * The routing table of one process: shared by the gateway and the nodes that run in it, and by a node that stands
 * alone. Each method runs to its end without waiting in between, which makes it as atomic as a script in Redis.
 */
export class MemoryRoutingTable implements RoutingTable {
  readonly #clock: Clock
  readonly #members = new Map<string, StoredMember>()
  readonly #placements = new Map<string, Placement>()
  readonly #tombstones = new Map<string, Tombstone>()
  /** Incarnations that were declared dead, with the end of the mark. */
  readonly #dead = new Map<string, number>()
  /** Incarnations that lost a placement to a higher token, until their next renewal. */
  readonly #overruled = new Set<string>()
  readonly #listeners = new Set<() => void>()
  /** The process's clock has ms only: two claims of one ms, with a loss between them, must still differ. */
  #lastToken = 0
  #birth = crypto.randomUUID()
  #cleanAt = cleanStep

  constructor(deps: { readonly clock: Clock }) {
    this.#clock = deps.clock
  }

  async renew(member: Member, leaseMs: number, session = 0): Promise<Renewal> {
    if (this.#isDead(member.incarnation)) return { outcome: 'fenced' }
    const present = this.#liveMember(member.id)
    if (present && present.member.incarnation !== member.incarnation)
      return { outcome: 'taken', by: present.member }
    const newest = Math.max(session, present?.session ?? 0)
    this.#members.set(member.id, { member, session: newest, leaseUntil: this.#clock.monotonic() + leaseMs })
    const overruled = this.#overruled.delete(member.incarnation)
    return { outcome: 'renewed', birth: this.#birth, lapsed: overruled || present === undefined }
  }

  async leave(nodeId: string, incarnation: string): Promise<void> {
    if (this.#members.get(nodeId)?.member.incarnation === incarnation) this.#members.delete(nodeId)
  }

  async members(): Promise<MemberList> {
    const members: Member[] = []
    for (const id of [...this.#members.keys()]) {
      const live = this.#liveMember(id)
      if (live) members.push(live.member)
      else this.#members.delete(id)
    }
    return { members, birth: this.#birth }
  }

  async find(key: string): Promise<Found> {
    const placement = this.#placements.get(key)
    if (placement) return { placement, ownerAlive: this.#ownerAlive(placement) }
    return { placement: undefined, gone: this.#tombstone(key)?.gone }
  }

  async claim(request: ClaimRequest): Promise<ClaimResult> {
    const { key, node, incarnation, replaces, deathProved } = request
    if (this.#isFenced(request)) return { outcome: 'fenced' }
    const refused = this.#refused(node, request)
    if (refused) return refused
    const present = this.#placements.get(key)
    if (present) {
      const ownerAlive = this.#ownerAlive(present)
      const expected = replaces !== undefined && sameHolding(present, replaces)
      const own = present.node === node && present.incarnation === incarnation
      const proved = deathProved !== false && !own
      if (!expected || (ownerAlive && !own && !proved))
        return { outcome: 'held', placement: present, ownerAlive }
      if (proved) this.#retire(present.node, present.incarnation, deathProved.markMs)
    }
    const previous = present?.token ?? this.#tombstone(key)?.token ?? 0
    const token = this.#nextToken(previous)
    const { expiresAt, failover, spec } = request
    this.#tombstones.delete(key)
    this.#placements.set(key, { key, node, incarnation, token, expiresAt, failover, spec })
    return { outcome: 'claimed', token, replaced: present }
  }

  async release(key: string, held: Holding, reason: GoneReason, tombstoneMs: number): Promise<boolean> {
    const present = this.#placements.get(key)
    if (present) {
      const own = present.node === held.node && present.incarnation === held.incarnation
      if (!own || present.token > held.token) return false
    }
    this.#bury(key, held.token, reason, tombstoneMs)
    return true
  }

  async update(key: string, held: Holding, change: { expiresAt?: number; spec?: string }): Promise<boolean> {
    const present = this.#placements.get(key)
    if (!present || !sameHolding(present, held) || this.#isDead(held.incarnation)) return false
    this.#placements.set(key, { ...present, ...change })
    return true
  }

  async handBack(key: string, held: Holding, change: { expiresAt: number; spec: string }): Promise<boolean> {
    const present = this.#placements.get(key)
    if (!present || !sameHolding(present, held) || this.#isDead(held.incarnation)) return false
    const token = this.#nextToken(present.token)
    this.#placements.set(key, { ...present, ...change, incarnation: nobody, token })
    return true
  }

  async reassert(placements: readonly Placement[], sent: Sent = {}): Promise<Reassertion> {
    const lost: string[] = []
    const tokens = new Map<string, number>()
    for (const placement of placements) {
      if (this.#isFenced(placement)) return { outcome: 'fenced' }
      const refused = this.#refused(placement.node, sent)
      if (refused) return refused
      const token = this.#reassert(placement)
      if (token === undefined) lost.push(placement.key)
      else tokens.set(placement.key, token)
    }
    return { outcome: 'asserted', lost, tokens }
  }

  #reassert(placement: Placement): number | undefined {
    const { key, node, incarnation, token } = placement
    const present = this.#placements.get(key)
    if (present && present.token >= token) {
      if (present.node !== node || present.incarnation !== incarnation) return undefined
      if (present.token > token) return present.token
    }
    if (!present && (this.#tombstone(key)?.token ?? 0) >= token) return undefined
    if (present && present.incarnation !== incarnation && this.#ownerAlive(present))
      this.#overruled.add(present.incarnation)
    this.#tombstones.delete(key)
    this.#placements.set(key, placement)
    return token
  }

  async retire(nodeId: string, incarnation: string, markMs: number): Promise<void> {
    this.#retire(nodeId, incarnation, markMs)
  }

  async list(
    filter: { node?: string; group?: string; bucket?: number },
    limit: number,
  ): Promise<Placement[]> {
    const prefix = filter.group === undefined ? '' : `${encodeURIComponent(filter.group)}/`
    return this.#placements
      .values()
      .filter(({ key, node }) => key.startsWith(prefix) && (filter.node ?? node) === node)
      .filter(({ key }) => filter.bucket === undefined || filter.bucket === bucketOf(key))
      .take(limit)
      .toArray()
  }

  async orphans(bucket: number, limit: number): Promise<Placement[]> {
    this.#clean()
    return this.#placements
      .values()
      .filter(placement => bucketOf(placement.key) === bucket && !this.#ownerAlive(placement))
      .take(limit)
      .toArray()
  }

  async removeOrphan(orphan: Placement, tombstoneMs: number): Promise<boolean> {
    const present = this.#placements.get(orphan.key)
    if (!present || !sameHolding(present, orphan) || this.#ownerAlive(present)) return false
    this.#bury(orphan.key, orphan.token, 'owner-lost', tombstoneMs)
    return true
  }

  async ping(): Promise<void> {}

  onReturn(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** Nothing to stop: the memory goes with the process, and others may share it. */
  async stop(): Promise<void> {}

  /** Forgets everything, as a Redis does that comes back empty, and tells the listeners. */
  clear(): void {
    for (const map of [this.#members, this.#placements, this.#tombstones, this.#dead]) map.clear()
    this.#overruled.clear()
    this.#birth = crypto.randomUUID()
    for (const listener of this.#listeners) listener()
  }

  /**
   * Keeps the contents of now; what is returned puts them back, as a fail-over does to a replica that had not yet got
   * the last writes: the birth id stays, and the listeners are told.
   */
  keep(): () => void {
    const maps: Map<string, unknown>[] = [this.#members, this.#placements, this.#tombstones, this.#dead]
    const kept = maps.map(map => [...map])
    const overruled = [...this.#overruled]
    const birth = this.#birth
    return () => {
      for (const [index, map] of maps.entries()) {
        map.clear()
        for (const [key, value] of kept[index] ?? []) map.set(key, value)
      }
      this.#overruled.clear()
      for (const incarnation of overruled) this.#overruled.add(incarnation)
      this.#birth = birth
      for (const listener of this.#listeners) listener()
    }
  }

  #nextToken(previous: number): number {
    this.#lastToken = Math.max(previous + 1, this.#lastToken + 1, Math.floor(this.#clock.now() * 1000))
    return this.#lastToken
  }

  #liveMember(nodeId: string): StoredMember | undefined {
    const stored = this.#members.get(nodeId)
    return stored && this.#clock.monotonic() < stored.leaseUntil ? stored : undefined
  }

  #ownerAlive({ node, incarnation }: Holding): boolean {
    return this.#liveMember(node)?.member.incarnation === incarnation
  }

  /** Whether an incarnation may no longer hold anything: declared dead, or its id is another's by now. */
  #isFenced({ node, incarnation }: { readonly node: string; readonly incarnation: string }): boolean {
    if (this.#isDead(incarnation)) return true
    const member = this.#liveMember(node)?.member
    return member !== undefined && member.incarnation !== incarnation
  }

  /** Why a request is not carried out, if so. */
  #refused(node: string, { session = 0, birth }: Sent): Refused | undefined {
    const live = this.#liveMember(node)
    if (!live) return { outcome: 'unregistered' }
    if (live.session > session) return { outcome: 'late' }
    if (birth !== undefined && birth !== this.#birth) return { outcome: 'reborn', birth: this.#birth }
    return undefined
  }

  #isDead(incarnation: string): boolean {
    return this.#clock.monotonic() < (this.#dead.get(incarnation) ?? 0)
  }

  #retire(nodeId: string, incarnation: string, markMs: number): void {
    if (this.#members.get(nodeId)?.member.incarnation === incarnation) this.#members.delete(nodeId)
    this.#dead.set(incarnation, this.#clock.monotonic() + markMs)
  }

  #tombstone(key: string): Tombstone | undefined {
    const tombstone = this.#tombstones.get(key)
    return tombstone && this.#clock.monotonic() < tombstone.until ? tombstone : undefined
  }

  #bury(key: string, token: number, gone: GoneReason, tombstoneMs: number): void {
    this.#placements.delete(key)
    const highest = Math.max(token, this.#tombstone(key)?.token ?? 0)
    this.#tombstones.set(key, { gone, token: highest, until: this.#clock.monotonic() + tombstoneMs })
    if (this.#tombstones.size >= this.#cleanAt) this.#clean()
  }

  /** Drops what has run out. Between two runs the tombstones at most double, so each costs O(1) on average. */
  #clean(): void {
    const now = this.#clock.monotonic()
    for (const [key, { until }] of this.#tombstones) if (until <= now) this.#tombstones.delete(key)
    for (const [incarnation, until] of this.#dead) if (until <= now) this.#dead.delete(incarnation)
    const alive = new Set(this.#members.values().map(({ member }) => member.incarnation))
    for (const incarnation of this.#overruled)
      if (!alive.has(incarnation)) this.#overruled.delete(incarnation)
    this.#cleanAt = Math.max(cleanStep, this.#tombstones.size * 2)
  }
}

const cleanStep = 1000
