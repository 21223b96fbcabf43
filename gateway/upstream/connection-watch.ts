import type { Socket } from 'node:net'
import type { Clock } from '../../shared/clock.ts'
import type { Delivery } from './forwarder.ts'

type Listener = (delivery: Delivery) => void

interface Watched {
  readonly id: string
  /** An answer is being written whose delivery somebody wants to know. */
  expecting: boolean
  /** Who waits to learn what became of the last answer. */
  listener: Listener | undefined
  /** We ended our side and wait for the client to end its own. */
  lingering: boolean
}

/**
 * Learns from a client's connection whether an answer that was written on it arrived: the client's next request or
 * orderly end says so, a reset says the contrary.
 */
export class ConnectionWatch {
  readonly #watched = new WeakMap<Socket, Watched>()
  readonly #clock: Clock
  readonly #lingerMs: number
  #connections = 0

  /** @param options.lingerMs how long a client may take to end a connection after its last answer. */
  constructor(options: { readonly clock: Clock; readonly lingerMs: number }) {
    this.#clock = options.clock
    this.#lingerMs = options.lingerMs
  }

  /** A request came in on the connection. @returns a name of the connection, unique in this process. */
  requestOn(socket: Socket): string {
    const watched = this.#watch(socket)
    this.#decide(watched, 'received')
    return watched.id
  }

  /** The delivery of the answer that is about to end will be asked for. */
  expect(socket: Socket): void {
    this.#watch(socket).expecting = true
  }

  /** All bytes of an answer were handed over; `listener` learns once what became of them. */
  answered(socket: Socket, listener: Listener): void {
    const watched = this.#watch(socket)
    watched.expecting = false
    this.#decide(watched, 'received')
    if (socket.destroyed) listener(socket.errored === null ? 'received' : 'failed')
    else watched.listener = listener
  }

  #watch(socket: Socket): Watched {
    const known = this.#watched.get(socket)
    if (known) return known
    const id = String(++this.#connections)
    const watched: Watched = { id, expecting: false, listener: undefined, lingering: false }
    this.#watched.set(socket, watched)
    socket.once('end', () => this.#decide(watched, 'received'))
    // Sooner than 'close', which comes only after the event loop has looked at all other connections: the client's
    // next request, on one of those, must find the failure known.
    socket.once('error', () => this.#decide(watched, 'failed'))
    // Without an error it is our own end of an idle connection; but a client that did not end its side while we
    // waited for that may never have read the answer.
    socket.once('close', hadError =>
      this.#decide(watched, hadError || watched.lingering ? 'failed' : 'received'),
    )
    this.#lingerOnClose(socket, watched)
    return watched
  }

  #decide(watched: Watched | undefined, delivery: Delivery): void {
    const listener = watched?.listener
    if (!watched || !listener) return
    watched.listener = undefined
    listener(delivery)
  }

  /**
   * After the last answer of a connection Node's server closes it as soon as the bytes are with the operating system,
   * and would never learn of a reset. Here only our side ends then, and the client's own end is waited for.
   */
  #lingerOnClose(socket: Socket, watched: Watched): void {
    const destroySoon = socket.destroySoon.bind(socket)
    socket.destroySoon = () => {
      if (!watched.expecting || watched.lingering || socket.destroyed) return destroySoon()
      watched.lingering = true
      const timer = this.#clock.after(this.#lingerMs, () => socket.destroy())
      socket.once('close', () => timer.cancel())
      socket.once('end', () => socket.destroy())
      socket.end()
      // The parser that read this connection has let go of it.
      socket.resume()
    }
  }
}
