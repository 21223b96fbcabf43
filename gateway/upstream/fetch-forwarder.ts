import type { Clock } from '../../shared/clock.ts'
import { RestError } from '../../shared/errors/rest-error.ts'
import {
  type AnswerChange,
  type Attempt,
  ClientGone,
  type ClientRequest,
  type FailureReason,
  type Forwarder,
  type NodeQuestion,
  type NodeReply,
  type UpstreamAnswer,
  UpstreamFailure,
} from './forwarder.ts'
import { answerHeaders, requestHeaders } from './headers.ts'

export interface FetchForwarderOptions {
  readonly clock: Clock
  readonly responseTimeoutMs: number
  readonly bodyBytesMax: number
  /** The runtime's own; replaced in tests. */
  readonly fetch: typeof fetch
  /** The client's address, from whatever the runtime hands its app. */
  readonly peerAddress: (request: Request, env: unknown) => string | undefined
}

/**
 * Forwards with `fetch`, for runtimes without sockets. What `fetch` cannot do is a limit there: a GET goes without its
 * body (so GET …/offsets finds no partitions), a path that URL would fold (`/..`, `/%2e`) is refused with 400, most
 * failures do not tell whether anything was sent (so they count as sent), and an answer counts as received once its
 * last byte was handed over.
 */
export class FetchForwarder implements Forwarder {
  readonly #options: FetchForwarderOptions

  constructor(options: FetchForwarderOptions) {
    this.#options = options
  }

  accept(request: Request, env: unknown): ClientRequest {
    return new FetchClientRequest(request, this.#options.peerAddress(request, env), this.#options)
  }

  async ask(question: NodeQuestion): Promise<NodeReply> {
    const { origin, method, path, headers, body, timeoutMs } = question
    const url = exactUrl(origin, path)
    if (!url) throw new UpstreamFailure('unsent', 'unreachable')
    const deadline = new AbortController()
    const timer = this.#options.clock.after(timeoutMs, () => deadline.abort())
    try {
      const reply = await this.#options.fetch(url, {
        method,
        headers: body === undefined ? { ...headers } : { ...headers, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body }),
        redirect: 'manual',
        signal: deadline.signal,
      })
      return { status: reply.status, body: await reply.text() }
    } catch (error) {
      throw failureOf(error, deadline.signal.aborted ? 'slow' : 'lost')
    } finally {
      timer.cancel()
    }
  }

  async stop(): Promise<void> {}
}

class FetchClientRequest implements ClientRequest {
  readonly method: string
  readonly target: string
  readonly scheme: 'http' | 'https'
  readonly peerAddress: string | undefined
  readonly #host: string
  readonly bodyLength: number | undefined
  readonly #request: Request
  readonly #options: FetchForwarderOptions
  #held: Uint8Array<ArrayBuffer> | undefined
  #body: ReadableStream<Uint8Array> | null

  constructor(request: Request, peerAddress: string | undefined, options: FetchForwarderOptions) {
    this.#request = request
    this.#options = options
    this.#body = request.body
    this.method = request.method
    const { protocol, host, pathname, search } = new URL(request.url)
    this.target = pathname + search
    this.scheme = protocol === 'https:' ? 'https' : 'http'
    this.#host = host
    this.peerAddress = peerAddress
    const length = request.headers.get('content-length')
    this.bodyLength = this.#body === null ? 0 : length === null ? undefined : Number(length)
    if (this.bodyLength === 0) this.#held = new Uint8Array()
  }

  get signal(): AbortSignal {
    return this.#request.signal
  }

  header(name: string): string | undefined {
    // Runtimes differ in whether they show Host beside the URL.
    return this.#request.headers.get(name) ?? (name === 'host' ? this.#host : undefined)
  }

