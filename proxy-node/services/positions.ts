import type { TopicPartition } from '../ports/kafka-cluster.ts'
import type { CommittedOffset, GroupMember } from '../ports/kafka-consumer.ts'
import type { CommittedThen, RecordedPosition } from './recorded-positions.ts'

/**
 * Where a position that is not known yet comes from: the committed offset (which falls back to the reset policy), the
 * reset policy, or an end of the partition that the client asked for.
 */
export type PositionTarget = 'committed' | 'reset' | 'earliest' | 'latest'

/** A partition whose position is to be found, and the version that the finding is good for. */
export interface UnresolvedPosition extends TopicPartition {
  readonly version: number
  readonly target: PositionTarget
}

/** A partition that can be read, from where on, and the version that hand-outs must name. */
export interface ReadablePosition extends TopicPartition {
  readonly version: number
  readonly offset: bigint
}

/** An offset to commit under the identity that the records were handed out with. */
export interface PendingCommit extends CommittedOffset {
  readonly member: GroupMember | undefined
}

interface Entry extends TopicPartition {
  readonly member: GroupMember | undefined
  /** Moves with every change of the position that is no hand-out: what was fetched before is void. */
  version: number
  /** Set while `position` is not. */
  target: PositionTarget | undefined
  position: bigint | undefined
  /** Where the last read began, until it is confirmed or put back. */
  start: bigint | undefined
  /** Up to where the client has confirmed; what auto-commit covers. */
  confirmed: bigint | undefined
  /** The confirmed position that needs no auto-commit (any more). */
  clean: bigint | undefined
  /** Whether records of this partition were handed out under `member`. */
  handedOut: boolean
  /** What the group has committed, as far as it is known here. */
  committed: CommittedThen
  /**
   * Whether the client may have got what comes next already: the position was put back, or comes from an earlier holder
   * or generation, and nothing was handed out since.
   */
  repeats: boolean
  /** When it was last handed out, counted in hand-outs of this instance. */
  served: number
}

/**
 * The positions of one consumer instance: a pure state machine. Each partition's position is resolved, then moves by
 * being handed out; a later request confirms what was handed out, or a failed delivery puts it back. At-least-once:
 * only confirmed positions are committed, and what is in doubt is handed out again.
 *
 * A position belongs to one assignment: after a rebalance every entry is new, and a hand-out, a resolution or a
 * put-back that was begun for an older one finds another version and is dropped. Walked through: a read fetches
 * under generation 5; the rebalance to 6 revokes and assigns the same partition again, resolved to the committed
 * offset; the read's records arrive and name version 5's number: they are not handed out, and the next fetch asks at
 * the new position.
 */
export class Positions {
  #entries = new Map<string, Entry>()
  /** Identities under which partitions of earlier generations were handed out, for explicit commits that come late. */
  readonly #departed = new Map<string, GroupMember>()
  #versions = 0
  #served = 0
  /** Where an earlier holder of the instance was, until the partitions are assigned here. */
  #recorded = new Map<string, RecordedPosition>()

  /** Takes what an earlier holder of the instance recorded; it counts for the partitions that are assigned next. */
  goOnFrom(recorded: ReadonlyMap<string, RecordedPosition>): void {
    this.#recorded = new Map(recorded)
  }

