import { connect, type Socket } from 'node:net'
import { until } from './until.ts'

/**
 * A TCP connection for bytes that no HTTP client would send, and for clients that misbehave: slow ones,
 * ones that vanish, ones that never read.
 */
export class RawConnection {
  readonly socket: Socket
  #received = ''
  #closed = false

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.#received += text
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.#closed = true
    })
  }

  /** Connects to `http://host:port`. */
  static open(base: string): Promise<RawConnection> {
    const url = new URL(base)
    return new Promise((resolve, reject) => {
      const socket = connect({ host: url.hostname, port: Number(url.port) })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new RawConnection(socket))
      })
    })
  }

  /** Everything received so far, a character for each byte. */
  get received(): string {
    return this.#received
  }

  get closed(): boolean {
    return this.#closed
  }

  send(text: string | Buffer): void {
    this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text)
  }

  /** Waits until `pattern` has been received. */
  receive(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray> {
    const wait = timeoutMs === undefined ? { intervalMs: 10 } : { timeoutMs, intervalMs: 10 }
    return until(`${pattern} to be received`, () => pattern.exec(this.#received), wait)
  }

  /** Waits until the other side has closed the connection. */
  async ended(timeoutMs = 20_000): Promise<void> {
    await until('the connection to be closed', () => this.#closed, { timeoutMs, intervalMs: 10 })
  }

  /** Ends the connection with a reset (RST), as a client that vanished. */
  reset(): void {
    this.socket.resetAndDestroy()
  }

  /** Ends the connection in order (FIN). */
  end(): void {
    this.socket.end()
  }
}
