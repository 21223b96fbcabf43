/**
 * Why this node does not hold an instance any more. `owner-lost`: this node stopped; `lost`: another node took the
 * placement over; `fenced`: the broker saw another holder of the instance's group identity; `handed-over`: this node gave
 * it to another one.
 */
export type CloseReason = 'deleted' | 'expired' | 'owner-lost' | 'lost' | 'fenced' | 'handed-over'

/** Ends the operations of an instance that is closed meanwhile. The HTTP layer answers for it. */
export class InstanceGone extends Error {
  readonly reason: CloseReason
  /** Resolves when whoever asks elsewhere can find it: a hand-over takes a while. Never rejects. */
  readonly over: Promise<void>

  constructor(reason: CloseReason, over: Promise<void> = Promise.resolve()) {
    super(`the consumer instance is gone: ${reason}`)
    this.name = 'InstanceGone'
    this.reason = reason
    this.over = over
  }
}