  async hold(bytesMax: number): Promise<Uint8Array | undefined> {
    if (this.#held) return this.#held
    if (this.#body === null || (this.bodyLength ?? 0) > bytesMax) return undefined
    const reader = this.#body.getReader()
    const chunks: Uint8Array[] = []
    let bytes = 0
    for (;;) {
      const { done, value } = await reader.read().catch(() => {
        throw new ClientGone()
      })
      if (done) break
      chunks.push(value)
      bytes += value.length
      if (bytes > bytesMax) {
        reader.releaseLock()
        this.#body = prepended(chunks, this.#body)
        return undefined
      }
    }
    this.#held = joined(chunks, bytes)
    return this.#held
  }

  async send(attempt: Attempt): Promise<UpstreamAnswer> {
    try {
      return await this.#send(attempt)
    } catch (error) {
      attempt.onEnd?.()
      throw error
    }
  }

  async #send(attempt: Attempt): Promise<UpstreamAnswer> {
    const { clock, responseTimeoutMs, bodyBytesMax } = this.#options
    if ((this.bodyLength ?? 0) > bodyBytesMax) throw new RestError('payloadTooLarge')
    const url = exactUrl(attempt.origin, this.target)
    if (!url) throw new RestError('badTarget')
    const deadline = new AbortController()
    const timer = clock.after(responseTimeoutMs, () => deadline.abort())
    const signals = [this.signal, deadline.signal, ...(attempt.signal ? [attempt.signal] : [])]
    try {
      const answer = await this.#options.fetch(url, {
        ...this.#init(attempt),
        signal: AbortSignal.any(signals),
      })
      return new FetchAnswer(answer, attempt.onEnd)
    } catch (error) {
      if (isTooLarge(error)) throw new RestError('payloadTooLarge')
      if (this.signal.aborted) throw new ClientGone()
      if (attempt.signal?.aborted) throw new UpstreamFailure('sent', 'withdrawn')
      throw failureOf(error, deadline.signal.aborted ? 'slow' : 'lost')
    } finally {
      timer.cancel()
    }
  }

  #init(attempt: Attempt): RequestInit & { duplex?: 'half' } {
    // fetch would decompress an answer and leave its headers as they were.
    const own = { ...attempt.headers, 'accept-encoding': 'identity' }
    const flat = requestHeaders([...this.#request.headers].flat(), own, {
      withLength: false,
      withHost: false,
    })
    const headers = new Headers()
    for (let index = 0; index + 1 < flat.length; index += 2)
      headers.append(flat[index] ?? '', flat[index + 1] ?? '')
    const common = { method: this.method, headers, redirect: 'manual' } as const
    if (this.method === 'GET' || this.method === 'HEAD') return common
    if (this.#held) return { ...common, body: this.#held }
    if (this.#body === null) return common
    return { ...common, body: this.#body.pipeThrough(bounded(this.#options.bodyBytesMax)), duplex: 'half' }
  }
}

class FetchAnswer implements UpstreamAnswer {
  readonly status: number
  readonly #answer: Response
  readonly #onEnd: (() => void) | undefined

  constructor(answer: Response, onEnd: (() => void) | undefined) {
    this.status = answer.status
    this.#answer = answer
    this.#onEnd = onEnd
  }

  header(name: string): string | undefined {
    return this.#answer.headers.get(name) ?? undefined
  }

  discard(): void {
    this.#answer.body?.cancel().catch(() => {})
    this.#onEnd?.()
  }

  deliver({ headers: own, onDelivery }: AnswerChange): Response {
    const flat = answerHeaders([...this.#answer.headers].flat(), own)
    const headers = new Headers()
    for (let index = 0; index + 1 < flat.length; index += 2)
      headers.append(flat[index] ?? '', flat[index + 1] ?? '')
    const { body, status } = this.#answer
    const end = (received: boolean) => {
      if (received) onDelivery?.('ended')
      onDelivery?.(received ? 'received' : 'failed')
      this.#onEnd?.()
    }
    if (body === null) {
      end(true)
      return new Response(null, { status, headers })
    }
    return new Response(observed(body, end), { status, headers })
  }
}

/** The URL of a raw target; undefined when URL would make another path of it. */
function exactUrl(origin: string, target: string): string | undefined {
  const url = origin + target
  if (!URL.canParse(url)) return undefined
  const parsed = new URL(url)
  return parsed.pathname + parsed.search === target || target.endsWith('?') ? url : undefined
}

class TooLarge extends Error {}

function isTooLarge(error: unknown): boolean {
  return error instanceof TooLarge || (error instanceof Error && error.cause instanceof TooLarge)
}

/** Passes chunks on until there are more than `bytesMax` bytes. */
function bounded(bytesMax: number): TransformStream<Uint8Array, Uint8Array> {
  let bytes = 0
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.length
      if (bytes > bytesMax) controller.error(new TooLarge())
      else controller.enqueue(chunk)
    },
  })
}

/** The same stream, telling once whether it was read to its end. */
function observed(
  body: ReadableStream<Uint8Array>,
  onEnd: (complete: boolean) => void,
): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await reader.read()
        if (!done) return controller.enqueue(value)
        controller.close()
        onEnd(true)
      } catch (error) {
        controller.error(error)
        onEnd(false)
      }
    },
    cancel(reason) {
      onEnd(false)
      return reader.cancel(reason)
    },
  })
}

function prepended(
  chunks: readonly Uint8Array[],
  rest: ReadableStream<Uint8Array>,
): ReadableStream<Uint8Array> {
  const reader = rest.getReader()
  const ahead = [...chunks]
  return new ReadableStream({
    async pull(controller) {
      const next = ahead.shift()
      if (next) return controller.enqueue(next)
      const { done, value } = await reader.read()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    cancel: reason => reader.cancel(reason),
  })
}

function joined(chunks: readonly Uint8Array[], bytes: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(bytes)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}

/** Only a refused or failed dial, where the runtime says so, is known to have sent nothing. */
function failureOf(error: unknown, otherwise: FailureReason): UpstreamFailure {
  const cause = error instanceof Error ? error.cause : undefined
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  if (code === 'ECONNREFUSED') return new UpstreamFailure('unsent', 'refused', { cause: error })
  if (code === 'ENOTFOUND' || code === 'EHOSTUNREACH' || code === 'UND_ERR_CONNECT_TIMEOUT')
    return new UpstreamFailure('unsent', 'unreachable', { cause: error })
  return new UpstreamFailure('sent', otherwise, { cause: error })
}
