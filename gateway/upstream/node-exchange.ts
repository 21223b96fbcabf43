import type { ServerResponse } from 'node:http'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Dispatcher } from 'undici'
import type { Clock, Timer } from '../../shared/clock.ts'
import { RestError } from '../../shared/errors/rest-error.ts'
import { BodyTooLarge } from './client-body.ts'
import type { ConnectionWatch } from './connection-watch.ts'
import {
  type AnswerChange,
  ClientGone,
  type Delivery,
  type FailureStage,
  type UpstreamAnswer,
  UpstreamFailure,
} from './forwarder.ts'
import { answerHeaders } from './headers.ts'

export interface ExchangeDeps {
  readonly outgoing: ServerResponse
  readonly watch: ConnectionWatch
  readonly clock: Clock
  /** How long the client may take no bytes of the answer. */
  readonly writeTimeoutMs: number
  /** It took none for so long: its connection is cut. */
  readonly onWriteStalled: () => void
}

interface Settle {
  readonly resolve: (answer: UpstreamAnswer) => void
  readonly reject: (error: Error) => void
}

/** A discarded answer is read to its end, so that its connection can serve again, if it is no longer than this. */
const discardedBytesMax = 64 * 1024

/**
 * One try at one node, from dispatch to the end of the answer: the parts of the answer as undici hands them over, and
 * how fast the client takes them.
 *
 * Stages: unsent (no connection yet, so nothing can have been applied) → sent → head (waits for the app's decision) →
 * delivering or discarding → over.
 */
export class NodeExchange implements Dispatcher.DispatchHandler {
  readonly #deps: ExchangeDeps
  readonly #signals: readonly AbortSignal[]
  readonly #settle: Settle
  readonly #onEnd: (() => void) | undefined
  #stage: FailureStage | 'head' | 'delivering' | 'discarding' = 'unsent'
  #over = false
  /** The answer's last byte is here already, or it was lost, while the app still decides. */
  #ending: 'complete' | 'lost' | undefined
  #controller: Dispatcher.DispatchController | undefined
  #discarded = 0
  #wrote = false
  #stall: Timer | undefined
  #onDelivery: ((delivery: Delivery) => void) | undefined

