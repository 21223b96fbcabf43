import { RestError } from '../../shared/errors/rest-error.ts'
import { groupInstanceId, type InstanceRef } from '../../shared/ids.ts'
import type { Holding } from '../../shared/routing/routing-table.ts'
import type { HeldPlacement, PlacementClaims } from '../ports/placements.ts'
import { waitAtMost } from './bounded-wait.ts'
import { ConsumerInstance } from './consumer-instance.ts'
import type { InstanceDeps } from './instance-parts.ts'
import type { InstanceSettings } from './instance-settings.ts'
import { deadMemberOf, renderSpec } from './instance-spec.ts'
import { parseRecordedInstance } from './recorded-instance.ts'

export interface InstanceOpenerDeps extends InstanceDeps {
  readonly claims: PlacementClaims
  /** The broker has seen another holder of the instance's group identity. */
  readonly onFenced: (instance: ConsumerInstance) => void
  /** Whether the node is stopping: what is opened now would not be closed any more. */
  readonly isStopped: () => boolean
}

export interface TakeoverRequest {
  readonly ref: InstanceRef
  /** The placement that whoever asks has seen. */
  readonly replaces: Holding
  /** Whether it has proved that its holder is dead. */
  readonly deathProved: boolean
}

/** Another node has the instance, or there is none: nothing was opened. */
export class NotTaken extends Error {
  readonly outcome: 'lost' | 'gone'

  constructor(outcome: 'lost' | 'gone') {
    super(`the consumer instance was not taken over: ${outcome}`)
    this.name = 'NotTaken'
    this.outcome = outcome
  }
}

/** Opens consumer instances: claims the placement first, so that one node at most holds it. */
export class InstanceOpener {
  readonly #deps: InstanceOpenerDeps

  constructor(deps: InstanceOpenerDeps) {
    this.#deps = deps
  }

  /**
   * Opens a new instance; what is left of a dead holder leaves the group before the new one can join.
   * @throws RestError draining; what the claim throws.
   */
  async create(
    ref: InstanceRef,
    settings: InstanceSettings,
    provedDead: Holding | undefined,
  ): Promise<ConsumerInstance> {
    const { claims, clock } = this.#deps
    const placement = await claims.claim({
      ref,
      spec: renderSpec({
        ref,
        settings,
        state: { kind: 'none' },
        partitions: [],
        memberId: '',
        groupInstanceId: '',
        resume: undefined,
      }),
      expiresAt: clock.now() + this.#deps.settings.instanceTimeoutMs,
      provedDead,
    })
    try {
      await this.#removeDeadMember(placement)
      if (this.#deps.isStopped()) throw new RestError('draining')
      return await this.#instance(ref, settings, placement)
    } catch (error) {
      await placement.release('owner-lost')
      throw error
    }
  }

  /**
   * Opens an instance whose node is gone, or gave it up, as that one recorded it.
   * @throws NotTaken; RestError draining; what the claim throws.
   */
  async takeOver(request: TakeoverRequest): Promise<ConsumerInstance> {
    const { claims, isStopped, log } = this.#deps
    const { ref } = request
    const placement = await claims.takeOver(request)
    if (placement === 'lost' || placement === 'gone') throw new NotTaken(placement)
    const spec = placement.replaced?.spec ?? ''
    const recorded = parseRecordedInstance({ key: placement.key, spec })
    if (recorded === undefined) {
      log.warn({ ...ref }, 'an instance cannot be taken over: what is recorded of it is not complete')
      return this.#giveUp(placement)
    }
    if (isStopped()) {
      await placement.handBack(spec)
      throw new RestError('draining')
    }
    let instance: ConsumerInstance | undefined
    try {
      instance = await this.#instance(ref, recorded.settings, placement)
      instance.resume(recorded)
    } catch (error) {
      // Another version may have recorded what this one refuses. Held without an instance it would block its name.
      log.warn({ ...ref, err: error }, 'an instance cannot be taken over: it cannot go on as it was recorded')
      return this.#giveUp(placement, instance)
    }
    log.info({ ...ref, from: request.replaces.node }, 'took a consumer instance over')
    return instance
  }

  /** Nobody can go on with what was claimed. @throws NotTaken, always. */
  async #giveUp(placement: HeldPlacement, instance?: ConsumerInstance): Promise<never> {
    await this.#removeDeadMember(placement)
    // Closing releases it too.
    if (instance === undefined) await placement.release('owner-lost')
    else await instance.close('owner-lost')
    throw new NotTaken('gone')
  }

  async #instance(
    ref: InstanceRef,
    settings: InstanceSettings,
    placement: HeldPlacement,
  ): Promise<ConsumerInstance> {
    const { onFenced } = this.#deps
    const identity = await groupInstanceId(this.#deps.settings.groupInstanceIdPrefix, ref.instance)
    const instance: ConsumerInstance = new ConsumerInstance(
      { ref, groupInstanceId: identity, settings, placement, onFenced: () => onFenced(instance) },
      this.#deps,
    )
    return instance
  }

  /**
   * A new instance never inherits the group member of one that died. Its own join would fence that member, but would
   * also take over its partitions as they were, whatever the new one subscribes to.
   */
  async #removeDeadMember({ replaced }: HeldPlacement): Promise<void> {
    const member = replaced && deadMemberOf(replaced)
    if (member === undefined) return
    const { consumers, clock, settings, log } = this.#deps
    const removed = consumers.removeMember(member.group, member).catch(error => {
      log.warn({ group: member.group, err: error }, 'a dead member could not be removed from its group')
    })
    await waitAtMost(removed, settings.instanceCloseTimeoutMs, clock)
  }
}
