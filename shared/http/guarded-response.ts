import {
  type IncomingMessage,
  type OutgoingHttpHeader,
  type OutgoingHttpHeaders,
  ServerResponse,
} from 'node:http'

type Heads = OutgoingHttpHeaders | OutgoingHttpHeader[]

/**
 * The class of a server's answers. Whoever writes the head, an app's handler or the server, two things hold:
 * it says `Connection: close` when `mustClose` tells so, and a `Vary` that was set before is kept beside one
 * of its own.
 */
export function guardedResponse(mustClose: (incoming: IncomingMessage) => boolean): typeof ServerResponse {
  return class GuardedResponse<Request extends IncomingMessage> extends ServerResponse<Request> {
    override writeHead(status: number, second?: string | Heads, third?: Heads): this {
      if (mustClose(this.req)) this.setHeader('Connection', 'close')
      if (typeof second === 'string') return super.writeHead(status, second, keepVary(this, third))
      return super.writeHead(status, keepVary(this, second))
    }
  }
}

/** Headers given to writeHead replace those that were set before. */
function keepVary(outgoing: ServerResponse, heads: Heads | undefined): Heads | undefined {
  const before = outgoing.getHeader('vary')
  if (before === undefined || heads === undefined) return heads
  if (!Array.isArray(heads)) {
    const name = Object.keys(heads).find(isVary)
    return name === undefined ? heads : { ...heads, [name]: `${before}, ${heads[name]}` }
  }
  return heads.map((part, index) =>
    index % 2 === 1 && isVary(String(heads[index - 1])) ? `${before}, ${part}` : part,
  )
}

const isVary = (name: string): boolean => name.length === 4 && name.toLowerCase() === 'vary'
