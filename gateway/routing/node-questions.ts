import type { InstanceRef } from '../../shared/ids.ts'
import type { IdentityAnswer } from '../../shared/routing/death-proof.ts'
import type { Holding } from '../../shared/routing/routing-table.ts'
import type { KnownNode } from './node-view.ts'

/** What a node says when it is asked to take an instance over. */
export type TakeoverAnswer =
  | { readonly outcome: 'held'; readonly incarnation: string; readonly token: number }
  /** Another node has it by now. */
  | { readonly outcome: 'lost' }
  /** There is nothing (any more) to take over. */
  | { readonly outcome: 'gone' }
  /** The node takes nothing, or cannot be reached. */
  | { readonly outcome: 'refused' }

/**
 * Questions of the gateway to proxy nodes; each bounded by `node.question.timeout.ms`, a takeover by
 * `takeover.timeout.ms`; none of them rejects.
 */
export interface NodeQuestions {
  /** Who answers at the node's own socket. */
  identity(node: KnownNode): Promise<IdentityAnswer>
  /** Whether the node holds the instance; undefined: no answer. */
  holds(node: KnownNode, ref: InstanceRef): Promise<boolean | undefined>
  /** Has one node look at another: whether it finds it dead; undefined: no answer. */
  findsDead(asked: KnownNode, suspect: KnownNode): Promise<boolean | undefined>
  /** Has a node take over an instance whose placement is `replaces` and whose holder is gone. */
  takeOver(
    node: KnownNode,
    ref: InstanceRef,
    replaces: Holding,
    deathProved: boolean,
  ): Promise<TakeoverAnswer>
}
