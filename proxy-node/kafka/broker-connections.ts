import { isIP } from 'node:net'
import { Connection, type ConnectionOptions } from '@platformatic/kafka'
import { abortable } from '../../shared/abortable.ts'
import type { Clock } from '../../shared/clock.ts'
import type { KafkaError } from '../ports/kafka-error.ts'
import { connectionLost } from './kafka-errors.ts'
import { connectFailure } from './platformatic-errors.ts'

/** Where a broker listens. `id` is −1 for a bootstrap address whose broker id nobody knows yet. */
export interface BrokerAddress {
  readonly id: number
  readonly host: string
  readonly port: number
}

export interface ConnectionSettings {
  readonly clientId: string
  /** TCP, TLS and SASL together, ms. */
  readonly connectTimeoutMs: number
  /** Leased connections are closed after this much idleness, so that an idle node keeps only its control ones. */
  readonly idleTimeoutMs: number
  /** Bound on connections leased for reads, for each broker. */
  readonly readsPerBrokerMax: number
  /** First and longest pause before a broker that refused a connection is dialled again. */
  readonly reconnectBackoffMs: number
  readonly reconnectBackoffMaxMs: number
  readonly security: Pick<ConnectionOptions, 'tls' | 'sasl' | 'tlsServerName'>
}

/** A connection that is used by one call; `end` is called once, when the call is over. */
export interface Lease {
  readonly connection: Connection
  end(): void
}

/** Longer than any of our own time-outs, and the largest delay that a timer takes. */
const LIBRARY_TIMEOUT_MS = 2 ** 31 - 1

/** All connections to one broker: the shared one, and those that are leased to one call at a time. */
export class BrokerConnections {
  readonly #address: BrokerAddress
  readonly #settings: ConnectionSettings
  readonly #clock: Clock
  readonly #open = new Set<Connection>()
  /** Oldest first; the youngest is taken, so that those over the need grow old and are closed. */
  readonly #idle: { connection: Connection; since: number }[] = []
  readonly #waiting: (() => void)[] = []
  #control: Promise<Connection> | undefined
  #leased = 0
  #reads = 0
  #failures = 0
  #retryAt = 0
  #lastFailure: KafkaError | undefined
  #stopped = false

  constructor(deps: { address: BrokerAddress; settings: ConnectionSettings; clock: Clock }) {
    this.#address = deps.address
    this.#settings = deps.settings
    this.#clock = deps.clock
  }

