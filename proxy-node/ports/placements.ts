import type { InstanceRef } from '../../shared/ids.ts'
import type { GoneReason, Holding, Placement } from '../../shared/routing/routing-table.ts'
import type { MayJoin } from './kafka-consumer.ts'

/** How the node takes and keeps the right to hold consumer instances; implemented by services/membership.ts. */
export interface PlacementClaims {
  /**
   * Claims the placement of an instance before its Kafka consumer is opened. A claim made while the routing table is
   * unreachable takes a provisional token and is asserted later.
   * @param provedDead the placement that a gateway saw and whose owner's death it proved.
   * @throws RestError consumerAlreadyExists when another placement lives, ownerUnreachable when its owner may live,
   *   placementUnknown when the routing table changes under the claim or another process has this node's id.
   * @throws OrphanFound when the name belongs to an instance that may be taken over.
   */
  claim(request: {
    readonly ref: InstanceRef
    readonly spec: string
    readonly expiresAt: number
    readonly provedDead:
      | { readonly node: string; readonly incarnation: string; readonly token: number }
      | undefined
  }): Promise<HeldPlacement>
  /**
   * Takes an instance over whose node is gone, or gave it up; `replaced` of the result is how it was recorded. Never
   * provisional: without the routing table nobody can say that its holder has given it up.
   * @param request.replaces the placement that whoever asks has seen.
   * @param request.deathProved whether it has proved that the holder is dead; this node looks for itself then.
   * @returns `lost`: somebody else has it by now; `gone`: there is nothing (any more) to take over.
   * @throws RestError placementUnknown, ownerUnreachable.
   */
  takeOver(request: {
    readonly ref: InstanceRef
    readonly replaces: Holding
    readonly deathProved: boolean
  }): Promise<HeldPlacement | 'lost' | 'gone'>
}

/** A name that is claimed for a new instance belongs to one whose node is gone, and which may be taken over. */
export class OrphanFound extends Error {
  readonly placement: Placement
  readonly deathProved: boolean

  constructor(placement: Placement, deathProved: boolean) {
    super('the name belongs to a consumer instance that may be taken over')
    this.name = 'OrphanFound'
    this.placement = placement
    this.deathProved = deathProved
  }
}

/** One placement that this node holds. */
export interface HeldPlacement {
  readonly key: string
  readonly incarnation: string
  readonly token: number
  /** What was there before: its dead member is removed from the group before a new one joins. */
  readonly replaced: Placement | undefined
  /**
   * Whether this node may still hand out records and commit for the instance. Cheap while the lease's local
   * deadline (monotonic, counted from before the last successful renewal was sent) has not passed; past it the
   * routing table is asked if it can be reached: a process that was stopped and continued must not hand out what
   * another owns by now. Call it right before writing.
   */
  mayServe(): Promise<boolean>
  /**
   * Whether this node may take the instance's place in its group again, which ends whoever has it now: unlike serving,
   * `unknown` past the lease's deadline while the routing table is away. What was claimed without the table and never
   * written to it is ours until the table says otherwise.
   */
  mayRejoin(): Promise<MayJoin>
  /** Records a new expiry; written to the table at most once in a tenth of the idle time-out. */
  touch(expiresAt: number): void
  /**
   * Records what another node would need; `false` when it could not be written now (it will be, later), or not at all:
   * longer than `specLengthMax`, which leaves the one before in place, or not held any more.
   */
  setSpec(spec: string): Promise<boolean>
  /**
   * Gives the placement up for any node to take over, with the spec that it goes on from. `false`: it cannot be written
   * now and is still held, unless it was lost.
   */
  handBack(spec: string): Promise<boolean>
  /** Gives the placement up; its tombstone tells later requests the reason. Never throws. */
  release(reason: GoneReason): Promise<void>
  /** Called once when another holder took the placement or this incarnation was declared dead: close the instance. */
  onLost(listener: () => void): void
}
