/**
 * The routing table: which proxy nodes there are (members with a lease) and which node incarnation
 * holds each consumer instance (placements with fencing tokens). A port: Redis in a deployment, memory in
 * one process; one contract suite runs on both.
 *
 * A placement is good while its node's member record lives and names the same incarnation. So leases cost by
 * the number of nodes, not of consumers, and a dead incarnation's placements need no scan.
 */
export interface RoutingTable {
  /**
   * Writes the member's record and renews its lease, in one step.
   * `fenced`: this incarnation was declared dead by others; it must close its instances without committing or
   * leaving groups, draw a new incarnation and register again. `taken`: another incarnation holds the id.
   * @param session requests of a lower one are refused from now on (see `Sent`); default 0. It never goes back.
   */
  renew(member: Member, leaseMs: number, session?: number): Promise<Renewal>
  /** Removes the member's record if it still names this incarnation. */
  leave(nodeId: string, incarnation: string): Promise<void>
  /** All members whose lease has not run out, and the table's birth id. */
  members(): Promise<MemberList>

  /** The placement of a key, whether its owner's lease is alive, and why it is gone if it is. */
  find(key: string): Promise<Found>
  /** Takes a key for a registered node incarnation, atomically, with the next fencing token. */
  claim(request: ClaimRequest): Promise<ClaimResult>
  /**
   * Ends a placement that this holder has, and leaves a tombstone with the reason for its lifetime. Where there is
   * nothing, or a lower token of the same incarnation, the tombstone is left too: it refuses a re-assertion that was
   * sent before the release and arrives after it. `false`: another placement is there and stays.
   */
  release(key: string, held: Holding, reason: GoneReason, tombstoneMs: number): Promise<boolean>
  /**
   * Changes `expiresAt` and/or `spec` of a placement. `false`: not held any more with that token. A spec is
   * the JSON text of what another node needs to recreate the instance.
   */
  update(key: string, held: Holding, change: { expiresAt?: number; spec?: string }): Promise<boolean>
  /**
   * Gives a placement up for any node to take over, with the spec that it goes on from: its incarnation becomes `nobody`,
   * and its token rises, so that a late re-assertion of the former holder is overruled. `false`: not held any more with
   * that token.
   */
  handBack(key: string, held: Holding, change: { expiresAt: number; spec: string }): Promise<boolean>
  /**
   * Writes placements of one node incarnation back into a table that may have lost them: over nothing or over a
   * lower token. Over a higher token of the same incarnation (a claim whose answer was lost) nothing is written. The
   * owner of a placement that is overruled learns of it with its next renewal, which says `lapsed`.
   */
  reassert(placements: readonly Placement[], sent?: Sent): Promise<Reassertion>
  /**
   * Declares an incarnation dead (its death was proved): its member record goes, and a mark makes every later
   * renewal or re-assertion of that incarnation fail for `markMs`.
   */
  retire(nodeId: string, incarnation: string, markMs: number): Promise<void>
  /**
   * Placements of a node and/or a group, for operators; at most `limit`. `bucket`: only those of one (`bucketOf` in
   * buckets.ts).
   */
  list(filter: { node?: string; group?: string; bucket?: number }, limit: number): Promise<Placement[]>
  /**
   * Placements of one bucket (`bucketOf` in buckets.ts) whose owner is gone; at most `limit`. Also drops what has run
   * out in that bucket.
   */
  orphans(bucket: number, limit: number): Promise<Placement[]>
  /**
   * Ends a placement whose owner is gone, leaving a tombstone `owner-lost`. `false`: it was claimed, or its owner is
   * back; nothing was changed.
   */
  removeOrphan(orphan: Placement, tombstoneMs: number): Promise<boolean>

  /** A round trip; rejects when the table cannot be reached. */
  ping(): Promise<void>
  /**
   * Called when the table is reached again after a request to it failed, and when it may have lost data (its birth
   * id or its replication id changed). It can come often (a table on the edge of its time-out): a listener whose
   * work is large runs one at a time.
   * @returns takes the listener away again.
   */
  onReturn(listener: () => void): () => void
  stop(): Promise<void>
}

/** A proxy node as registered in the table. */
export interface Member {
  readonly id: string
  readonly incarnation: string
  /** Where gateways send requests: `http://host:port`, no path. */
  readonly url: string
  /** The process's own socket, for identity questions: `http://host:port`. */
  readonly internalUrl: string
  readonly zone: string
  readonly state: 'active' | 'draining'
  /** Consumer instances held now, and the most it takes. */
  readonly instances: number
  readonly instancesMax: number
  /** What becomes of its instances when it dies. Each placement says so too; this is for when none can be read. */
  readonly failover: 'recreate' | 'takeover'
  /** HMAC-SHA-256 (hex) of id, urls and incarnation under the internal token; empty without a token. */
  readonly signature: string
}

