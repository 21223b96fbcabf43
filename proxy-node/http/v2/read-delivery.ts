import type { Socket } from 'node:net'
import type { Clock } from '../../../shared/clock.ts'
import { ReadOutcome } from '../../services/read-outcomes.ts'
import type { NodeRequest } from '../handler.ts'
import { callOf } from './consumers-lookup.ts'

/**
 * Follows what becomes of the answer to one read. Through a gateway the end of the write is all that is seen here: the
 * gateway reports the rest. On a direct connection the client itself shows it: its next request, or the orderly end of
 * the connection, comes after it has read the answer.
 */
export function followDelivery(
  request: NodeRequest,
  options: { readonly clock: Clock; readonly lingerMs: number },
): ReadOutcome {
  const { outgoing, incoming } = request
  const id = crypto.randomUUID()
  const { way } = callOf(request)
  const watch = request.gateway === undefined ? watchOf(incoming.socket, options) : undefined
  const outcome = new ReadOutcome(id, way, () => watch?.hasSentSince(outcome) ?? false)
  watch?.follow(outcome)
  outgoing.once('finish', () => {
    watch?.written(outcome)
    outcome.written()
  })
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) outcome.lost()
  })
  return outcome
}

/** One client connection, with the answers on it whose delivery is not known yet. */
class ConnectionWatch {
  readonly #socket: Socket
  /** Bytes that the client had sent when the answer was written to its end; undefined while it is being written. */
  readonly #pending = new Map<ReadOutcome, number | undefined>()

  constructor(socket: Socket, options: { readonly clock: Clock; readonly lingerMs: number }) {
    this.#socket = socket
    socket.once('end', () => this.#settle(outcome => outcome.delivered()))
    // Sooner than 'close', which comes only after the event loop has looked at all other connections.
    socket.once('error', () => this.#settle(outcome => outcome.lost()))
    socket.once('close', () =>
      this.#settle(outcome => (this.hasSentSince(outcome) ? outcome.delivered() : outcome.lost())),
    )
    this.#linger(options)
  }

  follow(outcome: ReadOutcome): void {
    this.#pending.set(outcome, undefined)
  }

  /** Called with each read: earlier answers on this connection were read by the client. */
  nextRequest(): void {
    this.#settle(outcome => outcome.delivered())
  }

  written(outcome: ReadOutcome): void {
    this.#pending.set(outcome, this.#socket.bytesRead)
  }

  /** Whether the client has sent anything since the answer: it goes on, so it has read it. */
  hasSentSince(outcome: ReadOutcome): boolean {
    const before = this.#pending.get(outcome)
    return before !== undefined && this.#socket.bytesRead > before
  }

  /** Decides about the answers that were written to their end. */
  #settle(decide: (outcome: ReadOutcome) => void): void {
    for (const [outcome, before] of this.#pending) {
      if (before === undefined && !this.#socket.destroyed) continue
      if (before !== undefined) decide(outcome)
      this.#pending.delete(outcome)
    }
  }

  /**
   * On the last answer of a connection, and when it was idle for long, the server would close it as soon as the bytes
   * are with the operating system, and never learn whether the client read them. Instead only the sending side is
   * closed, and the client's own close is waited for: then 'end' or a reset tells.
   */
  #linger({ clock, lingerMs }: { readonly clock: Clock; readonly lingerMs: number }): void {
    const socket = this.#socket
    const destroySoon = socket.destroySoon
    socket.destroySoon = () => {
      socket.destroySoon = destroySoon
      if (this.#pending.size === 0 || socket.destroyed) return socket.destroySoon()
      socket.once('end', () => socket.destroy())
      const timer = clock.after(lingerMs, () => socket.destroy())
      socket.once('close', () => timer.cancel())
      socket.end()
      // The parser that read this socket has let go of it.
      socket.resume()
    }
  }
}

const watches = new WeakMap<Socket, ConnectionWatch>()

function watchOf(
  socket: Socket,
  options: { readonly clock: Clock; readonly lingerMs: number },
): ConnectionWatch {
  const known = watches.get(socket)
  known?.nextRequest()
  const watch = known ?? new ConnectionWatch(socket, options)
  if (known === undefined) watches.set(socket, watch)
  return watch
}
