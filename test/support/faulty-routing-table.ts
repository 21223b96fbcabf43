import {
  type ClaimRequest,
  type ClaimResult,
  type Found,
  type GoneReason,
  type Holding,
  type Member,
  type MemberList,
  type Placement,
  type Reassertion,
  type Renewal,
  type RoutingTable,
  RoutingTableUnavailable,
  type Sent,
} from '../../shared/routing/routing-table.ts'

type Operation =
  | 'renew'
  | 'leave'
  | 'members'
  | 'find'
  | 'claim'
  | 'release'
  | 'update'
  | 'handBack'
  | 'reassert'

/**
 * A node's way to a routing table, with the faults of a network between them: the table cannot be reached, an answer
 * is lost, or a request arrives only after its sender gave up.
 */
export class FaultyRoutingTable implements RoutingTable {
  readonly #table: RoutingTable
  readonly #listeners = new Set<() => void>()
  readonly #late: (() => Promise<unknown>)[] = []
  #down = false
  #loseAnswersOf: Operation | undefined
  #delayed: Operation | undefined
  #held: { operation: Operation; until: Promise<void> } | undefined
  #heldAnswers: { operation: Operation; until: Promise<void> } | undefined
  /** How often each operation was asked for. */
  readonly calls = new Map<Operation, number>()

  constructor(table: RoutingTable) {
    this.#table = table
    table.onReturn(() => this.#tellReturn())
  }

  /** From now on every request fails without reaching the table. */
  cut(): void {
    this.#down = true
  }

  /** The table can be reached again; listeners are told, as by an adapter that sees its connection come back. */
  mend(): void {
    this.#down = false
    this.#tellReturn()
  }

  /** Requests of this operation are carried out, and their answers do not come back; undefined ends it. */
  loseAnswersOf(operation: Operation | undefined): void {
    this.#loseAnswersOf = operation
  }

  /** Requests of this operation fail, and are carried out at `deliverLate`; undefined ends it. */
  delay(operation: Operation | undefined): void {
    this.#delayed = operation
  }

  /** Requests of this operation wait, and fail as `until` does without having reached the table; undefined ends it. */
  hold(operation: Operation, until: Promise<void> | undefined): void {
    this.#held = until && { operation, until }
  }

  /** Requests of this operation are carried out, and their answers wait; undefined ends it. */
  holdAnswersOf(operation: Operation, until: Promise<void> | undefined): void {
    this.#heldAnswers = until && { operation, until }
  }

  async deliverLate(): Promise<unknown[]> {
    return Promise.all(this.#late.splice(0).map(request => request()))
  }

  renew(member: Member, leaseMs: number, session?: number): Promise<Renewal> {
    return this.#pass('renew', () => this.#table.renew(member, leaseMs, session))
  }

  leave(nodeId: string, incarnation: string): Promise<void> {
    return this.#pass('leave', () => this.#table.leave(nodeId, incarnation))
  }

  members(): Promise<MemberList> {
    return this.#pass('members', () => this.#table.members())
  }

  find(key: string): Promise<Found> {
    return this.#pass('find', () => this.#table.find(key))
  }

  claim(request: ClaimRequest): Promise<ClaimResult> {
    return this.#pass('claim', () => this.#table.claim(request))
  }

  release(key: string, held: Holding, reason: GoneReason, tombstoneMs: number): Promise<boolean> {
    return this.#pass('release', () => this.#table.release(key, held, reason, tombstoneMs))
  }

  update(key: string, held: Holding, change: { expiresAt?: number; spec?: string }): Promise<boolean> {
    return this.#pass('update', () => this.#table.update(key, held, change))
  }

  handBack(key: string, held: Holding, change: { expiresAt: number; spec: string }): Promise<boolean> {
    return this.#pass('handBack', () => this.#table.handBack(key, held, change))
  }

  reassert(placements: readonly Placement[], sent?: Sent): Promise<Reassertion> {
    return this.#pass('reassert', () => this.#table.reassert(placements, sent))
  }

  retire(nodeId: string, incarnation: string, markMs: number): Promise<void> {
    return this.#pass(undefined, () => this.#table.retire(nodeId, incarnation, markMs))
  }

  list(filter: { node?: string; group?: string; bucket?: number }, limit: number): Promise<Placement[]> {
    return this.#pass(undefined, () => this.#table.list(filter, limit))
  }

  orphans(bucket: number, limit: number): Promise<Placement[]> {
    return this.#pass(undefined, () => this.#table.orphans(bucket, limit))
  }

  removeOrphan(orphan: Placement, tombstoneMs: number): Promise<boolean> {
    return this.#pass(undefined, () => this.#table.removeOrphan(orphan, tombstoneMs))
  }

  ping(): Promise<void> {
    return this.#pass(undefined, () => this.#table.ping())
  }

  onReturn(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  async stop(): Promise<void> {}

  async #pass<Result>(operation: Operation | undefined, request: () => Promise<Result>): Promise<Result> {
    if (operation) this.calls.set(operation, (this.calls.get(operation) ?? 0) + 1)
    if (this.#down) throw new RoutingTableUnavailable('cut off')
    if (operation !== undefined && operation === this.#held?.operation) await this.#held.until
    if (operation !== undefined && operation === this.#delayed) {
      this.#late.push(request)
      throw new RoutingTableUnavailable('no answer in time; it is still on its way')
    }
    const result = await request()
    if (operation !== undefined && operation === this.#heldAnswers?.operation) await this.#heldAnswers.until
    if (operation !== undefined && operation === this.#loseAnswersOf)
      throw new RoutingTableUnavailable('no answer in time; it was carried out')
    return result
  }

  #tellReturn(): void {
    for (const listener of this.#listeners) listener()
  }
}