  get counts(): { open: number; leased: number; waiting: number } {
    return { open: this.#open.size, leased: this.#leased, waiting: this.#waiting.length }
  }

  /** Whether the last attempt to connect failed and the next one is not due yet. */
  get resting(): boolean {
    return this.#clock.monotonic() < this.#retryAt
  }

  /** Whether nothing would be lost by forgetting this broker. */
  get unused(): boolean {
    return this.#open.size === 0 && this.#leased === 0 && this.#reads === 0 && !this.#control
  }

  /** The shared connection, dialled when there is none. */
  control(signal: AbortSignal | undefined): Promise<Connection> {
    let opening = this.#control
    if (!opening) {
      opening = this.#dial()
      this.#control = opening
      const mine = opening
      const forget = () => {
        if (this.#control === mine) this.#control = undefined
      }
      mine.then(connection => connection.once('close', forget), forget)
    }
    return abortable(opening, signal)
  }

  /** A connection for one call, without a bound. */
  async lease(signal: AbortSignal | undefined): Promise<Lease> {
    const connection = this.#takeIdle() ?? (await this.#dialFor(signal))
    this.#leased += 1
    return {
      connection,
      end: () => {
        this.#leased -= 1
        this.#giveBack(connection)
      },
    }
  }

  /** A connection for one read; waits while as many reads as may be are under way. */
  async leaseForRead(signal: AbortSignal | undefined): Promise<Lease> {
    await this.#admitRead(signal)
    try {
      const { connection, end } = await this.lease(signal)
      return {
        connection,
        end: () => {
          end()
          this.#readEnded()
        },
      }
    } catch (error) {
      this.#readEnded()
      throw error
    }
  }

  /** Closes connections that have been idle for the idle time; tells whether younger ones are left. */
  closeIdle(): boolean {
    const oldest = this.#clock.monotonic() - this.#settings.idleTimeoutMs
    const old = this.#idle.filter(entry => entry.since <= oldest)
    this.#idle.splice(0, old.length)
    for (const { connection } of old) destroy(connection)
    return this.#idle.length > 0
  }

  /** Closes everything; calls in flight fail with CONNECTION_LOST. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const wake of this.#waiting.splice(0)) wake()
    await Promise.all(
      [...this.#open].map(connection => {
        // The library's `close` ends a dial too, but waits until what was written is sent.
        const closed = connection.close()
        destroy(connection)
        return closed
      }),
    )
  }

  #takeIdle(): Connection | undefined {
    for (let entry = this.#idle.pop(); entry; entry = this.#idle.pop()) {
      if (usable(entry.connection)) return entry.connection
    }
    return undefined
  }

  async #dialFor(signal: AbortSignal | undefined): Promise<Connection> {
    const opening = this.#dial()
    try {
      return await abortable(opening, signal)
    } catch (error) {
      // A caller that left while it was dialled leaves the connection to the next one.
      opening.then(
        connection => this.#giveBack(connection),
        () => {},
      )
      throw error
    }
  }

  /** Dials, or fails at once with the last failure while the broker is resting after one. */
  async #dial(): Promise<Connection> {
    if (this.#stopped) throw stopped()
    if (this.#lastFailure && this.resting) throw this.#lastFailure
    const { clientId, connectTimeoutMs, security } = this.#settings
    const { host, port } = this.#address
    const connection = new Connection(clientId, {
      ...security,
      // Brokers behind one address are told apart by the name in the TLS handshake; an IP address is no name.
      ...(isIP(host) === 0 ? {} : { tlsServerName: false }),
      connectTimeout: connectTimeoutMs,
      // Our own timer ends a call, with a time-out of its own for each kind: the library has one for all.
      requestTimeout: LIBRARY_TIMEOUT_MS,
      // The library queues beyond this many requests in flight; heartbeats of thousands of members share one.
      maxInflights: 1000,
    })
    // An 'error' event without a listener ends the process. The failure also reaches the calls in flight.
    connection.on('error', () => destroy(connection))
    this.#open.add(connection)
    connection.once('close', () => {
      this.#open.delete(connection)
      const index = this.#idle.findIndex(entry => entry.connection === connection)
      if (index >= 0) this.#idle.splice(index, 1)
    })
    try {
      await connection.connect(host, port)
    } catch (error) {
      this.#open.delete(connection)
      destroy(connection)
      throw this.#failed(connectFailure(error))
    }
    if (this.#stopped) {
      destroy(connection)
      throw stopped()
    }
    this.#failures = 0
    this.#lastFailure = undefined
    return connection
  }

  #failed(failure: KafkaError): KafkaError {
    const { reconnectBackoffMs, reconnectBackoffMaxMs } = this.#settings
    const pauseMs = Math.min(reconnectBackoffMs * 2 ** this.#failures, reconnectBackoffMaxMs)
    this.#failures = Math.min(this.#failures + 1, 20)
    this.#retryAt = this.#clock.monotonic() + pauseMs
    this.#lastFailure = failure
    return failure
  }

  async #admitRead(signal: AbortSignal | undefined): Promise<void> {
    if (this.#stopped) throw stopped()
    if (this.#reads < this.#settings.readsPerBrokerMax) {
      this.#reads += 1
      return
    }
    // The slot is handed over by whoever wakes us, so it is counted already: a newcomer cannot take it between.
    await new Promise<void>((resolve, reject) => {
      const onAbort = () => {
        const index = this.#waiting.indexOf(wake)
        if (index >= 0) this.#waiting.splice(index, 1)
        reject(signal?.reason)
      }
      const wake = () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }
      this.#waiting.push(wake)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  #readEnded(): void {
    const next = this.#waiting.shift()
    if (next) next()
    else this.#reads -= 1
  }

  #giveBack(connection: Connection): void {
    if (!usable(connection)) return
    if (this.#stopped) destroy(connection)
    else this.#idle.push({ connection, since: this.#clock.monotonic() })
  }
}

/**
 * Ends a connection at once. The library's own `close` waits until what was written is sent, which a broker that
 * stands still never takes.
 */
export function destroy(connection: Connection): void {
  connection.socket?.destroy()
}

function usable(connection: Connection): boolean {
  return connection.isConnected() && !connection.socket.destroyed
}

function stopped(): KafkaError {
  return connectionLost('The connections to Kafka are closed: the node is stopping.')
}
