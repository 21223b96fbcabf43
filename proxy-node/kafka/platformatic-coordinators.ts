import { findCoordinatorV4 } from '@platformatic/kafka'
import { abortable } from '../../shared/abortable.ts'
import type { Clock } from '../../shared/clock.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import { brokerCodes, isCoordinatorError } from './broker-codes.ts'
import type { BrokerAddress } from './broker-connections.ts'
import { brokerError } from './kafka-errors.ts'
import type { PlatformaticCluster } from './platformatic-cluster.ts'
import type { PlatformaticConnections } from './platformatic-connections.ts'
import { isConnectionFailure } from './platformatic-errors.ts'
import { RetryBackoff, type RetryBackoffSettings } from './retry-backoff.ts'

export interface CoordinatorSettings extends RetryBackoffSettings {
  readonly requestTimeoutMs: number
  /** Bound on remembered groups; the one looked up first makes room. */
  readonly groupsCachedMax: number
}

const GROUP = 0

/** Which broker coordinates a group: one cache for the node, and one look-up at a time for each group. */
export class PlatformaticCoordinators {
  readonly #settings: CoordinatorSettings
  readonly #connections: PlatformaticConnections
  readonly #cluster: PlatformaticCluster
  readonly #clock: Clock
  readonly #random: () => number
  readonly #known = new Map<string, BrokerAddress>()
  readonly #looking = new Map<string, Promise<BrokerAddress>>()

  constructor(deps: {
    settings: CoordinatorSettings
    connections: PlatformaticConnections
    cluster: PlatformaticCluster
    clock: Clock
    random: () => number
  }) {
    this.#settings = deps.settings
    this.#connections = deps.connections
    this.#cluster = deps.cluster
    this.#clock = deps.clock
    this.#random = deps.random
  }

  /**
   * The group's coordinator, from the cache or by one look-up.
   * @throws KafkaError, COORDINATOR_NOT_AVAILABLE while the brokers have none (as in a cluster's first minute).
   */
  find(group: string, signal?: AbortSignal): Promise<BrokerAddress> {
    const known = this.#known.get(group)
    if (known) return Promise.resolve(known)
    let looking = this.#looking.get(group)
    if (!looking) {
      looking = this.#look(group).finally(() => this.#looking.delete(group))
      this.#looking.set(group, looking)
    }
    return abortable(looking, signal)
  }

  /** Says that `address` turned out not to coordinate the group; a newer finding is kept. */
  forget(group: string, address: BrokerAddress): void {
    if (this.#known.get(group) === address) this.#known.delete(group)
  }

  /**
   * Runs a call that may be repeated on the group's coordinator, and looks for the coordinator again when it moved,
   * is loading or cannot be reached, until the time is over.
   * @param again the error in an answer that a later attempt may not meet, 0 for none.
   * @returns the first answer without such an error.
   * @throws KafkaError the last failure, when the time is over.
   */
  async call<T>(
    group: string,
    { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal | undefined },
    call: (address: BrokerAddress) => Promise<T>,
    again: (answer: T) => number,
  ): Promise<T> {
    const backoff = new RetryBackoff({ settings: this.#settings, clock: this.#clock, random: this.#random })
    const deadline = this.#clock.monotonic() + timeoutMs
    for (;;) {
      let address: BrokerAddress | undefined
      let failure: KafkaError
      try {
        address = await this.find(group, signal)
        const answer = await call(address)
        const code = again(answer)
        if (code === brokerCodes.none) return answer
        if (isCoordinatorError(code) && code !== brokerCodes.coordinatorLoadInProgress)
          this.forget(group, address)
        failure = brokerError(code, { subject: group })
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error
        const elsewhere = isConnectionFailure(error) || isCoordinatorError(error.code)
        if (!elsewhere) throw error
        if (address) this.forget(group, address)
        failure = error
      }
      const pauseMs = backoff.next()
      if (this.#clock.monotonic() + pauseMs >= deadline) throw failure
      await this.#clock.sleep(pauseMs, signal)
    }
  }

  async #look(group: string): Promise<BrokerAddress> {
    const answer = await this.#cluster.onAnyBroker(broker =>
      this.#connections.call(
        broker,
        {
          lane: 'control',
          what: 'The look-up of a group coordinator',
          timeoutMs: this.#settings.requestTimeoutMs,
        },
        connection => findCoordinatorV4.api.async(connection, GROUP, [group]),
      ),
    )
    const found = answer.coordinators[0]
    if (!found) throw brokerError(brokerCodes.coordinatorNotAvailable, { subject: group })
    if (found.errorCode !== 0) throw brokerError(found.errorCode, { subject: group })
    const address = { id: found.nodeId, host: found.host, port: found.port }
    this.#known.set(group, address)
    if (this.#known.size > this.#settings.groupsCachedMax) {
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest)
        break
      }
    }
    return address
  }
}
