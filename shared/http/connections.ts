import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../clock.ts'
import type { RestErrorName } from '../errors/rest-errors.ts'
import { isBodyHeld, isLongBody } from './body-admission.ts'
import {
  type Connection,
  type Exchange,
  failureRow,
  hasBody,
  isBodyLeft,
  isClientSilent,
  isEnd,
  mayHaveLostBytes,
  offersUpgrade,
  peerOf,
} from './exchange.ts'
import { refusalBytes, refuse } from './refusal.ts'

/** What clients do wrong or suffer below the app: for a metric. */
export type ListenerTrouble =
  | 'connection_refused'
  | 'head_refused'
  | 'head_timeout'
  | 'body_timeout'
  | 'body_truncated'
  | 'write_stalled'

export interface ConnectionsDeps {
  readonly clock: Clock
  readonly connectionsMax: number
  /** How long a client may take no bytes of an answer, or send none of a body that is waited for. */
  readonly stallTimeoutMs: number
  /** How long a whole body may take; 0 = any time. */
  readonly bodyTimeoutMs: number
  readonly onTrouble: (trouble: ListenerTrouble) => void
  /** Answers one request. */
  readonly serve: (incoming: IncomingMessage, outgoing: ServerResponse) => void
}

/** Requests that a client may send ahead of the answer that it waits for. */
const pipelinedMax = 32
/** How long a client may go on sending, and being read, after an answer that did not wait for all of it. */
const lingerMs = 2000
/** How long a request that was half received when the server stops may take to arrive. */
const halfReceivedMs = 2000

/**
 * The connections of a listener, and what is under way on each: one request at a time (RFC 9112 §9.3.2
 * forbids to serve pipelined ones in parallel unless all are safe), closed in a way that lets the client read
 * the last answer.
 */
export class Connections {
  readonly #deps: ConnectionsDeps
  readonly #open = new Map<Socket, Connection>()
  /** TLS connections in their handshake, by the client's address and port. */
  readonly #greeting = new Map<string, Socket>()
  readonly #exchangeOf = new WeakMap<IncomingMessage, Exchange>()
  #inFlight = 0
  #closing = false

  constructor(deps: ConnectionsDeps) {
    this.#deps = deps
  }

  get open(): number {
    return this.#open.size
  }

  /** Requests begun and not yet answered to the end. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** From now on every answer closes its connection. */
  closeAfterAnswers(): void {
    this.#closing = true
  }

