import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SetupContext } from '../../infra/local/cache.ts'
import { debianCommand } from '../../infra/local/debian-package.ts'
import { type PartProcess, startPart, untilReady } from '../../infra/local/part-process.ts'
import { http } from './http-client.ts'

export interface HaproxyOptions extends SetupContext {
  /** Folder for configuration and log. */
  readonly dir: string
  readonly pidDir: string | undefined
  /** Its port for clients: it is ready when this answers `GET /topics`. */
  readonly port: number
  /** Lines for the sections `global` and `defaults`. */
  readonly global?: readonly string[]
  readonly defaults?: readonly string[]
  /** The frontends and backends. */
  readonly routes: string
}

const config = ({ global = [], defaults = [], routes }: HaproxyOptions): string => `global
${indented(['maxconn 4000', 'log stdout format raw local0', ...global])}
defaults
${indented([
  'mode http',
  'log global',
  'option httplog',
  'timeout connect 5s',
  'timeout client 75s',
  'timeout server 180s',
  ...defaults,
])}
${routes}
`

const indented = (lines: readonly string[]): string => lines.map(line => `  ${line}`).join('\n')

/**
 * Starts HAProxy, which writes a line for each request, and installs Debian's package when it is missing and we are root.
 * @throws SetupError
 */
export async function startHaproxyProcess(options: HaproxyOptions): Promise<PartProcess> {
  const { dir, pidDir, port, signal } = options
  const command = await debianCommand('haproxy', 'haproxy', options)
  mkdirSync(dir, { recursive: true })
  const file = join(dir, 'haproxy.cfg')
  writeFileSync(file, config(options))
  const args = ['-db', '-f', file]
  const logFile = join(dir, 'output.log')
  return untilItForwards(
    await startPart({ name: 'HAProxy', command, args, logFile, cwd: dir, pidDir }),
    port,
    signal,
  )
}

/** Waits until a balancer answers what is behind it; ends it when it does not. @throws SetupError */
export async function untilItForwards(
  part: PartProcess,
  port: number,
  signal: AbortSignal | undefined,
): Promise<PartProcess> {
  try {
    const probe = async () =>
      (await http({ base: `http://127.0.0.1:${port}`, path: '/topics' })).status === 200
    await untilReady(part, probe, { timeoutMs: 20_000, signal })
    return part
  } catch (error) {
    await part.kill()
    throw error
  }
}
