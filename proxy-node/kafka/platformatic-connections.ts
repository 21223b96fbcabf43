import type { Connection } from '@platformatic/kafka'
import type { Clock, Timer } from '../../shared/clock.ts'
import {
  type BrokerAddress,
  BrokerConnections,
  type ConnectionSettings,
  destroy,
  type Lease,
} from './broker-connections.ts'
import { timedOut } from './kafka-errors.ts'
import { answerOf } from './platformatic-errors.ts'

/**
 * Which connection a call takes. A broker answers the requests of one connection strictly in order, so whatever may
 * wait inside the broker needs a connection of its own:
 * - `control`: one shared connection for each broker; only calls that are answered at once (metadata, coordinator
 *   look-ups, heartbeats).
 * - `read`: leased for one call, bounded for each broker; more calls queue (fetch, offset look-ups, commits).
 * - `group`: leased and unbounded, for JoinGroup, SyncGroup and LeaveGroup. A bound would deadlock: a group's answers
 *   wait for all its members, and those that wait for a connection behind other groups would be thrown out. The number
 *   of memberships, which has its own bound, is the bound.
 */
export type Lane = 'control' | 'read' | 'group'

export interface CallOptions {
  readonly lane: Lane
  /** For the error text: the protocol's name of the request. */
  readonly what: string
  /** From the moment the connection is open to the answer. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** Aborting ends the call only until it is sent: its answer is waited for, because the order of calls matters. */
  readonly finalOnceSent?: boolean
}

/** Numbers for metrics. */
export interface ConnectionCounts {
  readonly open: number
  readonly leased: number
  readonly waiting: number
}

/**
 * Connections to all brokers. Every call has a time-out; a connection whose call timed out is closed and not used
 * again, because its answer may still come and would hold up what follows.
 */
export class PlatformaticConnections {
  readonly #settings: ConnectionSettings
  readonly #clock: Clock
  readonly #brokers = new Map<string, BrokerConnections>()
  #sweep: Timer | undefined
  #stopped = false

  constructor(deps: { settings: ConnectionSettings; clock: Clock }) {
    this.#settings = deps.settings
    this.#clock = deps.clock
  }

  /**
   * Runs one request and returns its answer, errors inside the answer included (see `answerOf`).
   *
   * Aborting rejects at once with the signal's reason, but for what is `finalOnceSent`. On `group` the connection is closed, since a join may be
   * pending for long; on the others the answer, which is due soon, is dropped and the connection goes back.
   * @throws KafkaError CONNECTION_LOST, TIMED_OUT or SASL_AUTHENTICATION_FAILED.
   */
  async call<T>(
    address: BrokerAddress,
    options: CallOptions,
    send: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    const { lane, signal } = options
    signal?.throwIfAborted()
    const broker = this.#broker(address)
    if (lane === 'control') {
      const connection = await broker.control(signal)
      return this.#exchange({ connection, end: () => {} }, options, send)
    }
    const lease = await (lane === 'read' ? broker.leaseForRead(signal) : broker.lease(signal))
    return this.#exchange(lease, options, send)
  }

  /** Whether reads of this broker have to queue: they should then wait in the broker for less long. */
  readsSaturated(address: BrokerAddress): boolean {
    return (this.#brokers.get(key(address))?.counts.waiting ?? 0) > 0
  }

  /** Whether the last attempt to connect failed and the next one is not due yet. */
  resting(address: BrokerAddress): boolean {
    return this.#brokers.get(key(address))?.resting ?? false
  }

  counts(): ConnectionCounts {
    const sum = { open: 0, leased: 0, waiting: 0 }
    for (const { counts } of this.#brokers.values()) {
      sum.open += counts.open
      sum.leased += counts.leased
      sum.waiting += counts.waiting
    }
    return sum
  }

  /** Closes every connection; calls in flight fail with CONNECTION_LOST. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#sweep?.cancel()
    await Promise.all([...this.#brokers.values()].map(broker => broker.stop()))
  }

  #broker(address: BrokerAddress): BrokerConnections {
    const known = this.#brokers.get(key(address))
    if (known) return known
    const broker = new BrokerConnections({ address, settings: this.#settings, clock: this.#clock })
    this.#brokers.set(key(address), broker)
    if (this.#stopped) void broker.stop()
    return broker
  }

  /** Sends, and waits for the first of answer, time-out and abort. The lease ends when the answer is in. */
  #exchange<T>(
    { connection, end }: Lease,
    { lane, what, timeoutMs, signal, finalOnceSent = false }: CallOptions,
    send: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settle = () => {
        timer.cancel()
        signal?.removeEventListener('abort', onAbort)
        end()
        this.#sweepLater()
      }
      const onAbort = () => {
        reject(signal?.reason)
        if (lane === 'group') destroy(connection)
      }
      const timer = this.#clock.after(timeoutMs, () => {
        reject(timedOut(`${what} was not answered within ${timeoutMs} ms.`))
        destroy(connection)
      })
      if (signal?.aborted) {
        // Between the end of the dial and here. Sent now, a join would be pending for nobody.
        settle()
        reject(signal.reason)
        return
      }
      if (!finalOnceSent) signal?.addEventListener('abort', onAbort, { once: true })
      answerOf(send(connection)).then(
        answer => {
          settle()
          resolve(answer)
        },
        error => {
          settle()
          reject(error)
        },
      )
    })
  }

  #sweepLater(): void {
    if (this.#stopped) return
    this.#sweep ??= this.#clock.after(this.#settings.idleTimeoutMs, () => this.#closeIdle())
  }

  #closeIdle(): void {
    let left = false
    for (const [name, broker] of this.#brokers) {
      if (broker.closeIdle()) left = true
      // A broker that moved or left keeps no entry for ever.
      if (broker.unused) this.#brokers.delete(name)
    }
    const pauseMs = Math.max(1000, this.#settings.idleTimeoutMs / 4)
    this.#sweep = left ? this.#clock.after(pauseMs, () => this.#closeIdle()) : undefined
  }
}

function key(address: BrokerAddress): string {
  return `${address.host}:${address.port}`
}
