import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { InstanceRef } from '../../../shared/ids.ts'

/** The settings behind `base_uri` for clients that come without a gateway. */
export interface BaseUriSettings {
  /** `advertised.listeners`. */
  readonly advertisedListeners: readonly string[]
  /** `host.name`. */
  readonly hostName: string
}

/**
 * The URL of an instance (contract v2 §2.9). Behind a gateway its front is what the gateway says. Unlike in the original
 * the segments are percent-encoded, since clients use the URL as it is.
 */
export function instanceUri(base: string, { group, instance }: InstanceRef): string {
  return `${base}/consumers/${encodeURIComponent(group)}/instances/${encodeURIComponent(instance)}`
}

/**
 * The front of `base_uri` on a direct request (contract v2 §2.9), with the scheme that it came by: the first advertised
 * listener of that scheme; else `host.name`, with the port that the request came in on if its Host named one; else the
 * Host of the request.
 */
export function directBase(
  incoming: Pick<IncomingMessage, 'headers' | 'socket'>,
  settings: BaseUriSettings,
): string {
  const front = incoming.socket instanceof TLSSocket ? 'https://' : 'http://'
  const advertised = settings.advertisedListeners.find(listener => listener.startsWith(front))
  if (advertised !== undefined) return advertised.replace(/\/+$/, '')
  const { localAddress, localPort } = incoming.socket
  const host = incoming.headers.host
  if (settings.hostName !== '') {
    const namesPort = host !== undefined && /:\d+$/.test(host)
    return `${front}${settings.hostName}${namesPort ? `:${localPort}` : ''}`
  }
  if (host !== undefined && host !== '') return front + host
  const address = localAddress?.includes(':') ? `[${localAddress}]` : localAddress
  return `${front}${address}:${localPort}`
}
