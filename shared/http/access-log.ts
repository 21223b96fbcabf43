import type { Clock } from '../clock.ts'
import type { Logger } from '../observability/logger.ts'
import type { HttpEnv } from './listen.ts'

/** What the access log says of a request beyond its head and status. */
export interface AccessNote {
  readonly requestId: string
  /** Operation id of the route table; undefined for unknown paths. */
  readonly operation: string | undefined
}

/**
 * Writes one line when an answer has ended, and tells how it went. An answer whose client left first is
 * logged as 499, so that it is not mistaken for a failure of ours.
 */
export function logWhenDone(
  env: HttpEnv,
  note: AccessNote,
  deps: { readonly clock: Clock; readonly log: Logger; readonly enabled: boolean },
  onDone: (status: number, seconds: number) => void,
): void {
  const { incoming, outgoing } = env
  const startedAt = deps.clock.monotonic()
  outgoing.once('close', () => {
    const durationMs = deps.clock.monotonic() - startedAt
    const status = outgoing.writableFinished ? outgoing.statusCode : 499
    onDone(status, durationMs / 1000)
    if (!deps.enabled) return
    deps.log.info(
      {
        request_id: note.requestId,
        operation: note.operation,
        method: incoming.method,
        target: incoming.url,
        status,
        duration_ms: Math.round(durationMs * 10) / 10,
        client: incoming.socket.remoteAddress,
      },
      'request',
    )
  })
}
