import { type RestErrorName, restErrors } from './rest-errors.ts'

/**
 * An error that a client is meant to see: a row of the error table, with its message filled in.
 * Everything else that is thrown ends as one 500 with a logged id.
 */
export class RestError extends Error {
  readonly row: RestErrorName
  readonly status: number
  readonly errorCode: number
  readonly retriable: boolean
  /** Extra response headers, such as `Retry-After` or `Kafka-Rest-Consumer-Gone`. */
  readonly headers: Readonly<Record<string, string>>

  constructor(
    row: RestErrorName,
    detail?: string,
    options: { cause?: unknown; headers?: Record<string, string> } = {},
  ) {
    const entry = restErrors[row]
    super(
      renderMessage(entry.message, detail),
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.name = 'RestError'
    this.row = row
    this.status = entry.status
    this.errorCode = entry.errorCode
    this.retriable = entry.retriable
    this.headers = { ...entry.headers, ...options.headers }
  }

  /** The contract's body, v2 §3 and v3 §4.1: `{"error_code":…,"message":…}`. */
  body(): { error_code: number; message: string } {
    return { error_code: this.errorCode, message: this.message }
  }
}

/** Fills the one `{}` of a message template. A template without it takes no detail. */
function renderMessage(template: string, detail: string | undefined): string {
  if (template.includes('{}')) return template.replace('{}', () => detail ?? '')
  return template
}