  constructor(
    deps: ExchangeDeps,
    signals: readonly AbortSignal[],
    settle: Settle,
    onEnd: (() => void) | undefined,
  ) {
    this.#deps = deps
    this.#signals = signals
    this.#settle = settle
    this.#onEnd = onEnd
    for (const signal of signals) {
      if (signal.aborted) this.#onAbort()
      else signal.addEventListener('abort', this.#onAbort, { once: true })
    }
  }

  get over(): boolean {
    return this.#over
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // The client left while the connection was being made.
    if (this.#over) controller.abort(new ClientGone())
    this.#controller = controller
    this.#stage = 'sent'
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (this.#over || status < 200) return
    this.#stage = 'head'
    controller.pause()
    const raw = flatHeaders(controller.rawHeaders)
    this.#settle.resolve({
      status,
      header: name => headerOf(raw, name),
      discard: () => this.#discard(),
      deliver: change => this.#deliver(status, raw, change),
    })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#stage === 'discarding') {
      this.#discarded += chunk.length
      if (this.#discarded > discardedBytesMax) controller.abort(new Error('discarded'))
      return
    }
    this.#wrote = true
    if (this.#deps.outgoing.write(chunk)) return
    controller.pause()
    this.#awaitDrain()
  }

  onResponseEnd(): void {
    if (this.#stage === 'delivering') this.#complete()
    else if (this.#stage === 'discarding') this.#end()
    else this.#ending = 'complete'
  }

  onResponseError(_controller: unknown, error: unknown): void {
    if (this.#over) return
    if (this.#stage === 'unsent' || this.#stage === 'sent') {
      this.#settle.reject(this.#failure(error, this.#stage))
      this.#end()
    } else if (this.#stage === 'delivering') this.#cut()
    else if (this.#stage === 'discarding') this.#end()
    else this.#ending = 'lost'
  }

  #failure(error: unknown, stage: FailureStage): Error {
    if (error instanceof BodyTooLarge) return new RestError('payloadTooLarge')
    if (this.#deps.outgoing.destroyed) return new ClientGone()
    return failureOf(error, stage)
  }

  /** Sends the head on, and then each part as it comes. */
  #deliver(status: number, raw: readonly string[], change: AnswerChange): Response {
    const { outgoing } = this.#deps
    this.#onDelivery = change.onDelivery
    this.#stage = 'delivering'
    // The client left, or the listener has refused its request by now, because the rest of the body did not come.
    if (outgoing.destroyed || outgoing.headersSent) {
      this.#onDelivery?.('failed')
      this.#end()
      this.#controller?.abort(new ClientGone())
      return RESPONSE_ALREADY_SENT
    }
    try {
      outgoing.writeHead(status, answerHeaders(raw, change.headers))
    } catch (error) {
      this.#end()
      this.#controller?.abort(new Error('the answer cannot be sent on'))
      throw error
    }
    if (this.#ending === 'complete') this.#complete()
    else if (this.#ending === 'lost') this.#cut()
    else this.#flow()
    return RESPONSE_ALREADY_SENT
  }

  /** Lets the body come. The head does not wait for it, but goes out together with what is here already. */
  #flow(): void {
    this.#controller?.resume()
    if (!this.#wrote && !this.#over) this.#deps.outgoing.flushHeaders()
  }

  #awaitDrain(): void {
    const { outgoing, clock, writeTimeoutMs } = this.#deps
    this.#stall ??= clock.after(writeTimeoutMs, () => this.#cutStalled())
    outgoing.once('drain', () => {
      this.#stall?.cancel()
      this.#stall = undefined
      this.#controller?.resume()
    })
  }

  /** The answer is complete: what the sockets still hold is on its way to the client. */
  #complete(): void {
    const { outgoing, watch, clock, writeTimeoutMs } = this.#deps
    const { socket } = outgoing
    const onDelivery = this.#onDelivery
    const stall = clock.after(writeTimeoutMs, () => this.#cutStalled())
    let ended = false
    outgoing.once('finish', () => {
      ended = true
      stall.cancel()
      if (!onDelivery) return
      onDelivery('ended')
      if (socket) watch.answered(socket, onDelivery)
    })
    outgoing.once('close', () => {
      stall.cancel()
      if (!ended) onDelivery?.('failed')
    })
    this.#end()
    if (socket && onDelivery) watch.expect(socket)
    outgoing.end()
  }

  #cutStalled(): void {
    const { outgoing, onWriteStalled } = this.#deps
    // The listener looks for stalled connections too, and may have been first.
    if (!outgoing.destroyed) onWriteStalled()
    outgoing.destroy()
  }

  /** The rest of the answer will not come: the client must see that it is cut short, so no last chunk is sent. */
  #cut(): void {
    this.#onDelivery?.('failed')
    this.#end()
    this.#deps.outgoing.destroy()
  }

  #discard(): void {
    if (this.#over) return
    this.#stage = 'discarding'
    if (this.#ending !== undefined) this.#end()
    else this.#controller?.resume()
  }

  readonly #onAbort = (): void => {
    if (this.#over) return
    const reason = this.#deps.outgoing.destroyed
      ? new ClientGone()
      : new UpstreamFailure(this.#stage === 'unsent' ? 'unsent' : 'sent', 'withdrawn')
    if (this.#stage === 'unsent' || this.#stage === 'sent') this.#settle.reject(reason)
    else if (this.#stage === 'delivering') this.#onDelivery?.('failed')
    const delivering = this.#stage === 'delivering'
    this.#end()
    this.#controller?.abort(reason)
    if (delivering) this.#deps.outgoing.destroy()
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    this.#stall?.cancel()
    for (const signal of this.#signals) signal.removeEventListener('abort', this.#onAbort)
    this.#onEnd?.()
  }
}

/** Errors of a dial: the connection never was, so nothing can have been sent. */
const dialCodes: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EADDRNOTAVAIL',
  'EHOSTDOWN',
  'UND_ERR_CONNECT_TIMEOUT',
])

const slowCodes: ReadonlySet<string> = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])

/**
 * A driver's error in our terms. RestError badFraming is for a head that cannot be sent on.
 * @param stage unclear: only the code tells. A connection that was established can end with the code of a dial, too
 *   (EHOSTUNREACH), and may have brought the request.
 */
export function failureOf(error: unknown, stage: FailureStage | 'unclear'): Error {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'UND_ERR_INVALID_ARG') return new RestError('badFraming', undefined, { cause: error })
  if (stage !== 'sent') {
    if (isRefusal(error)) return new UpstreamFailure('unsent', 'refused', { cause: error })
    if (dialCodes.has(code) || stage === 'unsent')
      return new UpstreamFailure('unsent', 'unreachable', { cause: error })
  }
  return new UpstreamFailure('sent', slowCodes.has(code) ? 'slow' : 'lost', { cause: error })
}

/** A name with several addresses refuses only when all of them do. */
function isRefusal(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(isRefusal)
  return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED'
}

function flatHeaders(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  if (!Array.isArray(raw)) return []
  return raw.map(part => (typeof part === 'string' ? part : part.toString('latin1')))
}

function headerOf(raw: readonly string[], name: string): string | undefined {
  for (let index = 0; index + 1 < raw.length; index += 2) {
    if (raw[index]?.toLowerCase() === name) return raw[index + 1]
  }
  return undefined
}
