import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CACHE_DIR, ROOT_DIR } from './cache.ts'
import { NODE_FLAGS } from './node-flags.ts'
import { type PartExit, type PartProcess, startPart, untilReady } from './part-process.ts'
import { propertiesText } from './properties.ts'

/** Settings by their keys, as they go into a `.properties` file. */
export type TierSettings = Record<string, string | number | boolean>

export interface TierOptions {
  tier: 'gateway' | 'proxy-node'
  /** The setting `id`, the part's name, and the name of its files. */
  id: string
  /** Folder for the settings file and the log. */
  dir: string
  port: number
  adminPort: number
  settings: TierSettings
  pidDir?: string | undefined
  signal?: AbortSignal | undefined
}

/** Longer than the 5 s that `/ready` waits for a part that does not answer. */
const ADMIN_TIMEOUT_MS = 10_000
const READY_TIMEOUT_MS = 60_000

/** A gateway or a proxy node: its main.ts in a process of its own, with a settings file. */
export class LocalTier {
  readonly id: string
  /** `host:port` of the data listener. */
  readonly address: string
  /** `http://127.0.0.1:port` of the data listener. */
  readonly url: string
  /** `http://127.0.0.1:port` of the admin listener. */
  readonly adminUrl: string
  readonly #options: TierOptions
  #process: PartProcess

  private constructor(options: TierOptions, part: PartProcess) {
    this.#options = options
    this.#process = part
    this.id = options.id
    this.address = `127.0.0.1:${options.port}`
    this.url = `http://${this.address}`
    this.adminUrl = `http://127.0.0.1:${options.adminPort}`
  }

  /**
   * Writes the settings (readable by this user alone: they hold the internal token), and starts the
   * process. It is not ready yet: see untilReady. Whoever starts it must stop it.
   */
  static async launch(options: TierOptions): Promise<LocalTier> {
    const settings = {
      id: options.id,
      listeners: `http://127.0.0.1:${options.port}`,
      'admin.listener': `http://127.0.0.1:${options.adminPort}`,
      ...options.settings,
    }
    writeFileSync(settingsFile(options), propertiesText(settings), { mode: 0o600 })
    return new LocalTier(options, await spawnTier(options))
  }

  /** Launches and waits until the process is ready; ends it when it does not become so. */
  static async start(options: TierOptions): Promise<LocalTier> {
    const tier = await LocalTier.launch(options)
    try {
      await tier.untilReady()
    } catch (error) {
      await tier.kill()
      throw error
    }
    return tier
  }

  get process(): PartProcess {
    return this.#process
  }

  get pid(): number {
    return this.#process.pid
  }

  get logFile(): string {
    return this.#process.logFile
  }

  /** Waits until /ready answers 200; throws SetupError with the end of the log when it ends before. */
  async untilReady(timeoutMs = READY_TIMEOUT_MS): Promise<void> {
    const probe = async () => (await this.admin('/ready')).status === 200
    const wait = { timeoutMs, intervalMs: 50, signal: this.#options.signal }
    await untilReady(this.#process, probe, wait)
  }

  /** A GET on the admin listener. */
  async admin(path: string): Promise<{ status: number; text: string }> {
    const signal = AbortSignal.timeout(ADMIN_TIMEOUT_MS)
    const answer = await fetch(this.adminUrl + path, { signal })
    return { status: answer.status, text: await answer.text() }
  }

  /** The log: one object a line; a line that is no JSON (a crash of Node) as {text}. */
  log(): Record<string, unknown>[] {
    return this.#process
      .logTail(Number.POSITIVE_INFINITY)
      .split('\n')
      .filter(line => line !== '')
      .map(line => (line.startsWith('{') ? (JSON.parse(line) as Record<string, unknown>) : { text: line }))
  }

  /** Starts it again with the same settings and ports, after it has ended; waits until it is ready. */
  async restart(): Promise<void> {
    if (this.#process.running) await this.stop()
    this.#process = await spawnTier(this.#options)
    await this.untilReady()
  }

  /** SIGTERM, and SIGKILL after `graceMs`. */
  stop(graceMs?: number): Promise<PartExit> {
    return this.#process.stop(graceMs)
  }

  /** kill -9. */
  kill(): Promise<PartExit> {
    return this.#process.kill()
  }

  /** SIGSTOP: the process freezes with its sockets open. */
  pause(): void {
    this.#process.signal('SIGSTOP')
  }

  /** SIGCONT. */
  continue(): void {
    this.#process.signal('SIGCONT')
  }
}

const settingsFile = ({ dir, id }: TierOptions): string => join(dir, `${id}.properties`)

function spawnTier(options: TierOptions): Promise<PartProcess> {
  return startPart({
    name: options.id,
    command: process.execPath,
    args: [...NODE_FLAGS, join(ROOT_DIR, options.tier, 'main.ts'), settingsFile(options)],
    env: tierEnvironment(process.env),
    logFile: join(options.dir, `${options.id}.log`),
    pidDir: options.pidDir,
  })
}

/** Our environment without KAFKA_REST_* variables: they would override the settings file of every process. */
export function tierEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const others = Object.entries(environment).filter(([name]) => !name.startsWith('KAFKA_REST_'))
  return { NODE_COMPILE_CACHE: join(CACHE_DIR, 'compile'), ...Object.fromEntries(others) }
}
