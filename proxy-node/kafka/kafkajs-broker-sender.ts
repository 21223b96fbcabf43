import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import { incompleteAnswer, stopping, translateKafkajs } from './kafka-errors.ts'
import { BrokerConnection, type ConnectionSettings } from './kafkajs-connection.ts'
import {
  type PartitionAnswer,
  type PartitionBatch,
  type ProduceAnswer,
  partitionKey,
  produceRequest,
  produceResponse,
} from './kafkajs-produce-request.ts'

export interface SenderSettings extends ConnectionSettings {
  readonly acks: -1 | 0 | 1
  /** Bytes of batches in one request (`max.request.size`); a larger batch goes alone. */
  readonly requestBytesMax: number
  /** Requests on their way at once (`max.in.flight.requests.per.connection`). */
  readonly inFlightMax: number
  /** First and longest pause before a broker that could not be reached is dialled again (`reconnect.backoff.ms`). */
  readonly reconnectBackoffMs: number
  readonly reconnectBackoffMaxMs: number
}

interface Deps {
  readonly settings: SenderSettings
  readonly clock: Clock
  readonly log: Logger
}

interface Waiting {
  readonly batch: PartitionBatch
  readonly resolve: (answer: PartitionAnswer) => void
  readonly reject: (error: unknown) => void
}

/**
 * What goes to one broker. A broker works on one request of a connection at a time, and with acks=all that includes the
 * replication; so the batches that are ready together travel together, one for each partition, and each gets its own
 * answer. Nothing is retried here.
 */
export class BrokerSender {
  readonly host: string
  readonly port: number
  readonly #deps: Deps
  #connection: BrokerConnection | undefined
  #opening: Promise<BrokerConnection> | undefined
  #waiting: Waiting[] = []
  #inFlight = 0
  #scheduled = false
  #stopped = false
  /** Failed attempts to connect in a row, when the next one is due, and why the last one failed. */
  #failures = 0
  #retryAt = 0
  #lastFailure: unknown

  constructor(address: { host: string; port: number }, deps: Deps) {
    this.host = address.host
    this.port = address.port
    this.#deps = deps
  }

  /**
   * Sends one batch. At most one batch of a partition may be on its way.
   * @throws KafkaError; whether the broker has written the batch is not known then.
   */
  send(batch: PartitionBatch): Promise<PartitionAnswer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, resolve, reject })
      this.#schedule()
    })
  }

  /** A new producer id from this broker. @throws KafkaError */
  async initProducerId(): Promise<{ producerId: bigint; epoch: number }> {
    try {
      const connection = await this.#open()
      return await connection.initProducerId()
    } catch (error) {
      throw translateKafkajs(error)
    }
  }

  stop(error: Error): void {
    this.#stopped = true
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error)
    this.#connection?.close(error)
  }

  /** At the end of this turn of the event loop, so that what one HTTP request brought travels together. */
  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= this.#deps.settings.inFlightMax) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      while (this.#waiting.length > 0 && this.#inFlight < this.#deps.settings.inFlightMax) {
        this.#inFlight++
        void this.#exchange(this.#takeGroup()).finally(() => {
          this.#inFlight--
          if (this.#waiting.length > 0) this.#schedule()
        })
      }
    })
  }

  #takeGroup(): Waiting[] {
    let bytes = 0
    let count = 0
    for (const { batch } of this.#waiting) {
      bytes += batch.batch.length
      if (count > 0 && bytes > this.#deps.settings.requestBytesMax) break
      count++
    }
    return this.#waiting.splice(0, count)
  }

  /** One request and its answer. Never rejects: every batch of the group gets its result. */
  async #exchange(group: readonly Waiting[]): Promise<void> {
    const { acks, requestTimeoutMs } = this.#deps.settings
    let connection: BrokerConnection | undefined
    try {
      connection = await this.#open()
      const batches = group.map(waiting => waiting.batch)
      const request = produceRequest(batches, { acks, timeoutMs: requestTimeoutMs })
      const answer = await connection.send(request, produceResponse)
      for (const waiting of group) settle(waiting, answer)
      if (!answer) await connection.drained()
    } catch (error) {
      const translated = translateKafkajs(error)
      // Late answers would be taken for nobody's, and a connection that is stuck would fail all that follows.
      if (connection) connection.close(asError(translated))
      for (const waiting of group) waiting.reject(translated)
    }
  }

  /**
   * The open connection, or one that all callers wait for. A broker that could not be reached is left alone for a while:
   * each of its partitions retries by itself, and together they would dial it hundreds of times a second.
   */
  #open(): Promise<BrokerConnection> {
    if (this.#stopped) return Promise.reject(stopping())
    if (this.#connection?.usable) return Promise.resolve(this.#connection)
    if (this.#deps.clock.monotonic() < this.#retryAt) return Promise.reject(this.#lastFailure)
    this.#opening ??= this.#dial().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #dial(): Promise<BrokerConnection> {
    const { clock, settings } = this.#deps
    try {
      const connection = await BrokerConnection.open(this, this.#deps)
      this.#failures = 0
      this.#connection = connection
      if (this.#stopped) connection.close(stopping())
      return connection
    } catch (error) {
      const pauseMs = Math.min(
        settings.reconnectBackoffMs * 2 ** this.#failures,
        settings.reconnectBackoffMaxMs,
      )
      this.#failures = Math.min(this.#failures + 1, 20)
      this.#retryAt = clock.monotonic() + pauseMs
      this.#lastFailure = error
      throw error
    }
  }
}

/** With acks=0 there is no answer and no offset; kafkajs has handed the request to the socket. */
const unanswered: PartitionAnswer = { errorCode: 0, baseOffset: -1n, recordErrors: [], errorText: null }

function settle({ batch, resolve, reject }: Waiting, answer: ProduceAnswer | undefined): void {
  const partition = answer ? answer.partitions.get(partitionKey(batch.topic, batch.partition)) : unanswered
  if (partition) resolve(partition)
  else reject(incompleteAnswer(batch.topic, batch.partition))
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
