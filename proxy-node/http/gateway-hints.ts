import type { IncomingMessage } from 'node:http'
import { internalHeaders } from '../../shared/http/internal-headers.ts'
import type { GatewayHints } from './handler.ts'

/**
 * What a gateway says of a request in internal headers. Without a valid internal token they are ignored: the request
 * came directly, or from someone who only claims to be a gateway.
 */
export async function gatewayHints(
  incoming: IncomingMessage,
  isInternalToken: (value: string | undefined) => boolean | Promise<boolean>,
): Promise<GatewayHints | undefined> {
  const token = single(incoming, internalHeaders.token)
  if (token === undefined || !(await isInternalToken(token))) return undefined
  return {
    publicBase: single(incoming, internalHeaders.publicBase) ?? '',
    gatewayRun: single(incoming, internalHeaders.gatewayRun) ?? '',
    drawnName: single(incoming, internalHeaders.drawnName),
    provedDead: parseHolding(single(incoming, internalHeaders.provedDead)),
  }
}

function parseHolding(text: string | undefined): GatewayHints['provedDead'] {
  const [node, incarnation, token] = text?.split(' ') ?? []
  if (node === undefined || incarnation === undefined || !/^\d{1,16}$/.test(token ?? '')) return undefined
  try {
    return {
      node: decodeURIComponent(node),
      incarnation: decodeURIComponent(incarnation),
      token: Number(token),
    }
  } catch {
    return undefined
  }
}

function single(incoming: IncomingMessage, name: string): string | undefined {
  const value = incoming.headers[name]
  return typeof value === 'string' ? value : undefined
}
