import { RestError } from '../../shared/errors/rest-error.ts'
import type { InstanceRef } from '../../shared/ids.ts'
import type { NodeStatus } from '../../shared/rest/node-status.ts'
import type { PageQuery } from '../../shared/rest/page-query.ts'
import type { ConsumerInstance } from './consumer-instance.ts'
import type { Drain } from './drain.ts'
import { InstanceGone } from './instance-gone.ts'
import type { Instances } from './instances.ts'
import type { Membership } from './membership.ts'

export interface NodeOperationsDeps {
  readonly drain: Pick<Drain, 'start' | 'undo' | 'state'>
  readonly instances: Pick<Instances, 'size' | 'evict' | 'all'>
  readonly membership: Pick<Membership, 'identity' | 'registered'>
  readonly instancesMax: number
}

/** A part of the instances held here, in the order of their keys. */
export interface InstancePage {
  readonly instances: readonly ConsumerInstance[]
  /** `after` of the next page; undefined: this is the last. */
  readonly next: string | undefined
}

/** What operators can do with this node, whichever way they come. */
export class NodeOperations {
  readonly #deps: NodeOperationsDeps

  constructor(deps: NodeOperationsDeps) {
    this.#deps = deps
  }

  status(): NodeStatus {
    const { drain, instances, instancesMax, membership } = this.#deps
    const { id, incarnation } = membership.identity()
    return {
      id,
      incarnation,
      state: drain.state,
      registered: membership.registered,
      instances: instances.size,
      instances_max: instancesMax,
    }
  }

  /** Begins to drain, unless it has begun; does not wait for the end. */
  drain(): NodeStatus {
    void this.#deps.drain.start()
    return this.status()
  }

  /** Goes back into service, when what is being let go just now is gone. */
  async undrain(): Promise<NodeStatus> {
    await this.#deps.drain.undo()
    return this.status()
  }

  /**
   * Ends an instance for good; resolves when it has left its group.
   * @throws RestError consumerInstanceNotFound: it is not held here (any more).
   */
  async evict(ref: InstanceRef): Promise<void> {
    try {
      if (await this.#deps.instances.evict(ref)) return
    } catch (error) {
      if (!(error instanceof InstanceGone)) throw error
      // It is being handed over: whoever looks elsewhere now should find it there.
      await error.over
    }
    throw new RestError('consumerInstanceNotFound')
  }

  page(group: string | undefined, { limit, after }: PageQuery): InstancePage {
    const found = this.#deps.instances
      .all()
      .filter(({ ref, key }) => (group === undefined || ref.group === group) && key > (after ?? ''))
      .sort((left, right) => (left.key < right.key ? -1 : 1))
    const instances = found.slice(0, limit)
    return { instances, next: found.length > limit ? instances.at(-1)?.key : undefined }
  }
}
