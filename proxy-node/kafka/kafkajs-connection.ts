import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import kafkajs, { type SASLOptions } from 'kafkajs'
import Broker from 'kafkajs/src/broker/index.js'
import ConnectionPool, {
  type KafkajsConnection,
  type KafkajsLog,
  type KafkajsRequest,
  type KafkajsResponse,
} from 'kafkajs/src/network/connectionPool.js'
import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import { connectionLost, timedOut } from './kafka-errors.ts'

export interface ConnectionSettings {
  readonly clientId: string
  /** TCP, TLS and SASL together, ms (`socket.connection.setup.timeout.ms`). */
  readonly connectTimeoutMs: number
  /** Ms without an answer after which a request fails, and with it the connection. */
  readonly requestTimeoutMs: number
  readonly tls: ConnectionOptions | undefined
  /** Called for each connection, since kafkajs keeps state in the object. */
  readonly sasl: (() => SASLOptions) | undefined
}

interface Deps {
  readonly settings: ConnectionSettings
  readonly clock: Clock
  readonly log: Logger
}

/**
 * One authenticated connection of kafkajs to one broker. Below kafkajs's Producer, since that one keeps the metadata of
 * all topics that it ever sent to in one request, and every send fails while one of those topics is deleted or one of
 * their partitions is without a leader (its metadata parser throws for all).
 */
export class BrokerConnection {
  readonly #broker: Broker
  readonly #connection: KafkajsConnection
  readonly #sockets: ReadonlySet<Socket>

  private constructor(broker: Broker, connection: KafkajsConnection, sockets: ReadonlySet<Socket>) {
    this.#broker = broker
    this.#connection = connection
    this.#sockets = sockets
  }

  /**
   * Connects and authenticates, within `connectTimeoutMs`.
   * @throws what kafkajs throws, or KafkaError TIMED_OUT.
   */
  static async open(address: { host: string; port: number }, deps: Deps): Promise<BrokerConnection> {
    const { settings, clock } = deps
    const sockets = new Set<Socket>()
    const lost = connectionLost('The connection to the broker was lost.')
    // kafkajs hears of an orderly end and of errors, but not of a socket that is just destroyed.
    const onClosed = () => endQueue(first, lost)
    const logger = quietLog(deps.log)
    const connectionPool = new ConnectionPool({
      host: address.host,
      port: address.port,
      logger,
      clientId: settings.clientId,
      ssl: settings.tls ?? null,
      sasl: settings.sasl?.() ?? null,
      socketFactory: options => openSocket(options, sockets, onClosed),
      connectionTimeout: settings.connectTimeoutMs,
      requestTimeout: settings.requestTimeoutMs,
      enforceRequestTimeout: true,
      maxInFlightRequests: null,
    })
    for (const connection of connectionPool.pool) withoutNegativeTimers(connection)
    const [first] = connectionPool.pool
    if (!first) throw new Error('kafkajs made a pool without connections')
    const authenticationTimeout = settings.connectTimeoutMs
    const broker = new Broker({
      connectionPool,
      logger,
      authenticationTimeout,
      allowAutoTopicCreation: false,
    })
    const opened = new BrokerConnection(broker, first, sockets)
    const late = timedOut(`The connection to the broker was not open after ${settings.connectTimeoutMs} ms.`)
    const { promise: timeout, reject } = Promise.withResolvers<never>()
    const timer = clock.after(settings.connectTimeoutMs, () => reject(late))
    try {
      await Promise.race([broker.connect(), timeout])
      return opened
    } catch (error) {
      // kafkajs takes a connection that ends during the login for refused credentials, and keeps no cause.
      const isOver = [...sockets].every(({ destroyed, readableEnded }) => destroyed || readableEnded)
      const unanswered = isOver && error instanceof kafkajs.KafkaJSSASLAuthenticationError
      opened.close(late)
      throw unanswered ? lost : error
    } finally {
      timer.cancel()
    }
  }

  get usable(): boolean {
    return this.#connection.isConnected() && [...this.#sockets].some(socket => !socket.destroyed)
  }

  /**
   * @returns undefined when the request expects no answer: then it has been handed to the socket.
   * @throws what kafkajs throws.
   */
  send<T>(request: KafkajsRequest, response: KafkajsResponse<T>): Promise<T | undefined> {
    return this.#connection.send({ request, response, logResponseError: false })
  }

  /** A new producer id (KIP-98) without a transactional id. */
  async initProducerId(): Promise<{ producerId: bigint; epoch: number }> {
    // The time-out is about transactions; brokers refuse none at all.
    const answer = await this.#broker.initProducerId({ transactionalId: null, transactionTimeout: 60_000 })
    return { producerId: BigInt(answer.producerId), epoch: answer.producerEpoch }
  }

  /**
   * Waits until the broker has taken most of what was written: nothing else holds back requests that have no answer
   * (acks=0).
   */
  async drained(): Promise<void> {
    for (const socket of this.#sockets) {
      if (socket.destroyed || !socket.writableNeedDrain) continue
      await new Promise<void>(resolve => {
        const done = () => {
          socket.off('drain', done)
          socket.off('close', done)
          resolve()
        }
        socket.on('drain', done)
        socket.on('close', done)
      })
    }
  }

  /** Ends the connection at once; requests on their way fail with `error`. */
  close(error: Error): void {
    endQueue(this.#connection, error)
    for (const socket of this.#sockets) socket.destroy()
  }
}

/** kafkajs's own factory leaves Nagle's algorithm on, and a small batch then waits for the answer to the last one. */
function openSocket(
  options: { host: string; port: number; ssl: ConnectionOptions | null; onConnect: () => void },
  sockets: Set<Socket>,
  onClosed: () => void,
): Socket {
  const { host, port, ssl, onConnect } = options
  const name = isIP(host) ? {} : { servername: host }
  const socket = ssl
    ? connectTls({ host, port, ...name, ...ssl }, onConnect)
    : connectTcp({ host, port }, onConnect)
  socket.setKeepAlive(true, 60_000)
  socket.setNoDelay(true)
  sockets.add(socket)
  socket.once('close', () => {
    sockets.delete(socket)
    onClosed()
  })
  return socket
}

/**
 * After each answer kafkajs 2.2.4 looks again for requests that wait because of throttling, with a timer whose delay is
 * computed from "never throttled" = −1: a large negative number, which Node 24 warns of for every answer. Without waiting
 * requests there is nothing to look for, so then there is no timer.
 */
function withoutNegativeTimers(connection: KafkajsConnection): void {
  const queue = connection.requestQueue
  const schedule = queue.scheduleCheckPendingRequests.bind(queue)
  queue.scheduleCheckPendingRequests = () => {
    if (queue.pending.length > 0) schedule()
  }
}

/** kafkajs logs as errors what its caller gets as rejections anyway. */
function quietLog(log: Logger): KafkajsLog {
  const write = (message: string, extra?: object) => log.debug({ kafkajs: message, ...extra }, 'kafkajs')
  const quiet: KafkajsLog = {
    namespace: () => quiet,
    // Built for each request and answer; too much even for a debug log.
    debug: () => undefined,
    info: write,
    warn: write,
    error: write,
  }
  return quiet
}

/** Fails the requests on their way, and stops the timer that looks for late ones. */
function endQueue(connection: KafkajsConnection | undefined, error: Error): void {
  connection?.requestQueue.rejectAll(error)
  connection?.requestQueue.destroy()
}
