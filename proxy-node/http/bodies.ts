import type { IncomingMessage, ServerResponse } from 'node:http'
import { RestError } from '../../shared/errors/rest-error.ts'
import { admitBody } from '../../shared/http/body-admission.ts'
import { ByteCollector } from './byte-collector.ts'

export interface BodyLimits {
  /** `request.body.max.bytes` */
  readonly bodyBytesMax: number
  /** `request.control.body.max.bytes` */
  readonly controlBytesMax: number
  /** `request.bodies.max.bytes` */
  readonly totalBytesMax: number
}

/** Produce requests and those of other processes, or all the others: those name topics, partitions and offsets only. */
export type BodyKind = 'data' | 'control'

/**
 * Reads request bodies within two bounds: one for each body (413), and one for all that are being read and
 * parsed at once (429), so that a thousand large uploads cannot take the process's memory.
 */
export class Bodies {
  readonly #options: BodyLimits
  #bytes = 0

  constructor(options: BodyLimits) {
    this.#options = options
  }

  /** Bytes of all bodies held now. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Reads a body whole. Its bytes count as they come, not as they are announced (else a few clients that
   * announce much and send nothing would shut out all others), until the answer has closed.
   * @throws RestError payloadTooLarge, tooManyBodyBytes, bodyTruncated.
   */
  async read(incoming: IncomingMessage, outgoing: ServerResponse, kind: BodyKind = 'data'): Promise<Buffer> {
    const { bodyBytesMax, controlBytesMax, totalBytesMax } = this.#options
    const bytesMax = kind === 'data' ? bodyBytesMax : Math.min(controlBytesMax, bodyBytesMax)
    const declared = Number(incoming.headers['content-length'] ?? 0)
    if (declared > bytesMax) throw new RestError('payloadTooLarge')
    if (declared === 0 && incoming.headers['transfer-encoding'] === undefined) return Buffer.alloc(0)
    if (this.#bytes + declared > totalBytesMax) throw new RestError('tooManyBodyBytes')
    if (incoming.destroyed || outgoing.destroyed) throw new RestError('bodyTruncated')
    let held = 0
    outgoing.once('close', () => {
      this.#bytes -= held
      held = 0
    })
    admitBody(incoming, outgoing)
    return this.#collect(incoming, bytesMax, bytes => {
      if (outgoing.destroyed) return
      held += bytes
      this.#bytes += bytes
    })
  }

  #collect(incoming: IncomingMessage, bytesMax: number, hold: (bytes: number) => void): Promise<Buffer> {
    const body = new ByteCollector()
    return new Promise((resolve, reject) => {
      // What comes after a refusal is read and dropped by the listener.
      const settle = (error: RestError | undefined) => {
        incoming.off('data', onData)
        incoming.off('end', onEnd)
        incoming.off('close', onClose)
        if (error) reject(error)
        else resolve(body.take())
      }
      const onData = (part: Buffer) => {
        if (body.length + part.length > bytesMax) settle(new RestError('payloadTooLarge'))
        else if (this.#bytes + part.length > this.#options.totalBytesMax)
          settle(new RestError('tooManyBodyBytes'))
        else {
          hold(part.length)
          body.add(part)
        }
      }
      const onEnd = () => settle(undefined)
      const onClose = () => settle(new RestError('bodyTruncated', undefined, { cause: incoming.errored }))
      incoming.on('data', onData)
      incoming.once('end', onEnd)
      incoming.once('close', onClose)
      // Told by `close`; without a listener it would be nobody's, and end the process.
      incoming.on('error', () => {})
    })
  }
}