  /** A TCP connection that must shake hands before it is one of ours. */
  greet(socket: Socket): void {
    const peer = peerOf(socket)
    this.#greeting.set(peer, socket)
    socket.once('close', () => {
      if (this.#greeting.get(peer) === socket) this.#greeting.delete(peer)
    })
  }

  /** A connection that requests can come on. */
  add(socket: Socket): void {
    const excess = this.#open.size >= this.#deps.connectionsMax
    if (excess) this.#deps.onTrouble('connection_refused')
    const connection: Connection = {
      socket,
      excess,
      exchanges: [],
      bytesAtIdle: 0,
      deaf: false,
      failure: undefined,
      failureUntold: false,
      lingering: false,
    }
    this.#greeting.delete(peerOf(socket))
    this.#open.set(socket, connection)
    const destroySoon = socket.destroySoon.bind(socket)
    // How Node's server closes a connection after its last answer.
    socket.destroySoon = () => this.#closeSoon(connection, destroySoon)
    socket.once('close', () => {
      this.#open.delete(socket)
      for (const exchange of connection.exchanges) this.#end(exchange)
    })
  }

  /** A request whose head is complete. */
  begin(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { socket } = incoming
    const connection = this.#open.get(socket)
    if (!connection || connection.deaf) return
    const { exchanges } = connection
    const waiting = exchanges.at(-1)
    if (waiting && (exchanges.length > pipelinedMax || offersUpgrade(waiting.incoming))) {
      connection.deaf = true
      waiting.last = true
      return
    }
    const exchange: Exchange = {
      connection,
      incoming,
      outgoing,
      bytesBefore: socket.bytesRead,
      bytesAtIdle: waiting ? undefined : connection.bytesAtIdle,
      bodyTimer: undefined,
      refused: false,
      last: connection.excess,
      over: false,
    }
    exchanges.push(exchange)
    socket.setTimeout(this.#deps.stallTimeoutMs)
    this.#exchangeOf.set(incoming, exchange)
    this.#inFlight++
    outgoing.once('close', () => this.#done(exchange))
    // A write to a client that is gone is no reason for the process to end; the answer's `close` tells its
    // story.
    outgoing.on('error', () => {})
    this.#limitBody(exchange)
    if (mayHaveLostBytes(exchange)) {
      connection.deaf = true
      exchange.last = true
    }
    if (exchanges.length === 1) this.#serve(exchange)
  }

  /**
   * Whether the answer to a request must announce the end of its connection. Asked when its head is written.
   */
  mustClose(incoming: IncomingMessage): boolean {
    const exchange = this.#exchangeOf.get(incoming)
    if (this.#closing || !exchange || exchange.last) return true
    return isBodyLeft(exchange) || mayHaveLostBytes(exchange)
  }

  /**
   * Node's parser gave up on a connection, the head took too long, or the client left in the middle of a
   * request. Called again with each further chunk of bytes.
   */
  fail(error: NodeJS.ErrnoException, socket: Socket): void {
    const connection = this.#open.get(socket)
    const row = failureRow(error.code)
    if (!connection || !row || !socket.writable) {
      if (!connection?.lingering || !row || isEnd(error)) socket.destroy()
      return
    }
    if (connection.failure) return
    // Connections that browsers open ahead of need get no answer to a question that they never asked.
    if (socket.bytesRead === 0) return void socket.destroy()
    connection.failure = row
    const newest = connection.exchanges.at(-1)
    if (newest && !newest.incoming.complete) {
      this.#failBody(newest, isEnd(error) ? 'bodyTruncated' : row)
      return
    }
    this.#deps.onTrouble(row === 'requestTimeout' ? 'head_timeout' : 'head_refused')
    connection.failureUntold = true
    if (!newest) this.#tellFailure(connection)
  }

  /** CONNECT: this is no proxy. Node has let go of the connection by now. */
  refuseTunnel(socket: Socket): void {
    const connection = this.#open.get(socket)
    socket.on('error', () => {})
    if (!connection || connection.exchanges.length > 0) return void socket.destroy()
    this.#deps.onTrouble('head_refused')
    connection.failure = 'badTarget'
    this.#tellFailure(connection)
    socket.resume()
  }

  /** Nothing happened on a connection for a while. */
  stalled(socket: Socket): void {
    const connection = this.#open.get(socket)
    const newest = connection?.exchanges.at(-1)
    // As after a last answer: whoever follows what became of it waits for the client to end its side.
    if (!newest) return void socket.destroySoon()
    if (socket.writableLength > 0) {
      this.#deps.onTrouble('write_stalled')
      socket.destroy()
      return
    }
    if (isClientSilent(newest)) this.#failBody(newest, 'requestTimeout')
    // Else the app is at work, and the client waits for us.
    else socket.setTimeout(this.#deps.stallTimeoutMs)
  }

  /**
   * Closes what is idle at once and the rest as it is answered; what is only half received has a short while.
   * @param closed resolves when the server has no connection left.
   */
  async drain(closed: Promise<void>, deadlineMs: number): Promise<void> {
    const { clock } = this.#deps
    this.#closing = true
    for (const socket of this.#greeting.values()) socket.destroy()
    this.#destroyWithoutExchange(({ socket }) => socket.bytesRead === 0)
    const timers = [
      clock.after(Math.min(halfReceivedMs, deadlineMs), () => this.#destroyWithoutExchange(() => true)),
      clock.after(deadlineMs, () => {
        for (const socket of [...this.#open.keys(), ...this.#greeting.values()]) socket.destroy()
      }),
    ]
    await closed
    for (const timer of timers) timer.cancel()
  }

  #destroyWithoutExchange(chosen: (connection: Connection) => boolean): void {
    for (const connection of this.#open.values())
      if (connection.exchanges.length === 0 && chosen(connection)) connection.socket.destroy()
  }

  #serve(exchange: Exchange): void {
    const { incoming, outgoing, connection } = exchange
    if (!connection.excess) this.#deps.serve(incoming, outgoing)
    else {
      exchange.refused = true
      refuse(outgoing, 'tooManyConnections')
    }
  }

  #limitBody(exchange: Exchange): void {
    const { clock, bodyTimeoutMs } = this.#deps
    const { incoming } = exchange
    if (bodyTimeoutMs === 0 || !hasBody(incoming)) return
    exchange.bodyTimer = clock.after(bodyTimeoutMs, () => {
      if (!incoming.complete && !isBodyHeld(incoming) && !isLongBody(incoming))
        this.#failBody(exchange, 'requestTimeout')
    })
  }

  /** The rest of a body will not come, or is not waited for. */
  #failBody(exchange: Exchange, row: RestErrorName): void {
    if (exchange.refused) return
    this.#deps.onTrouble(row === 'requestTimeout' ? 'body_timeout' : 'body_truncated')
    exchange.refused = true
    exchange.last = true
    const { incoming, outgoing, connection } = exchange
    connection.deaf = true
    // Node forgets a request that was answered: whoever still reads its body would wait for ever.
    connection.socket.once('close', () => incoming.destroy(new Error('the body ended early')))
    // An answer that has begun cannot be taken back: what is written goes out, and the connection ends.
    if (outgoing.headersSent) connection.socket.destroySoon()
    else refuse(outgoing, row)
  }

  #done(exchange: Exchange): void {
    this.#end(exchange)
    const { connection } = exchange
    const { exchanges, socket } = connection
    if (exchanges[0] === exchange) exchanges.shift()
    if (!socket.writable) return
    if (exchange.last) {
      // Its head may have been out before that was known.
      socket.destroySoon()
      return
    }
    connection.bytesAtIdle = socket.bytesRead
    const next = exchanges[0]
    if (next) {
      if (!next.refused) this.#serve(next)
    } else if (connection.failureUntold) this.#tellFailure(connection)
    // Its head promised to keep the connection, before the server was told to stop.
    else if (this.#closing) socket.destroySoon()
  }

  #end(exchange: Exchange): void {
    if (exchange.over) return
    exchange.over = true
    exchange.bodyTimer?.cancel()
    this.#inFlight--
  }

  #tellFailure(connection: Connection): void {
    connection.failureUntold = false
    const { socket, failure } = connection
    if (failure && socket.writable) socket.write(refusalBytes(failure))
    socket.destroySoon()
  }

  /**
   * Closes a connection after its last answer. Destroying it while the client still sends makes the kernel
   * answer the bytes that nobody read with a reset, and a reset throws away what the client has not read yet:
   * the answer. So our side ends, and the client's bytes are read and dropped until it ends its own, for a
   * bounded time.
   */
  #closeSoon(connection: Connection, destroySoon: () => void): void {
    const { socket, exchanges } = connection
    if (connection.lingering) return
    const isOwed =
      connection.deaf || connection.failure || exchanges.some(({ incoming }) => !incoming.complete)
    if (!isOwed || socket.destroyed || socket.readableEnded) {
      destroySoon()
      return
    }
    connection.lingering = true
    const timer = this.#deps.clock.after(lingerMs, () => socket.destroy())
    socket.once('close', () => timer.cancel())
    socket.once('end', () => socket.destroy())
    socket.end()
    for (const { incoming } of exchanges) incoming.resume()
  }
}
