import { Agent, type IncomingHttpHeaders, request } from 'node:http'

export interface RawRequest {
  method?: string
  /** `http://host:port`, without a path. */
  base: string
  /** The request target as it goes onto the wire: nothing is normalised or encoded. */
  path: string
  /** In this order and spelling; `Host` and the framing are added unless given. */
  headers?: Record<string, string>
  /** Sent with Content-Length, whatever the method. */
  body?: string | Buffer
  signal?: AbortSignal
  agent?: Agent
  timeoutMs?: number
}

export interface RawResponse {
  status: number
  headers: IncomingHttpHeaders
  /** The bytes of the body as UTF-8 text. */
  text: string
  body: Buffer
  /** The body parsed as JSON; throws when it is not JSON. */
  json(): unknown
}

const TIMEOUT_MS = 60_000

/** A connection for each request, so that no test meets a connection that another test broke. */
const singleUse = new Agent({ keepAlive: false })

/**
 * Sends one HTTP/1.1 request exactly as given (a web `fetch` refuses a body on GET and rewrites paths)
 * and reads the whole answer. Rejects on network errors, an answer cut short, abort and time-out.
 */
export function http(options: RawRequest): Promise<RawResponse> {
  const url = new URL(options.base)
  const body = options.body === undefined ? undefined : Buffer.from(options.body)
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: url.hostname,
      port: url.port,
      method: options.method ?? 'GET',
      path: options.path,
      headers: { ...(body ? { 'Content-Length': String(body.length) } : {}), ...options.headers },
      agent: options.agent ?? singleUse,
      ...(options.signal ? { signal: options.signal } : {}),
    })
    outgoing.setTimeout(options.timeoutMs ?? TIMEOUT_MS, () => {
      outgoing.destroy(new Error(`no answer: ${options.method ?? 'GET'} ${options.base}${options.path}`))
    })
    outgoing.once('error', reject)
    outgoing.once('response', incoming => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.once('error', reject)
      incoming.once('end', () => {
        const received = Buffer.concat(chunks)
        const text = received.toString('utf8')
        const json = () => JSON.parse(text) as unknown
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text, body: received, json })
      })
    })
    outgoing.end(body)
  })
}
