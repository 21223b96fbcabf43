import { internalHeaderPrefix, internalHeaders, requestIdHeader } from '../../shared/http/internal-headers.ts'

/** A list of name, value, name, value …, as they stood in the head. */
export type FlatHeaders = readonly string[]

/** Meant for one connection only (RFC 9110 §7.6.1), or answered by this hop. */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  // Asks for 100 Continue, which ends at each listener; and Java's client offers HTTP/2 with each request.
  'expect',
  'http2-settings',
])

/** Headers of answers that end at the gateway. */
const forGateway: ReadonlySet<string> = new Set([
  internalHeaders.readId,
  internalHeaders.refused,
  requestIdHeader,
])

/** Headers that say where a message ends or goes; a client must not be able to take them away by `Connection`. */
const framing = new Set(['host', 'content-length'])

/**
 * The headers of a request to a node: the client's end-to-end ones as they came, without any `kafka-rest-*` (those
 * are believed by nodes, so none may come from outside), and then the gateway's own.
 * @param options.withHost false: the client's `Host` names the gateway, and undici would look for that name in the
 *   certificate of a node with https.
 */
export function requestHeaders(
  received: FlatHeaders,
  own: Readonly<Record<string, string>>,
  options: { readonly withLength: boolean; readonly withHost: boolean },
): string[] {
  const dropped = namedByConnection(received)
  const kept: string[] = []
  for (let index = 0; index + 1 < received.length; index += 2) {
    const name = received[index] ?? ''
    const lower = name.toLowerCase()
    if (hopByHop.has(lower) || dropped.has(lower) || Object.hasOwn(own, lower)) continue
    if (lower.startsWith(internalHeaderPrefix)) continue
    if (lower === 'host' && !options.withHost) continue
    if (lower === 'content-length' && !options.withLength) continue
    kept.push(name, received[index + 1] ?? '')
  }
  for (const [name, value] of Object.entries(own)) kept.push(name, value)
  return kept
}

/**
 * The headers of an answer to a client: the node's end-to-end ones without what is meant for the gateway, and with
 * `own` in the place of those of the same name.
 */
export function answerHeaders(received: FlatHeaders, own: Readonly<Record<string, string>>): string[] {
  const dropped = namedByConnection(received)
  const kept: string[] = []
  for (let index = 0; index + 1 < received.length; index += 2) {
    const name = received[index] ?? ''
    const lower = name.toLowerCase()
    if (hopByHop.has(lower) || dropped.has(lower) || Object.hasOwn(own, lower)) continue
    if (forGateway.has(lower)) continue
    kept.push(name, received[index + 1] ?? '')
  }
  for (const [name, value] of Object.entries(own)) kept.push(name, value)
  return kept
}

function namedByConnection(received: FlatHeaders): Set<string> {
  const named = new Set<string>()
  for (let index = 0; index + 1 < received.length; index += 2) {
    if (received[index]?.toLowerCase() !== 'connection') continue
    for (const item of (received[index + 1] ?? '').split(',')) {
      const name = item.trim().toLowerCase()
      if (!framing.has(name)) named.add(name)
    }
  }
  return named
}
