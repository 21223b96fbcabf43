import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'

/** The client's body is larger than `request.body.max.bytes`. */
export class BodyTooLarge extends Error {
  constructor() {
    super('the request body is too large')
    this.name = 'BodyTooLarge'
  }
}

/**
 * The body of a client's request as a stream that can be given away: whoever consumes it may destroy it, as HTTP
 * clients do when an answer came early, without taking the client's connection with it. (Destroying the request
 * itself closes its socket, and the client would never see that answer.)
 */
export class ClientBody extends Readable {
  readonly #incoming: IncomingMessage
  readonly #bytesMax: number
  #bytes = 0
  #reading = false

  /** @param ahead what was read of the body before. */
  constructor(incoming: IncomingMessage, ahead: readonly Uint8Array[], bytesMax: number) {
    super()
    this.#incoming = incoming
    this.#bytesMax = bytesMax
    for (const chunk of ahead) this.#take(chunk)
  }

  override _read(): void {
    if (!this.#reading) {
      this.#reading = true
      this.#incoming.on('data', this.#take)
      this.#incoming.once('end', this.#onEnd)
      this.#incoming.once('close', this.#onClose)
      this.#incoming.once('error', this.#onError)
      if (this.#incoming.readableEnded) this.#onEnd()
      else if (this.#incoming.destroyed) this.#onClose()
    }
    this.#incoming.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#incoming.off('data', this.#take)
    this.#incoming.off('end', this.#onEnd)
    this.#incoming.off('close', this.#onClose)
    this.#incoming.off('error', this.#onError)
    if (this.#reading) {
      // What the client still sends is read and thrown away, or its next request could not be read. (When much is
      // left, the listener closes the connection after the answer.)
      this.#incoming.once('error', () => {})
      this.#incoming.resume()
    }
    callback(error)
  }

  readonly #take = (chunk: Uint8Array): void => {
    this.#bytes += chunk.length
    if (this.#bytes > this.#bytesMax) this.destroy(new BodyTooLarge())
    else if (!this.push(chunk)) this.#incoming.pause()
  }

  readonly #onEnd = (): void => {
    this.push(null)
  }

  readonly #onClose = (): void => {
    if (!this.#incoming.readableEnded) this.destroy(new Error('the client closed the connection'))
  }

  readonly #onError = (error: Error): void => {
    this.destroy(error)
  }
}
