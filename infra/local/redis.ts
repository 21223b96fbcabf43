import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { SetupContext } from './cache.ts'
import { debianCommand } from './debian-package.ts'
import { freePort } from './free-port.ts'
import { type PartExit, type PartProcess, startPart, untilReady } from './part-process.ts'

export interface RedisOptions extends SetupContext {
  /** Folder for configuration and log. */
  dir: string
  /** This port, or a free one when it is taken. */
  preferredPort?: number | undefined
  /** Name for log lines; default `Redis`. */
  name?: string
  password?: string
  /** Further lines of redis.conf, over the defaults. */
  config?: string[]
  /** A Sentinel instead of a server. */
  sentinel?: boolean
  pidDir?: string | undefined
}

const READY_TIMEOUT_MS = 20_000
const PROBE_TIMEOUT_MS = 1_000

/** The text of redis.conf: loopback only and nothing on disk. The password is here, never in argv. */
export function redisConfig(port: number, dir: string, password?: string, config: string[] = []): string {
  const lines = [`port ${port}`, 'bind 127.0.0.1', `dir ${JSON.stringify(dir)}`, 'save ""', 'appendonly no']
  lines.push('daemonize no', 'databases 4')
  if (password !== undefined) lines.push(`requirepass ${JSON.stringify(password)}`)
  return `${[...lines, ...config].join('\n')}\n`
}

/** Tells whether a Redis on 127.0.0.1 answers PING: `+PONG`, or `-NOAUTH` when it wants a password. */
export function redisAnswers(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ port, host })
    let answer = ''
    const finish = (ready: boolean) => {
      socket.destroy()
      resolve(ready)
    }
    socket.setEncoding('utf8').setTimeout(PROBE_TIMEOUT_MS, () => finish(false))
    socket.once('connect', () => socket.write('PING\r\n'))
    socket.on('data', chunk => {
      answer += chunk
      if (answer.includes('\r\n')) finish(/^(\+PONG|-NOAUTH)/.test(answer))
    })
    socket.once('error', () => finish(false))
    socket.once('close', () => finish(false))
  })
}

/** A Redis without persistence that we own. It can be stopped, killed and started again, then empty. */
export class LocalRedis {
  readonly port: number
  readonly address: string
  /** `redis://` with the password, if any: a secret, not for logs. */
  readonly url: string
  readonly #options: RedisOptions
  readonly #command: string
  #process: PartProcess

  private constructor(options: RedisOptions, command: string, port: number, part: PartProcess) {
    this.#options = options
    this.#command = command
    this.#process = part
    this.port = port
    this.address = `127.0.0.1:${port}`
    const credentials = options.password === undefined ? '' : `:${encodeURIComponent(options.password)}@`
    this.url = `redis://${credentials}${this.address}`
  }

  /**
   * Starts Redis and waits until it answers. Uses `redis-server` from the PATH, else installs Debian's
   * package when we are root. Throws SetupError when it cannot be had or does not start.
   */
  static async start(options: RedisOptions): Promise<LocalRedis> {
    const command = await debianCommand('redis-server', 'redis-server', options)
    const port = await freePort(options.preferredPort)
    mkdirSync(options.dir, { recursive: true })
    const config = options.sentinel
      ? `${[`port ${port}`, 'bind 127.0.0.1', ...(options.config ?? [])].join('\n')}\n`
      : redisConfig(port, options.dir, options.password, options.config)
    writeFileSync(join(options.dir, 'redis.conf'), config, { mode: 0o600 })
    return new LocalRedis(options, command, port, await launch(options, command, port))
  }

  get process(): PartProcess {
    return this.#process
  }

  /** Starts Redis again, empty, on the same port after `stop` or `kill`; waits until it is ready. */
  async restart(): Promise<void> {
    if (this.#process.running) await this.stop()
    this.#process = await launch(this.#options, this.#command, this.port)
  }

  stop(): Promise<PartExit> {
    return this.#process.stop()
  }

  /** kill -9. */
  kill(): Promise<PartExit> {
    return this.#process.kill()
  }
}

async function launch(options: RedisOptions, command: string, port: number): Promise<PartProcess> {
  const part = await startPart({
    name: options.name ?? 'Redis',
    command,
    args: [join(options.dir, 'redis.conf'), ...(options.sentinel ? ['--sentinel'] : [])],
    logFile: join(options.dir, 'redis.log'),
    cwd: options.dir,
    pidDir: options.pidDir,
  })
  try {
    const wait = { timeoutMs: READY_TIMEOUT_MS, intervalMs: 25, signal: options.signal }
    await untilReady(part, () => redisAnswers(port), wait)
  } catch (error) {
    await part.kill()
    throw error
  }
  return part
}
