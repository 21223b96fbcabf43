import { metadataV12 } from '@platformatic/kafka'
import type { Logger } from '../../shared/observability/logger.ts'
import { brokerCodes } from './broker-codes.ts'
import type { BrokerAddress } from './broker-connections.ts'
import { brokerError } from './kafka-errors.ts'
import type { PlatformaticConnections } from './platformatic-connections.ts'
import { isConnectionFailure } from './platformatic-errors.ts'

export interface MetadataRequestSettings {
  /** `bootstrap.servers`. */
  readonly bootstrap: readonly { readonly host: string; readonly port: number }[]
  /** Time-out of one metadata request to one broker; the next broker is asked after it. */
  readonly metadataTimeoutMs: number
}

export type MetadataAnswer = Awaited<ReturnType<typeof metadataV12.api.async>>
export type TopicAnswer = MetadataAnswer['topics'][number]

interface Deps {
  readonly settings: MetadataRequestSettings
  readonly connections: PlatformaticConnections
  readonly log: Logger
  readonly stopped: AbortSignal
}

interface Asking {
  readonly answer: Promise<TopicAnswer>
  readonly resolve: (answer: TopicAnswer) => void
  readonly reject: (error: unknown) => void
}

const UNKNOWN_SERVER_ERROR = -1

/**
 * Metadata requests: as few as possible, to whichever broker answers. Every answer tells which brokers are alive and
 * where they listen.
 */
export class MetadataRequests {
  readonly #deps: Deps
  /** Topics wanted by the next request, without and with auto-creation. */
  readonly #asking = { plain: new Map<string, Asking>(), creating: new Map<string, Asking>() }
  readonly #flying = { plain: false, creating: false }
  #brokers: ReadonlyMap<number, BrokerAddress> = new Map()
  #brokersAsked: Promise<MetadataAnswer> | undefined
  #turn = 0
  /** The last request got no answer. */
  #away = false

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Where a broker listens, as the last answer had it. */
  address(id: number): BrokerAddress | undefined {
    return this.#brokers.get(id)
  }

  /** Starts with another broker from now on: the one that answers may lag behind in the metadata log. */
  askAnother(): void {
    this.#turn += 1
  }

  /** One answer about one topic, an error perhaps. Topics wanted while a request is in flight share the next one. */
  topic(name: string, autoCreate: boolean): Promise<TopicAnswer> {
    const mode = autoCreate ? 'creating' : 'plain'
    const wanted = this.#asking[mode]
    const known = wanted.get(name)
    if (known) return known.answer
    const { promise, resolve, reject } = Promise.withResolvers<TopicAnswer>()
    wanted.set(name, { answer: promise, resolve, reject })
    if (!this.#flying[mode]) void this.#fly(mode)
    return promise
  }

  async #fly(mode: 'plain' | 'creating'): Promise<void> {
    this.#flying[mode] = true
    while (this.#asking[mode].size > 0) {
      const batch = this.#asking[mode]
      this.#asking[mode] = new Map()
      try {
        const answer = await this.#request([...batch.keys()], mode === 'creating')
        for (const topic of answer.topics) batch.get(topic.name ?? '')?.resolve(topic)
        // A second settlement does nothing, so this reaches only those that the answer left out.
        for (const asking of batch.values()) asking.reject(brokerError(UNKNOWN_SERVER_ERROR))
      } catch (error) {
        for (const asking of batch.values()) asking.reject(error)
      }
    }
    this.#flying[mode] = false
  }

  /** Who is alive. Those who ask while a request is in flight share its answer. */
  brokers(): Promise<MetadataAnswer> {
    this.#brokersAsked ??= this.#request([], false).finally(() => {
      this.#brokersAsked = undefined
    })
    return this.#brokersAsked
  }

  allTopics(): Promise<MetadataAnswer> {
    return this.#request(null, false)
  }

  /**
   * Runs a call that any broker can answer, on one broker after the other until one answers: the known ones first,
   * then the bootstrap addresses. Only lost connections and time-outs go on to the next broker.
   */
  async onAnyBroker<T>(call: (address: BrokerAddress) => Promise<T>): Promise<T> {
    let last: unknown
    for (const address of this.#candidates()) {
      this.#deps.stopped.throwIfAborted()
      try {
        return await call(address)
      } catch (error) {
        if (!isConnectionFailure(error)) throw error
        last = error
        this.#turn += 1
      }
    }
    throw last ?? brokerError(brokerCodes.brokerNotAvailable)
  }

  /** One metadata request to the first broker that answers. `null` asks for all topics, `[]` for brokers only. */
  async #request(topics: string[] | null, autoCreate: boolean): Promise<MetadataAnswer> {
    const answer = await this.#logged(
      this.onAnyBroker(address =>
        this.#deps.connections.call(
          address,
          { lane: 'control', what: 'A metadata request', timeoutMs: this.#deps.settings.metadataTimeoutMs },
          connection => metadataV12.api.async(connection, topics, autoCreate, false),
        ),
      ),
    )
    if (answer.brokers.length > 0) {
      this.#brokers = new Map(
        answer.brokers.map(({ nodeId, host, port }) => [nodeId, { id: nodeId, host, port }] as const),
      )
    } else this.#deps.log.warn('Kafka answered a metadata request without any broker')
    return answer
  }

  /** Says once that Kafka is away, and once that it is back: each answer and each failure comes by here. */
  async #logged(asked: Promise<MetadataAnswer>): Promise<MetadataAnswer> {
    const { log, stopped } = this.#deps
    try {
      const answer = await asked
      if (this.#away) log.info('Kafka is reached again')
      this.#away = false
      return answer
    } catch (error) {
      if (!this.#away && !stopped.aborted) log.warn({ err: error }, 'Kafka cannot be reached')
      this.#away = true
      throw error
    }
  }

  /** Known brokers in turn, then bootstrap addresses; those that refused a connection a moment ago come last. */
  #candidates(): readonly BrokerAddress[] {
    const known = [...this.#brokers.values()]
    const shift = known.length === 0 ? 0 : this.#turn % known.length
    const bootstrap = this.#deps.settings.bootstrap
      .map(({ host, port }) => ({ id: -1, host, port }))
      .filter(({ host, port }) => !known.some(broker => broker.host === host && broker.port === port))
    const all = [...known.slice(shift), ...known.slice(0, shift), ...bootstrap]
    return [
      ...all.filter(address => !this.#deps.connections.resting(address)),
      ...all.filter(address => this.#deps.connections.resting(address)),
    ]
  }
}
