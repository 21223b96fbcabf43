import type { IncomingMessage } from 'node:http'
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
 * The front of `base_uri` on a direct request: the first advertised listener; else `host.name`, with the port that
 * the request came in on if its Host named one; else the Host of the request.
 */
export function directBase(
  incoming: Pick<IncomingMessage, 'headers' | 'socket'>,
  settings: BaseUriSettings,
): string {
  const advertised = settings.advertisedListeners.find(listener => listener.startsWith('http://'))
  if (advertised !== undefined) return advertised.replace(/\/+$/, '')
  const { localAddress, localPort } = incoming.socket
  const host = incoming.headers.host
  if (settings.hostName !== '') {
    const namesPort = host !== undefined && /:\d+$/.test(host)
    return `http://${settings.hostName}${namesPort ? `:${localPort}` : ''}`
  }
  if (host !== undefined && host !== '') return `http://${host}`
  const address = localAddress?.includes(':') ? `[${localAddress}]` : localAddress
  return `http://${address}:${localPort}`
}
