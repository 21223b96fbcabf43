import type { RestErrorName } from '../../shared/errors/rest-errors.ts'
import type { Route } from '../../shared/rest/routes.ts'
import type { FailureReason, FailureStage } from './forwarder.ts'

/** What is known when a try has failed. */
export interface FailedTry {
  readonly stage: FailureStage
  readonly reason: FailureReason
  /** Whether the request may be applied twice without anyone noticing (`repeatable`). */
  readonly repeatable: boolean
  /** Whether the body can be sent again: it was held, or there is none. */
  readonly bodyAtHand: boolean
  /** Whether only one node can answer: that of the consumer instance. */
  readonly pinned: boolean
  /** Tries so far, this one included, and the most there may be. */
  readonly tries: number
  readonly triesMax: number
}

export type NextStep =
  | { readonly step: 'other-node' }
  | { readonly step: 'same-node' }
  /** 40403 if the node's death can be proved, else `row`. */
  | { readonly step: 'check-death'; readonly row: RestErrorName }
  | { readonly step: 'fail'; readonly row: RestErrorName }

/**
 * What to do after a failed try. A failure before any byte was sent may go to another node, whatever the method.
 * After that only what is safe to repeat goes again: not a produce, a create or a commit (an old commit could overtake
 * a newer one), and never a read, which takes records out of the instance.
 */
export function nextStep(failed: FailedTry): NextStep {
  if (failed.stage === 'unsent') return afterUnsent(failed)
  if (failed.reason === 'slow') return { step: 'fail', row: slowRow(failed) }
  if (!failed.repeatable) return { step: 'fail', row: 'upstreamFailed' }
  const again = failed.bodyAtHand && failed.tries < failed.triesMax
  if (!failed.pinned) return again ? { step: 'other-node' } : { step: 'fail', row: 'upstreamFailed' }
  // A second loss, or a node that was given up: it may be dead by now.
  if (again && failed.tries === 1 && failed.reason === 'lost') return { step: 'same-node' }
  return { step: 'check-death', row: 'ownerUnreachable' }
}

function afterUnsent({ pinned, tries, triesMax }: FailedTry): NextStep {
  if (pinned) return { step: 'check-death', row: 'ownerUnreachable' }
  return tries < triesMax ? { step: 'other-node' } : { step: 'fail', row: 'noProxyNode' }
}

/**
 * Nothing is repeated after a time-out: the next node may be as slow, and the client has waited long. What changed
 * nothing is told so: the client can ask again without doubt.
 */
function slowRow({ repeatable, pinned }: FailedTry): RestErrorName {
  return repeatable && pinned ? 'ownerUnreachable' : 'upstreamTimeout'
}

/** Whether a request of this route changes nothing: every GET and HEAD except a read of records. */
export function repeatable(route: Route | undefined, method: string): boolean {
  if (method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS') return false
  return route?.id !== 'consumers.consume'
}
