import { Agent } from 'undici'
import type { Clock } from '../../shared/clock.ts'
import type { HttpEnv } from '../../shared/http/listen.ts'
import type { NodeTls } from '../../shared/http/node-tls.ts'
import { ConnectionWatch } from './connection-watch.ts'
import type { ClientRequest, Forwarder, NodeQuestion, NodeReply } from './forwarder.ts'
import { UpstreamFailure } from './forwarder.ts'
import { NodeClientRequest } from './node-client-request.ts'
import { failureOf } from './node-exchange.ts'

export interface NodeForwarderOptions {
  readonly clock: Clock
  readonly connectTimeoutMs: number
  /** For nodes with https urls. */
  readonly tls: NodeTls
  /** Until the head of an answer. */
  readonly responseTimeoutMs: number
  /** Between two parts of an answer's body. */
  readonly bodyTimeoutMs: number
  /** How long an idle connection to a node is kept. */
  readonly idleTimeoutMs: number
  /** How long a client may take no bytes of an answer. */
  readonly writeTimeoutMs: number
  /** A client took none for so long: its connection is cut. */
  readonly onWriteStalled: () => void
  /** How long a client may take to end a connection after its last answer, where its delivery matters. */
  readonly lingerMs: number
  /** Largest request body. */
  readonly bodyBytesMax: number
}

/** Answers to questions are a few words; more is not read. */
const replyBytesMax = 64 * 1024

/** Longest head of a node's answer. */
const headBytesMax = 64 * 1024

/**
 * Forwards on Node's own sockets: the client's side is the raw request of the HTTP server, the node's side undici's
 * dispatcher, which hands over each part of an answer as it comes. No body is held beyond what the sockets buffer, and
 * each side is read only as fast as the other takes it.
 */
export class NodeForwarder implements Forwarder {
  readonly #options: NodeForwarderOptions
  readonly #watch: ConnectionWatch
  readonly #agent: Agent
  /** Keeps no connection: for questions that must be answered by whoever listens now. */
  readonly #dialing: Agent

  constructor(options: NodeForwarderOptions) {
    this.#options = options
    this.#watch = new ConnectionWatch({ clock: options.clock, lingerMs: options.lingerMs })
    const common = {
      connect: { ...options.tls, timeout: options.connectTimeoutMs },
      headersTimeout: options.responseTimeoutMs,
      bodyTimeout: options.bodyTimeoutMs,
      keepAliveTimeout: options.idleTimeoutMs,
      keepAliveMaxTimeout: options.idleTimeoutMs,
      maxHeaderSize: headBytesMax,
    }
    this.#agent = new Agent({ ...common, pipelining: 1 })
    this.#dialing = new Agent({ ...common, pipelining: 0 })
  }

  accept(_request: Request, env: unknown): ClientRequest {
    // The listener of this process hands every request over with its raw pair.
    const { incoming, outgoing } = env as HttpEnv
    const { clock, bodyBytesMax, writeTimeoutMs, onWriteStalled } = this.#options
    return new NodeClientRequest(incoming, outgoing, {
      connection: this.#watch.requestOn(incoming.socket),
      agent: this.#agent,
      watch: this.#watch,
      clock,
      bodyBytesMax,
      writeTimeoutMs,
      onWriteStalled,
    })
  }

  async ask(question: NodeQuestion): Promise<NodeReply> {
    const { origin, method, path, headers, body, timeoutMs, newConnection } = question
    const deadline = new AbortController()
    const timer = this.#options.clock.after(timeoutMs, () =>
      deadline.abort(new UpstreamFailure('sent', 'slow')),
    )
    try {
      const reply = await (newConnection ? this.#dialing : this.#agent).request({
        origin,
        method,
        path,
        headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
        body: body ?? null,
        signal: deadline.signal,
      })
      return { status: reply.statusCode, body: await boundedText(reply.body) }
    } catch (error) {
      throw error instanceof UpstreamFailure ? error : failureOf(error, 'unclear')
    } finally {
      timer.cancel()
    }
  }

  async stop(): Promise<void> {
    await Promise.all([this.#agent.destroy(), this.#dialing.destroy()])
  }
}

async function boundedText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > replyBytesMax) throw new UpstreamFailure('sent', 'lost')
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}
