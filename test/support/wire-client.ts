import { connect, type Socket } from 'node:net'
import { gunzipSync } from 'node:zlib'

/** An answer as it stood on the wire, its framing taken off. */
export interface WireReply {
  readonly status: number
  /** Names in lower case; of equal names the last. */
  readonly headers: ReadonlyMap<string, string>
  /** The body as UTF-8 text, unzipped. */
  readonly text: string
  /** Whether the server announced the end of the connection. */
  readonly last: boolean
}

interface Waiting {
  readonly bodiless: boolean
  readonly settle: (reply: WireReply) => void
  readonly fail: (error: Error) => void
}

/**
 * A client that writes bytes exactly as given (Node's own refuses odd targets, headers and framing) and reads whole
 * answers. It keeps its connection as long as the server does. One request at a time.
 */
export class WireClient {
  readonly #host: string
  readonly #port: number
  #socket: Socket | undefined
  #received: Buffer = Buffer.alloc(0)
  #waiting: Waiting | undefined

  /** @param base `http://host:port`. */
  constructor(base: string) {
    const url = new URL(base)
    this.#host = url.hostname
    this.#port = Number(url.port)
  }

  /**
   * Sends a request and reads its answer, on a new connection if there is none. Rejects when the connection ends
   * without a whole answer, and when there is none after `timeoutMs`.
   * @param bytes text is sent a byte for each character.
   * @param options.end also ends this side of the connection, as a client that left in the middle.
   */
  async ask(
    bytes: string | Buffer,
    options: { readonly timeoutMs: number; readonly end?: boolean },
  ): Promise<WireReply> {
    const sent = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
    const socket = await this.#connected()
    const bodiless = sent.subarray(0, 5).toString('latin1') === 'HEAD '
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise<WireReply>((settle, fail) => {
        this.#waiting = { bodiless, settle, fail }
        timer = setTimeout(() => {
          fail(new Error(`no answer in ${options.timeoutMs} ms`))
          this.close()
        }, options.timeoutMs)
        socket.write(sent)
        if (options.end) socket.end()
      })
    } finally {
      clearTimeout(timer)
      this.#waiting = undefined
    }
  }

  /** What came after the last answer that was read; empty when all is well. */
  get surplus(): string {
    return this.#received.toString('latin1')
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
    this.#received = Buffer.alloc(0)
  }

  #connected(): Promise<Socket> {
    if (this.#socket?.writable) return Promise.resolve(this.#socket)
    this.close()
    return new Promise((resolve, reject) => {
      const socket = connect({ host: this.#host, port: this.#port, noDelay: true, allowHalfOpen: true })
      this.#socket = socket
      const isCurrent = () => this.#socket === socket
      socket.once('error', reject)
      socket.once('connect', () => resolve(socket))
      socket.on('data', (chunk: Buffer) => {
        if (!isCurrent()) return
        this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
        this.#deliver()
      })
      const ended = () => {
        socket.destroy()
        if (!isCurrent()) return
        const seen = this.#received.toString('latin1').slice(0, 300)
        this.#socket = undefined
        this.#waiting?.fail(new Error(`the connection ended without a whole answer: ${JSON.stringify(seen)}`))
      }
      socket.once('end', ended)
      socket.once('close', ended)
      socket.on('error', ended)
    })
  }

  #deliver(): void {
    const waiting = this.#waiting
    if (!waiting) return
    try {
      for (;;) {
        const found = replyIn(this.#received, waiting.bodiless)
        if (!found) return
        this.#received = this.#received.subarray(found.length)
        // 100 Continue is no answer yet.
        if (found.reply.status < 200) continue
        if (found.reply.last) {
          this.#socket?.end()
          this.#socket = undefined
        }
        waiting.settle(found.reply)
        return
      }
    } catch (error) {
      waiting.fail(error instanceof Error ? error : new Error(String(error)))
      this.close()
    }
  }
}

/** The answer at the start of what was received; undefined while it is not whole. */
function replyIn(received: Buffer, bodiless: boolean): { reply: WireReply; length: number } | undefined {
  const headEnd = received.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const [first = '', ...lines] = received.subarray(0, headEnd).toString('latin1').split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1])
  if (!Number.isInteger(status)) throw new Error(`not an answer: ${JSON.stringify(first)}`)
  const headers = new Map(
    lines.map(line => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  )
  const rest = received.subarray(headEnd + 4)
  const body =
    bodiless || status === 204 || status === 304 || status < 200
      ? { bytes: Buffer.alloc(0), length: 0 }
      : bodyIn(rest, headers)
  if (!body) return undefined
  const last = headers.get('connection')?.toLowerCase() === 'close'
  const isZipped = headers.get('content-encoding') === 'gzip' && body.bytes.length > 0
  const text = (isZipped ? gunzipSync(body.bytes) : body.bytes).toString('utf8')
  return { reply: { status, headers, text, last }, length: headEnd + 4 + body.length }
}

function bodyIn(
  rest: Buffer,
  headers: ReadonlyMap<string, string>,
): { bytes: Buffer; length: number } | undefined {
  const declared = headers.get('content-length')
  if (declared !== undefined) {
    const length = Number(declared)
    return rest.length < length ? undefined : { bytes: rest.subarray(0, length), length }
  }
  if (headers.get('transfer-encoding')?.toLowerCase() !== 'chunked')
    throw new Error('an answer without a length')
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const lineEnd = rest.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(rest.subarray(at, lineEnd).toString('latin1'), 16)
    if (!Number.isInteger(size)) throw new Error('a malformed chunk')
    const end = lineEnd + 2 + size + 2
    if (rest.length < end) return undefined
    if (size === 0) return { bytes: Buffer.concat(parts), length: end }
    parts.push(rest.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = end
  }
}