export type Renewal =
  /**
   * `birth` names this life of the table: a new one means that it lost its data. `lapsed`: others may have what this
   * incarnation holds, since there was no live record of it just before, or since a re-assertion overruled one of
   * its placements. Everything must be re-asserted before the lease counts (again).
   */
  | { readonly outcome: 'renewed'; readonly birth: string; readonly lapsed: boolean }
  | { readonly outcome: 'fenced' }
  | { readonly outcome: 'taken'; readonly by: Member }

export interface MemberList {
  readonly members: readonly Member[]
  readonly birth: string
}

/** Longest spec in characters: it is written with each change, and read with each look-up. */
export const specLengthMax = 16_384

/** The incarnation of a placement that was handed back: no node is ever it, so its owner is never alive. */
export const nobody = '-'

/** Who holds a placement, exactly: all three must match for any change. */
export interface Holding {
  readonly node: string
  readonly incarnation: string
  readonly token: number
}

export function sameHolding(left: Holding, right: Holding): boolean {
  return left.node === right.node && left.incarnation === right.incarnation && left.token === right.token
}

export interface Placement extends Holding {
  readonly key: string
  /** Wall-clock ms of the table after which nobody takes it over. */
  readonly expiresAt: number
  readonly failover: 'recreate' | 'takeover'
  readonly spec: string
}

/** Why an instance is gone: told to clients in the header `Kafka-Rest-Consumer-Gone`. */
export type GoneReason = 'deleted' | 'expired' | 'owner-lost'

export type Found =
  | { readonly placement: Placement; readonly ownerAlive: boolean }
  | { readonly placement: undefined; readonly gone: GoneReason | undefined }

export interface ClaimRequest extends Sent {
  readonly key: string
  readonly node: string
  readonly incarnation: string
  readonly expiresAt: number
  readonly failover: 'recreate' | 'takeover'
  readonly spec: string
  /** The placement that the claimer saw and means to replace; undefined for "there was none". */
  readonly replaces: Holding | undefined
  /**
   * Set when the death of `replaces.incarnation` was proved by two processes: the claim then retires it (see
   * `retire`) in the same step. Without it a placement is replaced only when its owner's lease is gone, or when the
   * claimer is its owner.
   */
  readonly deathProved: false | { readonly markMs: number }
}

/**
 * What a node knew when it sent a request, against requests that arrive late: after their sender gave them up, or in
 * another life of the table.
 */
export interface Sent {
  /**
   * A node that got no answer to a request raises its session and writes it with its next renewal; from then on a
   * straggler of a lower session is refused, so that it cannot create a placement that nobody knows of. Default 0.
   */
  readonly session?: number | undefined
  /**
   * The birth id of the table that the node knows. In another life of the table a missing placement proves nothing: the
   * request is refused, so that a claimer can ask the other nodes first. Undefined: it knows none.
   */
  readonly birth?: string | undefined
}

export type ClaimResult =
  /** `replaced`: the placement that was there, for removing its dead group member. */
  | { readonly outcome: 'claimed'; readonly token: number; readonly replaced: Placement | undefined }
  /** Another placement is there (its owner lives, or it is not the one that was expected). */
  | { readonly outcome: 'held'; readonly placement: Placement; readonly ownerAlive: boolean }
  /** The claimer's own incarnation was declared dead, or another incarnation holds its id. */
  | { readonly outcome: 'fenced' }
  | Refused

/** Why a request that would create placements was not carried out. */
export type Refused =
  /**
   * The sender has no live member record. (Were it let in, a straggler could arrive while the record is away, and with
   * it the session that refuses stragglers.) It renews, and asks again.
   */
  | { readonly outcome: 'unregistered' }
  /** The sender has begun a newer session. */
  | { readonly outcome: 'late' }
  /** The table lost its contents since the sender last saw it. */
  | { readonly outcome: 'reborn'; readonly birth: string }

export type Reassertion =
  | Refused
  /** The incarnation was declared dead, or another one holds its id; nothing was written. */
  | { readonly outcome: 'fenced' }
  | {
      readonly outcome: 'asserted'
      /** Keys that another holder has with a higher token, or that were released: these instances must be closed. */
      readonly lost: readonly string[]
      /** The token that each of the other keys has in the table now. */
      readonly tokens: ReadonlyMap<string, number>
    }

/** The table could not be reached, or did not answer in time. */
export class RoutingTableUnavailable extends Error {
  constructor(detail: string, options?: { cause?: unknown }) {
    super(detail, options)
    this.name = 'RoutingTableUnavailable'
  }
}
