/**
 * How requests reach proxy nodes. A port: the gateway decides where a request goes and whether it may go again; an
 * adapter moves the bytes. node-forwarder.ts works on Node's sockets, fetch-forwarder.ts on any runtime with `fetch`;
 * one contract suite runs on both.
 */
export interface Forwarder {
  /**
   * Opens the gateway's side of one client request. Nothing of the body is read yet.
   * @param env what the runtime hands its app besides the request.
   */
  accept(request: Request, env: unknown): ClientRequest
  /**
   * A short question to a process of the system. Rejects with UpstreamFailure when there is no answer in time.
   */
  ask(question: NodeQuestion): Promise<NodeReply>
  /** Lets go of all connections. */
  stop(): Promise<void>
}

/** One request of a client. */
export interface ClientRequest {
  readonly method: string
  /** The request target as it came, never folded or decoded. */
  readonly target: string
  /** A header's value; several of a name are joined by `, `. Names in lower case. */
  header(name: string): string | undefined
  /** Of the connection that it came on. */
  readonly scheme: 'http' | 'https'
  /** The address of whoever connected, without a port. */
  readonly peerAddress: string | undefined
  /** Names the client's connection within this process; absent where the runtime does not show it. */
  readonly connection?: string
  /** Bytes of the body as declared; 0: none; undefined: it comes in chunks. */
  readonly bodyLength: number | undefined
  /** Aborts when the client is gone before its answer was complete. */
  readonly signal: AbortSignal
  /**
   * Reads the whole body into memory if it has at most `bytesMax` bytes, so that it can be sent more than once.
   * @returns undefined when it is larger; it then streams, once.
   * @throws RestError payloadTooLarge; ClientGone.
   */
  hold(bytesMax: number): Promise<Uint8Array | undefined>
  /**
   * Tries a node once, and waits for the head of its answer.
   * @throws UpstreamFailure; RestError payloadTooLarge or badFraming; ClientGone.
   */
  send(attempt: Attempt): Promise<UpstreamAnswer>
}

export interface Attempt {
  /** `http(s)://host:port` of the node. */
  readonly origin: string
  /** Headers of the gateway's own, in lower case; they replace those of the client. */
  readonly headers: Readonly<Record<string, string>>
  /** Gives up on the node, when it turns out to be gone. */
  readonly signal?: AbortSignal
  /** Called once, when the exchange with the node has ended in any way. */
  readonly onEnd?: () => void
}

/** The head of a node's answer; the body waits until one of the two methods is called. */
export interface UpstreamAnswer {
  readonly status: number
  header(name: string): string | undefined
  /** Throws the body away. */
  discard(): void
  /** Streams the answer to the client, and returns at once what the app must return. */
  deliver(change: AnswerChange): Response
}

export interface AnswerChange {
  /** Headers that replace those of the node's answer, in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Told how it went; see Delivery. */
  readonly onDelivery?: (delivery: Delivery) => void
}

/**
 * How an answer fared. `ended`: its last byte was handed to the operating system, which is not yet received; it is
 * followed by one of the others. `received`: after that the client sent another request on the connection, or ended
 * it in order. `failed`: the connection was lost, before or after `ended`.
 */
export type Delivery = 'ended' | 'received' | 'failed'

export interface NodeQuestion {
  readonly origin: string
  readonly method: 'GET' | 'POST'
  /** Raw path. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** JSON. */
  readonly body?: string
  readonly timeoutMs: number
  /** Whether to dial anew rather than use a kept connection, which may be that of a process that is gone. */
  readonly newConnection: boolean
}

export interface NodeReply {
  readonly status: number
  /** At most 64 KiB of text. */
  readonly body: string
}

/** How far a failed try got: `unsent` cannot have been applied, `sent` may have been. */
export type FailureStage = 'unsent' | 'sent'

/**
 * refused: the connection was refused; unreachable: no connection for another reason; slow: no answer in time; lost:
 * the connection was lost; withdrawn: the gateway gave up on the node (Attempt.signal).
 */
export type FailureReason = 'refused' | 'unreachable' | 'slow' | 'lost' | 'withdrawn'

/** A try that brought no answer. */
export class UpstreamFailure extends Error {
  readonly stage: FailureStage
  readonly reason: FailureReason

  constructor(stage: FailureStage, reason: FailureReason, options?: { cause?: unknown }) {
    super(`the proxy node did not answer: ${stage}, ${reason}`, options)
    this.name = 'UpstreamFailure'
    this.stage = stage
    this.reason = reason
  }
}

/** The client left; nobody is there to be answered. */
export class ClientGone extends Error {
  constructor() {
    super('the client closed the connection')
    this.name = 'ClientGone'
  }
}