  /** Partitions that are assigned now. */
  get partitions(): TopicPartition[] {
    return [...this.#entries.values()].map(({ topic, partition }) => ({ topic, partition }))
  }

  isAssigned(partition: TopicPartition): boolean {
    return this.#entries.has(keyOf(partition))
  }

  /** Takes the assignment of a new group generation: nothing of an older one is kept. */
  assignGeneration(partitions: readonly TopicPartition[], member: GroupMember): void {
    this.revoke()
    this.#entries = new Map(partitions.map(partition => [keyOf(partition), this.#entry(partition, member)]))
  }

  /** Takes a manual assignment: partitions that stay keep their positions, as in Java's `assign`. */
  assignManually(partitions: readonly TopicPartition[]): void {
    const kept = this.#entries
    this.#entries = new Map(
      partitions.map(partition => {
        const key = keyOf(partition)
        return [key, kept.get(key) ?? this.#entry(partition, undefined)]
      }),
    )
  }

  /** Gives all partitions up, but remembers under which identity each was handed out. */
  revoke(): void {
    if (this.#entries.size > 0) this.#recorded = new Map()
    for (const [key, { handedOut, member }] of this.#entries) {
      if (handedOut && member !== undefined) this.#departed.set(key, member)
    }
    this.#entries = new Map()
  }

  /** Forgets everything: the instance is neither subscribed nor assigned any more. */
  clear(): void {
    this.#recorded = new Map()
    this.#entries = new Map()
    this.#departed.clear()
  }

  /** Partitions whose positions have to be found. */
  unresolved(): UnresolvedPosition[] {
    const found: UnresolvedPosition[] = []
    for (const { topic, partition, version, target } of this.#entries.values()) {
      if (target !== undefined) found.push({ topic, partition, version, target })
    }
    return found
  }

  /**
   * Sets a position that was looked up. Dropped when the partition was revoked, sought or put back meanwhile.
   * @param committed whether it is the committed offset itself, which need not be committed again.
   */
  resolve(asked: UnresolvedPosition, offset: bigint, committed: boolean): void {
    const entry = this.#current(asked)
    if (entry?.target === undefined) return
    entry.target = undefined
    entry.position = offset
    entry.confirmed = offset
    entry.clean = committed ? offset : undefined
    if (committed) entry.committed = offset
  }

  /**
   * Sets a position to where an earlier holder of the instance was, if nothing was committed since: else the commit is
   * newer than the record. Not the larger of both, which would undo a client's seek back; and not the commit alone,
   * since without one an instance that began at the end would pass over what came in between.
   * @param committed what the group has committed now; undefined for nothing.
   * @returns false when there is no such record: the position is still to be found.
   */
  resume(asked: UnresolvedPosition, committed: bigint | undefined): boolean {
    const entry = this.#current(asked)
    if (entry?.target !== 'committed') return true
    entry.committed = committed ?? 'none'
    const key = keyOf(asked)
    const recorded = this.#recorded.get(key)
    this.#recorded.delete(key)
    if (recorded === undefined) return false
    if (recorded.committed !== 'unknown' && recorded.committed !== entry.committed) return false
    const { position, start, clean } = recorded
    if (typeof position === 'string') this.#unset(entry, position)
    else {
      entry.target = undefined
      entry.position = position
      entry.start = start
      entry.confirmed = start ?? position
      entry.clean = clean ? entry.confirmed : committed
      entry.handedOut = start !== undefined
      // Before the commit: the client sought back, and wants all from there on.
      entry.repeats = start === undefined && !(committed !== undefined && position < committed)
    }
    return true
  }

  /**
   * Where the partitions stand, for whoever takes the instance over. After a crash nobody can tell what became of the
   * last read: `confirmed` leaves it out, so that it is handed out again. `exact` keeps it.
   */
  record(which: 'confirmed' | 'exact'): RecordedPosition[] {
    const found: RecordedPosition[] = []
    for (const entry of this.#entries.values()) {
      const recorded = recordOf(entry, which) ?? this.#recordedBefore(entry, which)
      if (recorded !== undefined) found.push(recorded)
    }
    // Nothing is assigned here yet.
    if (this.#entries.size === 0)
      for (const recorded of this.#recorded.values()) found.push(recordedAs(recorded, which))
    return found
  }

  #recordedBefore(partition: TopicPartition, which: 'confirmed' | 'exact'): RecordedPosition | undefined {
    const recorded = this.#recorded.get(keyOf(partition))
    return recorded && recordedAs(recorded, which)
  }

  /** What can be fetched now. Who was served last comes last, since a fetch has not always room for all. */
  readable(): ReadablePosition[] {
    const found: ReadablePosition[] = []
    for (const entry of [...this.#entries.values()].sort((a, b) => a.served - b.served)) {
      const { topic, partition, version, position } = entry
      if (position !== undefined) found.push({ topic, partition, version, offset: position })
    }
    return found
  }

  /** Whether records that were fetched under this version may still be handed out. */
  isCurrent(position: TopicPartition & { readonly version: number }): boolean {
    return this.#current(position) !== undefined
  }

  /**
   * Moves a position because the records before `next` are being written to the client.
   * @returns false when the position has changed since the fetch: the records must not be written.
   */
  handOut(asked: TopicPartition & { readonly version: number }, next: bigint): boolean {
    const entry = this.#current(asked)
    if (entry === undefined || entry.position === undefined || next < entry.position) return false
    entry.start ??= entry.position
    if (next > entry.position) entry.served = ++this.#served
    entry.position = next
    entry.repeats = false
    if (!entry.handedOut) {
      entry.handedOut = true
      this.#departed.delete(keyOf(entry))
    }
    return true
  }

  /** The client has what was handed out. */
  confirm(): void {
    for (const entry of this.#entries.values()) {
      entry.start = undefined
      entry.confirmed = entry.position
    }
  }

  /** The client has not got what was handed out since the last confirmation: it will be handed out again. */
  putBack(): void {
    for (const entry of this.#entries.values()) {
      if (entry.start === undefined) continue
      entry.position = entry.start
      entry.target = undefined
      entry.start = undefined
      entry.repeats = true
      entry.version = ++this.#versions
    }
  }

  /** Moves an assigned partition's position to `offset`. The caller has checked that it is assigned. */
  seek(partition: TopicPartition, offset: bigint): void {
    const entry = this.#entries.get(keyOf(partition))
    if (entry === undefined) return
    entry.version = ++this.#versions
    entry.target = undefined
    entry.start = undefined
    entry.repeats = false
    entry.position = offset
    entry.confirmed = offset
  }

  /** Moves an assigned partition to the beginning or the end, which is looked up later. */
  seekTo(partition: TopicPartition, target: 'earliest' | 'latest'): void {
    const entry = this.#entries.get(keyOf(partition))
    if (entry === undefined) return
    this.#unset(entry, target)
    entry.start = undefined
    entry.repeats = false
  }

  /**
   * The broker does not hold the position's offset: it has to be found anew by the reset policy. Dropped when the
   * position has changed since the fetch. The start of a read that is under way is kept: it can still be put back.
   */
  reset(asked: ReadablePosition): void {
    const entry = this.#current(asked)
    if (entry !== undefined) this.#unset(entry, 'reset')
  }

  /** What auto-commit has to write: confirmed positions that differ from what was written last. */
  uncommitted(): PendingCommit[] {
    return this.#commits(entry => entry.confirmed !== entry.clean)
  }

  /** What a commit without a body writes: every confirmed position. */
  confirmed(): PendingCommit[] {
    return this.#commits(() => true)
  }

  /** A commit of these was accepted. */
  committed(commits: readonly PendingCommit[]): void {
    for (const { topic, partition, offset, member } of commits) {
      const entry = this.#entries.get(keyOf({ topic, partition }))
      if (entry === undefined || !sameMember(entry.member, member)) continue
      entry.clean = offset
      entry.committed = offset
    }
  }

  /**
   * The client committed an offset of its own choice: auto-commit leaves it alone until the confirmed position
   * moves on, so that a commit back is not undone.
   *
   * A commit moves no position, but for one that repeats what the client may have: it got a read through a gateway that
   * died, or from a node that died, so that nobody knows of it and the position was put back; its commit tells that it
   * has the records, and they are not handed out again. (Java's consumer, too, begins at a commit before its first poll.)
   * @param partition with the offset that was committed, which is the next to be read.
   */
  committedByClient(partition: TopicPartition & { readonly offset: bigint }): void {
    const entry = this.#entries.get(keyOf(partition))
    if (entry === undefined) return
    // A look-up that is under way may have seen what was committed before: it finds another version.
    if (entry.target === 'committed') entry.version = ++this.#versions
    if (entry.repeats && entry.position !== undefined && entry.position < partition.offset) {
      entry.version = ++this.#versions
      entry.position = partition.offset
      entry.confirmed = partition.offset
    }
    entry.clean = entry.confirmed
  }

  /**
   * The identity that an explicit commit must carry: the one under which the partition's records were handed out.
   * A client that commits what it got before a rebalance is then refused by the broker; under the new generation
   * it would move back what another member has committed meanwhile.
   * @returns undefined when nothing of the partition was ever handed out here.
   */
  handedOutBy(partition: TopicPartition): GroupMember | undefined {
    const key = keyOf(partition)
    const entry = this.#entries.get(key)
    return entry?.handedOut ? entry.member : this.#departed.get(key)
  }

  #entry({ topic, partition }: TopicPartition, member: GroupMember | undefined): Entry {
    return {
      topic,
      partition,
      member,
      version: ++this.#versions,
      target: 'committed',
      position: undefined,
      start: undefined,
      confirmed: undefined,
      clean: undefined,
      handedOut: false,
      committed: 'unknown',
      repeats: true,
      served: 0,
    }
  }

  #current(asked: TopicPartition & { readonly version: number }): Entry | undefined {
    const entry = this.#entries.get(keyOf(asked))
    return entry?.version === asked.version ? entry : undefined
  }

  #unset(entry: Entry, target: PositionTarget): void {
    entry.version = ++this.#versions
    entry.target = target
    entry.position = undefined
    entry.confirmed = undefined
  }

  #commits(wanted: (entry: Entry) => boolean): PendingCommit[] {
    const commits: PendingCommit[] = []
    for (const entry of this.#entries.values()) {
      if (entry.confirmed === undefined || !wanted(entry)) continue
      const { topic, partition, confirmed, member } = entry
      commits.push({ topic, partition, offset: confirmed, metadata: '', member })
    }
    return commits
  }
}

/** One text for a partition: topic names hold no `/`, and the number comes last. */
export function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

function sameMember(left: GroupMember | undefined, right: GroupMember | undefined): boolean {
  return left?.memberId === right?.memberId && left?.generation === right?.generation
}

/** Undefined while the position is still to be found by what the group has committed. */
function recordOf(
  { topic, partition, committed, position, start, confirmed, clean, target }: Entry,
  which: 'confirmed' | 'exact',
): RecordedPosition | undefined {
  const common = { topic, partition, committed, clean: confirmed !== undefined && confirmed === clean }
  if (which === 'exact' && position !== undefined) return { ...common, position, start }
  if (confirmed !== undefined) return { ...common, position: confirmed, start: undefined }
  if (target === undefined || target === 'committed') return undefined
  return { ...common, position: target, start: undefined }
}

function recordedAs(recorded: RecordedPosition, which: 'confirmed' | 'exact'): RecordedPosition {
  return which === 'exact' || recorded.start === undefined
    ? recorded
    : { ...recorded, position: recorded.start, start: undefined }
}
