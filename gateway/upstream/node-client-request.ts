import type { IncomingMessage, ServerResponse } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { Agent, Dispatcher } from 'undici'
import type { Clock } from '../../shared/clock.ts'
import { RestError } from '../../shared/errors/rest-error.ts'
import { admitBody } from '../../shared/http/body-admission.ts'
import { ClientBody } from './client-body.ts'
import type { ConnectionWatch } from './connection-watch.ts'
import { type Attempt, ClientGone, type ClientRequest, type UpstreamAnswer } from './forwarder.ts'
import { requestHeaders } from './headers.ts'
import { NodeExchange } from './node-exchange.ts'

export interface NodeClientDeps {
  readonly connection: string
  readonly agent: Agent
  readonly watch: ConnectionWatch
  readonly clock: Clock
  readonly bodyBytesMax: number
  readonly writeTimeoutMs: number
  readonly onWriteStalled: () => void
}

/** A client's request on Node's HTTP server. */
export class NodeClientRequest implements ClientRequest {
  readonly method: string
  readonly target: string
  readonly bodyLength: number | undefined
  readonly connection: string
  readonly #incoming: IncomingMessage
  readonly #outgoing: ServerResponse
  readonly #deps: NodeClientDeps
  #signal: AbortSignal | undefined
  #held: Uint8Array | undefined
  /** Chunks that `hold` read before it found the body too large. */
  #ahead: Uint8Array[] = []

  constructor(incoming: IncomingMessage, outgoing: ServerResponse, deps: NodeClientDeps) {
    this.#incoming = incoming
    this.#outgoing = outgoing
    this.#deps = deps
    this.connection = deps.connection
    this.method = incoming.method ?? 'GET'
    this.target = incoming.url ?? '/'
    this.bodyLength = declaredLength(incoming)
    if (this.bodyLength === 0) this.#held = new Uint8Array()
  }

  header(name: string): string | undefined {
    const value = this.#incoming.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  get scheme(): 'http' | 'https' {
    return this.#incoming.socket instanceof TLSSocket ? 'https' : 'http'
  }

  get peerAddress(): string | undefined {
    return this.#incoming.socket.remoteAddress
  }

  get signal(): AbortSignal {
    if (this.#signal) return this.#signal
    const controller = new AbortController()
    this.#signal = controller.signal
    const onClose = () => {
      if (!this.#outgoing.writableFinished) controller.abort(new ClientGone())
    }
    if (this.#outgoing.closed || this.#outgoing.destroyed) onClose()
    else this.#outgoing.once('close', onClose)
    return this.#signal
  }

  async hold(bytesMax: number): Promise<Uint8Array | undefined> {
    if (this.#held) return this.#held
    if (this.bodyLength !== undefined && this.bodyLength > bytesMax) return undefined
    admitBody(this.#incoming, this.#outgoing)
    const chunks: Uint8Array[] = []
    let bytes = 0
    try {
      const parts = this.#incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>
      for await (const chunk of parts) {
        chunks.push(chunk)
        bytes += chunk.length
        if (bytes > bytesMax) {
          this.#ahead = chunks
          return undefined
        }
      }
    } catch (cause) {
      throw this.#incoming.complete ? cause : new ClientGone()
    }
    this.#held = Buffer.concat(chunks)
    return this.#held
  }

  send(attempt: Attempt): Promise<UpstreamAnswer> {
    if (this.bodyLength !== undefined && this.bodyLength > this.#deps.bodyBytesMax) {
      attempt.onEnd?.()
      return Promise.reject(new RestError('payloadTooLarge'))
    }
    const { agent, watch, clock, writeTimeoutMs, onWriteStalled } = this.#deps
    return new Promise((resolve, reject) => {
      const outgoing = this.#outgoing
      const settle = { resolve, reject }
      const signals = attempt.signal ? [this.signal, attempt.signal] : [this.signal]
      const exchange = new NodeExchange(
        { outgoing, watch, clock, writeTimeoutMs, onWriteStalled },
        signals,
        settle,
        attempt.onEnd,
      )
      if (exchange.over) return
      try {
        agent.dispatch(this.#dispatchOptions(attempt), exchange)
      } catch (error) {
        exchange.onResponseError(undefined, error)
      }
    })
  }

  #dispatchOptions(attempt: Attempt): Dispatcher.DispatchOptions {
    const held = this.#held
    return {
      origin: attempt.origin,
      path: this.target,
      // Any token is a method; which ones exist is the node's to say.
      method: this.method as Dispatcher.HttpMethod,
      headers: requestHeaders(this.#incoming.rawHeaders, attempt.headers, {
        // undici counts held bytes itself; a POST without a body keeps its `Content-Length: 0`.
        withLength: held === undefined || held.length === 0,
        withHost: attempt.origin.startsWith('http:'),
      }),
      body: held === undefined ? this.#stream() : held.length === 0 ? null : held,
      // Never two requests at once on a connection: the second would share the fate of the first.
      idempotent: false,
      blocking: true,
    }
  }

  #stream(): ClientBody {
    admitBody(this.#incoming, this.#outgoing)
    return new ClientBody(this.#incoming, this.#ahead, this.#deps.bodyBytesMax)
  }
}

function declaredLength(incoming: IncomingMessage): number | undefined {
  if (incoming.headers['transfer-encoding'] !== undefined) return undefined
  return Number(incoming.headers['content-length'] ?? 0)
}
