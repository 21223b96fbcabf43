import type { SetupContext } from '../../infra/local/cache.ts'
import { freePort } from '../../infra/local/free-port.ts'
import type { PartProcess } from '../../infra/local/part-process.ts'
import type { LocalTier } from '../../infra/local/tier.ts'
import { startHaproxyProcess } from '../support/haproxy.ts'

/** How soon a gateway that stops is passed over: two failed checks of `/ready`. */
export const CHECK_MS = 250
export const CHECKS_TO_FALL = 2

const hostPort = (url: string): string => new URL(url).host
const portOf = (url: string): string => new URL(url).port

/**
 * Requests in turn to every gateway that says that it is ready; no answer of a gateway is repeated or hidden. HAProxy
 * ends its connections to servers by a reset, which after an answer to a read tells a gateway that it did not arrive (the
 * records come again then): so it is told to keep those that it does not need at the moment.
 */
const routes = (port: number, gateways: readonly LocalTier[]): string => `frontend data
  bind 127.0.0.1:${port}
  default_backend gateways
backend gateways
  balance roundrobin
  option httpchk GET /ready
  http-check expect status 200
  # By default a check may take no longer than its interval: a busy gateway would count as gone.
  timeout check 5s
  default-server check inter ${CHECK_MS}ms fall ${CHECKS_TO_FALL} rise 2 pool-low-conn 1000 pool-purge-delay 1h
${gateways.map(({ id, url, adminUrl }) => `  server ${id} ${hostPort(url)} port ${portOf(adminUrl)}`).join('\n')}`

/** HAProxy in front of the gateways. */
export interface GatewayBalancer {
  readonly url: string
  readonly process: PartProcess
  stop(): Promise<unknown>
}

/** Starts HAProxy, and installs Debian's package when it is missing and we are root. @throws SetupError */
export async function startGatewayBalancer(
  gateways: readonly LocalTier[],
  options: SetupContext & { readonly dir: string; readonly pidDir: string | undefined },
): Promise<GatewayBalancer> {
  const port = await freePort()
  const process = await startHaproxyProcess({ ...options, port, routes: routes(port, gateways) })
  return { url: `http://127.0.0.1:${port}`, process, stop: () => process.stop() }
}
