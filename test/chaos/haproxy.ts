import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SetupContext } from '../../infra/local/cache.ts'
import { debianCommand } from '../../infra/local/debian-package.ts'
import { freePort } from '../../infra/local/free-port.ts'
import { type PartProcess, startPart, untilReady } from '../../infra/local/part-process.ts'
import type { LocalTier } from '../../infra/local/tier.ts'
import { http } from '../support/http-client.ts'

/** How soon a gateway that stops is passed over: two failed checks of `/ready`. */
export const CHECK_MS = 250
export const CHECKS_TO_FALL = 2

const hostPort = (url: string): string => new URL(url).host
const port = (url: string): string => new URL(url).port

/**
 * Requests in turn to every gateway that says that it is ready; no answer of a gateway is repeated or hidden. HAProxy
 * ends its connections to servers by a reset, which after an answer to a read tells a gateway that it did not arrive (the
 * records come again then): so it is told to keep those that it does not need at the moment.
 */
const config = (listenPort: number, gateways: readonly LocalTier[]): string => `global
  maxconn 4000
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  timeout connect 5s
  timeout client 75s
  timeout server 180s
frontend data
  bind 127.0.0.1:${listenPort}
  default_backend gateways
backend gateways
  balance roundrobin
  option httpchk GET /ready
  http-check expect status 200
  default-server check inter ${CHECK_MS}ms fall ${CHECKS_TO_FALL} rise 2 pool-low-conn 1000 pool-purge-delay 1h
${gateways.map(({ id, url, adminUrl }) => `  server ${id} ${hostPort(url)} port ${port(adminUrl)}`).join('\n')}
`

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
  const command = await debianCommand('haproxy', 'haproxy', options)
  const listenPort = await freePort()
  const url = `http://127.0.0.1:${listenPort}`
  mkdirSync(options.dir, { recursive: true })
  const file = join(options.dir, 'haproxy.cfg')
  writeFileSync(file, config(listenPort, gateways))
  const part = await startPart({
    name: 'HAProxy',
    command,
    args: ['-db', '-f', file],
    logFile: join(options.dir, 'haproxy.log'),
    cwd: options.dir,
    pidDir: options.pidDir,
  })
  try {
    const probe = async () => (await http({ base: url, path: '/topics' })).status === 200
    await untilReady(part, probe, { timeoutMs: 20_000, signal: options.signal })
  } catch (error) {
    await part.kill()
    throw error
  }
  return { url, process: part, stop: () => part.stop() }
}
