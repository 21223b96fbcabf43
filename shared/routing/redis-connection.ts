import type { Clock, Timer } from '../clock.ts'
import type { Logger } from '../observability/logger.ts'
import { createRedisClient, type RedisAddress, type RedisClient } from './redis-client.ts'
import { type RedisScript, redisScripts } from './redis-scripts.ts'
import { RoutingTableUnavailable } from './routing-table.ts'

export interface RedisConnectionOptions {
  readonly address: RedisAddress
  /** A key of the table: what is asked of a Cluster is asked of the node that has it. */
  readonly ownKey: string
  /** Longest wait for one answer, in ms; a request never waits longer. */
  readonly timeoutMs: number
  /** Most requests without an answer; more are refused at once. Default 2000. */
  readonly requestsMax?: number | undefined
  /** Time between two looks at the replication id, in ms. Default 5000. */
  readonly checkIntervalMs?: number | undefined
  readonly log: Logger
  readonly clock: Clock
  /** The table is there again after a failure, or may have lost data. */
  readonly onReturn: (reason: 'reached' | 'replication id changed') => void
}

/**
 * One connection to Redis that fails fast: while it is down a request is refused at once, an answer is waited for no
 * longer than the time-out, and nothing is queued or sent twice. A request that failed may have been carried out.
 */
export class RedisConnection {
  readonly #options: RedisConnectionOptions
  readonly #redis: RedisClient
  readonly #shas = new Map<RedisScript, string>()
  #underWay = 0
  #away = false
  #replicationId: string | undefined
  #timer: Timer | undefined
  #stopped = false

  private constructor(options: RedisConnectionOptions) {
    this.#options = options
    this.#redis = createRedisClient(options.address, options.timeoutMs)
    this.#redis.on('error', (error: Error) => this.#failed(error))
    this.#redis.on('ready', () => void this.#look())
  }

  /** Connects; returns after the time-out at the latest, and goes on connecting in the background. */
  static async open(options: RedisConnectionOptions): Promise<RedisConnection> {
    const connection = new RedisConnection(options)
    try {
      await Promise.race([
        connection.#redis.connect(),
        options.clock.sleep(options.timeoutMs).then(() => {
          throw new RoutingTableUnavailable(`no connection within ${options.timeoutMs} ms`)
        }),
      ])
    } catch (error) {
      connection.#failed(error)
    }
    connection.#schedule()
    return connection
  }

  /**
   * Runs a script. @returns its reply: an array of strings.
   * @throws RoutingTableUnavailable
   */
  async run(script: RedisScript, keys: readonly string[], args: readonly string[]): Promise<string[]> {
    return strings(await this.#request(() => this.#evaluate(script, keys, args)))
  }

  /** A round trip. @throws RoutingTableUnavailable */
  async ping(): Promise<void> {
    await this.#request(() => this.#redis.eval("return 'PONG'", 1, this.#options.ownKey))
  }

  /** Closes the connection; requests under way fail. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#timer?.cancel()
    const open = this.#redis.status === 'ready'
    const ended = new Promise<void>(resolve => this.#redis.once('end', () => resolve()))
    this.#redis.disconnect()
    // Between two tries to connect there is nothing that would end.
    if (open) await ended
  }

  async #request<Reply>(send: () => Promise<Reply>): Promise<Reply> {
    if (this.#underWay >= (this.#options.requestsMax ?? requestsMaxDefault))
      throw new RoutingTableUnavailable('too many requests wait for the routing table')
    this.#underWay += 1
    try {
      const reply = await this.#inTime(send())
      this.#succeeded()
      return reply
    } catch (error) {
      throw this.#failed(error)
    } finally {
      this.#underWay -= 1
    }
  }

  /** A client of a Cluster waits and asks again while nodes move, each time for the whole time-out. */
  async #inTime<Reply>(reply: Promise<Reply>): Promise<Reply> {
    if (this.#options.address.mode !== 'cluster') return reply
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = this.#options.clock.after(this.#options.timeoutMs, () =>
      reject(new RoutingTableUnavailable(`no answer within ${this.#options.timeoutMs} ms`)),
    )
    try {
      return await Promise.race([reply, late])
    } finally {
      timer.cancel()
      reply.catch(() => undefined)
    }
  }

  async #evaluate(script: RedisScript, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const source = redisScripts[script]
    const sha = this.#shas.get(script) ?? (await sha1(source))
    this.#shas.set(script, sha)
    try {
      return await this.#redis.evalsha(sha, keys.length, ...keys, ...args)
    } catch (error) {
      // Redis keeps scripts in memory only: after a restart or fail-over the first use sends the source.
      if (replyCode(error) !== 'NOSCRIPT') throw error
      return this.#redis.eval(source, keys.length, ...keys, ...args)
    }
  }

  #succeeded(): void {
    if (!this.#away || this.#stopped) return
    this.#away = false
    this.#options.log.info('Redis is reached again')
    this.#options.onReturn('reached')
  }

  #failed(error: unknown): RoutingTableUnavailable {
    const code = replyCode(error)
    if (code === 'ERR') this.#options.log.error({ err: error }, 'Redis refused a script')
    else if (!this.#away && !this.#stopped) this.#options.log.warn({ err: error }, 'Redis cannot be reached')
    this.#away = true
    if (error instanceof RoutingTableUnavailable) return error
    const detail = error instanceof Error ? error.message : String(error)
    return new RoutingTableUnavailable(`the routing table cannot be reached: ${detail}`, { cause: error })
  }

  /** After each connect, and now and then. */
  async #look(): Promise<void> {
    await this.#checkReplication()
    // Tells of the return, if there was a failure; nobody may have a request to make just now.
    if (this.#away) await this.ping().catch(() => undefined)
  }

  /**
   * A new replication id means a fail-over, which may have lost the last writes.
   * Behind an address that stays (a proxy, a service) no connection needs to break for it.
   */
  async #checkReplication(): Promise<void> {
    try {
      const info = await this.#redis.eval("return redis.call('INFO', 'replication')", 1, this.#options.ownKey)
      const id = /^master_replid:(\S+)/m.exec(String(info))?.[1]
      const changed = this.#replicationId !== undefined && id !== undefined && this.#replicationId !== id
      this.#replicationId = id ?? this.#replicationId
      if (changed) this.#options.onReturn('replication id changed')
    } catch {
      // Not allowed to ask, or not reached: the first is no failure of the table, the second shows elsewhere.
    }
  }

  #schedule(): void {
    if (this.#stopped) return
    this.#timer = this.#options.clock.after(this.#options.checkIntervalMs ?? checkIntervalMsDefault, () => {
      if (this.#redis.status !== 'ready') return this.#schedule()
      void this.#look().finally(() => this.#schedule())
    })
  }
}

const requestsMaxDefault = 2000
const checkIntervalMsDefault = 5000

/** The first word of an error reply is its code by the protocol (RESP: "-CODE text"); undefined for other errors. */
function replyCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return undefined
  return /^[A-Z]+/.exec(error.message)?.[0]
}

function strings(reply: unknown): string[] {
  if (!Array.isArray(reply)) throw new TypeError('a script of the routing table answered no array')
  return reply.map(String)
}

async function sha1(source: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-1', new TextEncoder().encode(source))
  return [...new Uint8Array(digest)].map(byte => byte.toString(16).padStart(2, '0')).join('')
}
