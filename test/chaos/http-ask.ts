import { Agent } from 'node:http'
import { http } from '../support/http-client.ts'
import type { Attempt } from './journal.ts'

/** A request of a client of the run. */
export interface Ask {
  readonly what: Attempt['what']
  readonly method: string
  readonly path: string
  readonly accept?: string
  readonly contentType?: string
  readonly body?: unknown
}

/** Its answer; status 0 when there was no whole answer. */
export interface Answer {
  readonly attempt: Attempt
  readonly status: number
  readonly errorCode: number
  readonly text: string
}

/** Longer than any wait that a gateway takes by design, so that only a process that is frozen is given up. */
const TIMEOUT_MS = 20_000

/**
 * The connection of one client: to one of the addresses at a time, kept open; to another after an error of the
 * connection, and now and then without a reason.
 */
export class AskingClient {
  readonly #addresses: readonly string[]
  readonly #attempts: Attempt[]
  readonly #random: () => number
  readonly #wanderShare: number
  #agent = newAgent()
  #at: number

  /** @param attempts where every request is noted. @param wanderShare of requests that go to another address. */
  constructor(options: {
    readonly addresses: readonly string[]
    readonly attempts: Attempt[]
    readonly random: () => number
    readonly wanderShare: number
  }) {
    this.#addresses = options.addresses
    this.#attempts = options.attempts
    this.#random = options.random
    this.#wanderShare = options.wanderShare
    this.#at = Math.floor(options.random() * options.addresses.length)
  }

  /** Sends a request once. Never rejects. */
  async ask({ what, method, path, accept, contentType, body }: Ask): Promise<Answer> {
    if (this.#random() < this.#wanderShare) this.#moveOn()
    const base = this.#addresses[this.#at] ?? ''
    const headers = {
      ...(accept === undefined ? {} : { Accept: accept }),
      ...(contentType === undefined ? {} : { 'Content-Type': contentType }),
    }
    const text = body === undefined ? {} : { body: JSON.stringify(body) }
    const startedAt = performance.now()
    const note = (status: number, error: string): Attempt => {
      const attempt = { what, startedAt, endedAt: performance.now(), status, error }
      this.#attempts.push(attempt)
      return attempt
    }
    try {
      const options = { base, method, path, headers, ...text, agent: this.#agent, timeoutMs: TIMEOUT_MS }
      const answer = await http(options)
      const errorCode = errorCodeOf(answer.status, answer.text)
      const attempt = note(answer.status, errorCode === 0 ? '' : String(errorCode))
      return { attempt, status: answer.status, errorCode, text: answer.text }
    } catch (error) {
      const reason = reasonOf(error)
      this.#moveOn()
      return { attempt: note(0, reason), status: 0, errorCode: 0, text: reason }
    }
  }

  /** Ends its connection. */
  close(): void {
    this.#agent.destroy()
  }

  #moveOn(): void {
    if (this.#addresses.length < 2) return
    this.#at = (this.#at + 1) % this.#addresses.length
    // The old connection ends in an orderly way, as that of a client that has its answer.
    this.#agent.destroy()
    this.#agent = newAgent()
  }
}

const newAgent = (): Agent => new Agent({ keepAlive: true, maxSockets: 1 })

function errorCodeOf(status: number, text: string): number {
  if (status < 400) return 0
  try {
    return Number((JSON.parse(text) as { error_code?: unknown }).error_code ?? status)
  } catch {
    return status
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error ? String(error.code) : (error.message.split(':')[0] ?? error.message)
}
