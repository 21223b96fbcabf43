import { connect, type Socket } from 'node:net'
import type { Answer } from './response-reader.ts'
import { ResponseReader } from './response-reader.ts'

/** What becomes of one request: an answer and how long it took, or an error code. */
export interface Outcome {
  readonly answer: Answer | undefined
  /** `status 503`, `ECONNRESET`, `timeout` … when it failed. */
  readonly error: string | undefined
  readonly ms: number
}

/** Longest wait for an answer. */
const ANSWER_TIMEOUT_MS = 60_000

/**
 * A keep-alive connection with one request under way. It is opened by the first request, and again by the next one
 * after it was closed; the time of opening counts as time of the request.
 */
export class LoadConnection {
  readonly #place: { readonly host: string; readonly port: number }
  #socket: Socket | undefined
  #reader = new ResponseReader()
  #waiting: ((outcome: Outcome) => void) | undefined
  #begunAt = 0

  constructor(place: { readonly host: string; readonly port: number }) {
    this.#place = place
  }

  /** Sends a request; `onOutcome` is called exactly once, never before this returns, unless `close` comes first. */
  send(request: Buffer, onOutcome: (outcome: Outcome) => void): void {
    if (this.#waiting) throw new Error('one request at a time')
    this.#waiting = onOutcome
    this.#begunAt = performance.now()
    this.#socket ??= this.#open()
    this.#socket.write(request)
  }

  /** Ends the connection; a request under way is forgotten. */
  close(): void {
    this.#waiting = undefined
    this.#socket?.destroy()
    this.#socket = undefined
  }

  #open(): Socket {
    const socket = connect({ ...this.#place, noDelay: true })
    this.#reader = new ResponseReader()
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => {
      if (this.#waiting) this.#fail(socket, 'timeout')
    })
    socket.on('data', chunk => this.#take(socket, chunk))
    socket.on('error', (error: NodeJS.ErrnoException) => this.#fail(socket, error.code ?? error.name))
    socket.on('close', () => this.#fail(socket, 'closed'))
    return socket
  }

  #take(socket: Socket, chunk: Buffer): void {
    if (socket !== this.#socket) return
    try {
      const answer = this.#reader.push(chunk)
      if (!answer) return
      if (answer.closes) this.#drop(socket)
      const error = answer.status < 300 ? undefined : `status ${answer.status}`
      this.#finish({ answer, error })
    } catch {
      this.#fail(socket, 'no HTTP')
    }
  }

  #fail(socket: Socket, error: string): void {
    if (socket !== this.#socket) return
    this.#drop(socket)
    this.#finish({ answer: undefined, error })
  }

  #drop(socket: Socket): void {
    this.#socket = undefined
    socket.destroy()
  }

  #finish(outcome: Omit<Outcome, 'ms'>): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.({ ...outcome, ms: performance.now() - this.#begunAt })
  }
}
