import { onTestFinished } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { admitBody } from '../../shared/http/body-admission.ts'
import { type HttpEnv, type Listener, type ListenOptions, listen } from '../../shared/http/listen.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { RawConnection } from './raw-connection.ts'

type App = ListenOptions['fetch']

/** Reads the body as a handler does, and says how long it was. */
export async function echoLength(_request: Request, { incoming, outgoing }: HttpEnv): Promise<Response> {
  admitBody(incoming, outgoing)
  let bytes = 0
  for await (const chunk of incoming.iterator({ destroyOnReturn: false })) bytes += chunk.length
  return jsonResponse({ method: incoming.method, target: incoming.url, bytes })
}

/** Answers without a look at the body. */
export function answerEarly(): Response {
  return jsonResponse({ early: true }, 413)
}

export function jsonResponse(value: unknown, status = 200): Response {
  return new Response(JSON.stringify(value), { status, headers: { 'Content-Type': 'application/json' } })
}

/** A listener on a free port with limits short enough for tests; stopped when the test has finished. */
export async function openListener(app: App, options: Partial<ListenOptions> = {}): Promise<Listener> {
  const listener = await listen({
    url: 'http://127.0.0.1:0',
    fetch: app,
    log: silentLogger,
    clock: systemClock,
    headBytesMax: 8192,
    connectionsMax: 1000,
    keepAliveTimeoutMs: 30_000,
    headTimeoutMs: 20_000,
    requestTimeoutMs: 20_000,
    writeTimeoutMs: 20_000,
    stopTimeoutMs: 5000,
    ...options,
  })
  onTestFinished(() => listener.stop(0))
  return listener
}

/** Sends bytes on a connection of its own and waits for its end; a request should ask for that. */
export async function exchange(url: string, bytes: string | Buffer): Promise<string> {
  const connection = await RawConnection.open(url)
  connection.send(bytes)
  await connection.ended()
  return connection.received
}

export interface WireAnswer {
  readonly status: number
  readonly head: string
  readonly body: string
}

/**
 * The answers in what a connection received; throws when they are not whole, or followed by something else.
 * @param isHead whether an answer is one to HEAD, by what follows its head.
 * @param toTheEnd whether a body may end with its connection, as for clients of HTTP/1.0 (RFC 9112 §6.3).
 */
export function answersIn(
  received: string,
  isHead = (_rest: string) => false,
  toTheEnd = false,
): WireAnswer[] {
  const answers: WireAnswer[] = []
  let rest = received
  while (rest !== '') {
    const headEnd = rest.indexOf('\r\n\r\n')
    const status = /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n/.exec(rest)?.[1]
    if (headEnd < 0 || !status) throw new Error(`not an answer: ${JSON.stringify(rest.slice(0, 200))}`)
    const head = rest.slice(0, headEnd + 2)
    rest = rest.slice(headEnd + 4)
    const bodiless = status === '100' || status === '204' || isHead(rest)
    const [body, length] = bodiless ? ['', 0] : bodyAt(head, rest, toTheEnd)
    rest = rest.slice(length)
    answers.push({ status: Number(status), head, body })
  }
  return answers
}

/** A body at the start of `text`, and how many bytes it took with its framing. */
function bodyAt(head: string, text: string, toTheEnd: boolean): [string, number] {
  const declared = /\r\ncontent-length: (\d+)\r\n/i.exec(head)?.[1]
  if (declared !== undefined) {
    if (text.length < Number(declared)) throw new Error(`a body cut short: ${text}`)
    return [text.slice(0, Number(declared)), Number(declared)]
  }
  const isChunked = /\r\ntransfer-encoding: chunked\r\n/i.test(head)
  if (!isChunked && toTheEnd && /\r\nconnection: close\r\n/i.test(head)) return [text, text.length]
  if (!isChunked) throw new Error(`a body without a length: ${head}`)
  let body = ''
  let at = 0
  for (;;) {
    const size = /^([0-9a-f]+)\r\n/i.exec(text.slice(at, at + 20))
    if (!size?.[1]) throw new Error(`a chunk cut short: ${JSON.stringify(text.slice(at, at + 100))}`)
    at += size[0].length
    const bytes = Number.parseInt(size[1], 16)
    body += text.slice(at, at + bytes)
    at += bytes + 2
    if (at > text.length) throw new Error('a body without its last chunk')
    if (bytes === 0) return [body, at]
  }
}
