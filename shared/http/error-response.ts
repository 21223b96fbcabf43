import { RestError } from '../errors/rest-error.ts'
import type { Logger } from '../observability/logger.ts'

/**
 * The error that a client sees for whatever was thrown: a RestError as it is, anything else as one 500 whose
 * cause is in the log under the request id (no stack trace ever reaches a client).
 */
export function toRestError(thrown: unknown, log: Logger, requestId: string): RestError {
  if (thrown instanceof RestError) {
    if (thrown.status >= 500)
      log.warn({ request_id: requestId, err: thrown, row: thrown.row }, 'request failed')
    return thrown
  }
  log.error({ request_id: requestId, err: thrown }, 'request failed unexpectedly')
  return new RestError('internal', undefined, { cause: thrown })
}

/** Renders an error as the contract's body with the given Content-Type. */
export function errorResponse(error: RestError, contentType: string): Response {
  return new Response(JSON.stringify(error.body()), {
    status: error.status,
    headers: { ...error.headers, 'Content-Type': contentType },
  })
}
