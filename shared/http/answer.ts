import type { ServerResponse } from 'node:http'
import { type BodyStart, startOfBody } from './body-start.ts'

/** Marks the Response of a handler that has written its answer on the raw pair itself. */
const alreadySent = 'x-hono-already-sent'

/** The client of an answer is gone: the reason that a body's source is cancelled with. */
export class AnswerUnwanted extends Error {
  constructor() {
    super('the client closed the connection')
    this.name = 'AnswerUnwanted'
  }
}

/**
 * Writes an app's Response on the wire. A body that is at hand goes with its length, a streamed one in chunks
 * and no faster than the client takes them; its head does not wait for it.
 * @throws the source's error, or that of a header that cannot be sent. When the head is out by then, the
 * caller must cut the connection without the last chunk, so that the client sees that its answer is not
 * whole.
 */
export async function sendAnswer(response: Response, outgoing: ServerResponse): Promise<void> {
  if (response.headers.has(alreadySent)) return
  const body = response.body ? await startOfBody(response.body) : undefined
  if (outgoing.headersSent || outgoing.destroyed) {
    body?.cancel(new AnswerUnwanted())
    // A handler wrote a head, and then returned another answer: what is out is not an answer.
    if (!outgoing.writableEnded) outgoing.destroy()
    return
  }
  try {
    setHead(response, outgoing)
    await sendBody(body, outgoing)
  } catch (error) {
    body?.cancel(error)
    throw error
  }
}

function setHead(response: Response, outgoing: ServerResponse): void {
  outgoing.statusCode = response.status
  for (const [name, value] of response.headers) {
    // The others were joined by Headers already, and replace what the server set before.
    if (name === 'set-cookie' || name === 'vary') outgoing.appendHeader(name, value)
    else outgoing.setHeader(name, value)
  }
}

async function sendBody(body: BodyStart | undefined, outgoing: ServerResponse): Promise<void> {
  const isHead = outgoing.req.method === 'HEAD'
  if (!body || body.whole) {
    const bytes = body?.first
    if (bytes) outgoing.setHeader('Content-Length', bytes.length)
    outgoing.end(bytes)
    return
  }
  outgoing.once('close', () => body.cancel(new AnswerUnwanted()))
  // HEAD gets the head of the answer; nobody needs the rest of its body.
  if (isHead) return void outgoing.end()
  if (!body.first) outgoing.flushHeaders()
  for (let part = body.first ?? (await body.next()); part; part = await body.next()) {
    if (outgoing.destroyed) return
    if (!outgoing.write(part)) await drained(outgoing)
  }
  if (!outgoing.destroyed) outgoing.end()
}

/** Resolves when the client has taken what was written, or is gone. */
function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      outgoing.off('drain', done)
      outgoing.off('close', done)
      resolve()
    }
    if (outgoing.destroyed) return done()
    outgoing.once('drain', done)
    outgoing.once('close', done)
  })
}
