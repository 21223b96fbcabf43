import { CliFailure, exitCodes } from './cli-failure.ts'

/** Longer than the gateway itself waits for a node by default. */
const TIMEOUT_MS = 30_000

export type JsonObject = Readonly<Record<string, unknown>>

/** Speaks to the routes of operators on a gateway's admin listener. */
export class AdminClient {
  readonly #url: string
  readonly #token: string

  /** @param url `http(s)://host:port`. */
  constructor(url: string, token: string) {
    this.#url = url
    this.#token = token
  }

  /** One request; `segments` are encoded. @throws CliFailure when it is refused, or nobody answers. */
  async call(
    method: 'GET' | 'POST' | 'DELETE',
    segments: readonly string[],
    query: Readonly<Record<string, string>> = {},
  ): Promise<JsonObject> {
    const path = segments.map(encodeURIComponent).join('/')
    const search = new URLSearchParams(query).toString()
    const answer = await this.#answer(method, `${this.#url}/${path}${search === '' ? '' : `?${search}`}`)
    const body = jsonObject(answer.text)
    if (answer.status === 200 && body !== undefined) return body
    const message = body?.['message']
    if (typeof message !== 'string')
      throw new CliFailure(
        `${this.#url} answers ${answer.status}, and not as the admin listener of a gateway does.`,
        exitCodes.refused,
      )
    throw new CliFailure(`${message} (${answer.status} / ${body?.['error_code']})`, exitCodes.refused)
  }

  async #answer(method: string, url: string): Promise<{ status: number; text: string }> {
    try {
      const answer = await fetch(url, {
        method,
        headers: { Authorization: `Bearer ${this.#token}` },
        // The token is for this address alone.
        redirect: 'manual',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      return { status: answer.status, text: await answer.text() }
    } catch (error) {
      const sentence = `No gateway can be reached at ${this.#url}: ${reasonOf(error)}.`
      throw new CliFailure(sentence, exitCodes.unreachable, { cause: error })
    }
  }
}

function jsonObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}

/** What went wrong on the network; fetch itself only says that it failed. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1000} s`
  const { cause } = error
  if (!(cause instanceof Error)) return error.message
  // A name with several addresses fails with an AggregateError without a message.
  return cause.message || ('code' in cause ? String(cause.code) : error.message)
}
