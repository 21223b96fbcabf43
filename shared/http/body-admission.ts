import type { IncomingMessage, ServerResponse } from 'node:http'

/** Requests whose client waits for `100 Continue` before it sends the body. */
const awaitingContinue = new WeakSet<IncomingMessage>()

/** Requests whose body may take any time. */
const longBodies = new WeakSet<IncomingMessage>()

/** Notes that the client of a request waits for `100 Continue`. */
export function holdBody(incoming: IncomingMessage): void {
  awaitingContinue.add(incoming)
}

/** Call before the body is read: lets a waiting client send it. */
export function admitBody(incoming: IncomingMessage, outgoing: ServerResponse): void {
  if (!awaitingContinue.delete(incoming) || outgoing.headersSent) return
  outgoing.writeContinue()
}

/** Whether the client still waits, so that it cannot be blamed for sending nothing. */
export function isBodyHeld(incoming: IncomingMessage): boolean {
  return awaitingContinue.has(incoming)
}

/** Takes the limits of time off the body of a request that is a stream by design. */
export function allowLongBody(incoming: IncomingMessage): void {
  longBodies.add(incoming)
}

/** Whether the body may take any time. */
export function isLongBody(incoming: IncomingMessage): boolean {
  return longBodies.has(incoming)
}
