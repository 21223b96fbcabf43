import { Writer } from '@platformatic/kafka'
import { abortable } from '../../shared/abortable.ts'
import type { Clock } from '../../shared/clock.ts'
import type { FetchedPartition, FetchRequest, Isolation } from '../ports/kafka-consumer.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import { brokerCodes, isLeaderError } from './broker-codes.ts'
import type { BrokerAddress } from './broker-connections.ts'
import { type FetchAnswer, parseFetchAnswer } from './fetch-answer.ts'
import { brokerError } from './kafka-errors.ts'
import { partitionRecords, type ReadLimits } from './partition-records.ts'
import type { PlatformaticCluster } from './platformatic-cluster.ts'
import type { PlatformaticConnections } from './platformatic-connections.ts'

export interface FetchSettings {
  /** On top of the time that the broker waits for records. */
  readonly requestTimeoutMs: number
  /** `max.partition.fetch.bytes`: bound on one partition's share of an answer. */
  readonly partitionBytesMax: number
  /** Bound on the decompressed size of one batch. */
  readonly batchBytesMax: number
  /** `check.crcs`. */
  readonly checkCrcs: boolean
  /** How much later than asked a broker may answer before a read goes on without it. */
  readonly answerGraceMs: number
  /** How long a fetch waits in the broker while others queue for a connection to it. */
  readonly saturatedWaitMs: number
}

type Connections = Pick<PlatformaticConnections, 'call' | 'readsSaturated'>
type Cluster = Pick<PlatformaticCluster, 'leader' | 'outdated'>

const NOTHING_TO_ASK_MS = 100

/** A partition with a position and a leader. */
interface Target {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly topicId: string
  readonly leaderEpoch: number
}

/** What one broker is asked for. */
interface Share {
  readonly broker: BrokerAddress
  readonly targets: Target[]
}

interface Terms {
  readonly maxWaitMs: number
  readonly minBytes: number
  readonly maxBytes: number
  readonly isolation: Isolation
}

type Outcome =
  | { readonly share: Share; readonly answer: FetchAnswer }
  | { readonly share: Share; readonly error: unknown }

/**
 * Fetches on demand. A Fetch that waits keeps its connection busy, so each takes a leased one.
 *
 * With several leaders, all are first asked without waiting: what is there comes at once from all of them. Only when
 * none has anything do the waiting fetches go out, and the first answer with records ends the wait. The others go on
 * waiting in their brokers for at most `maxWaitMs`, and the next fetch of the same positions joins them (`#inFlight`)
 * instead of asking again: otherwise each record of one busy leader would leave one more waiting fetch at every idle
 * one. Joining is safe between any callers, since an answer to the same positions is the same for all.
 */
export class PlatformaticFetcher {
  readonly #settings: FetchSettings
  readonly #connections: Connections
  readonly #cluster: Cluster
  readonly #clock: Clock
  readonly #inFlight = new Map<string, Promise<FetchAnswer>>()

  constructor(deps: {
    settings: FetchSettings
    connections: Connections
    cluster: Cluster
    clock: Clock
  }) {
    this.#clock = deps.clock
    this.#settings = deps.settings
    this.#connections = deps.connections
    this.#cluster = deps.cluster
  }

  /**
   * See `KafkaConsumers.fetch`. Partitions whose leader has not answered yet are left out of the result. `minBytes`
   * holds for each leader; with several leaders less may come back, and each may give one batch over its part of
   * `maxBytes`.
   * @throws the signal's reason as soon as it aborts; failures of partitions are in the result.
   */
  async fetch(request: FetchRequest): Promise<readonly FetchedPartition[]> {
    const { shares, failed } = await this.#shares(request)
    if (shares.length === 0) {
      // Answers about missing topics come from a cache at once; a caller that goes on reading must not spin on it.
      await this.#clock.sleep(Math.min(request.maxWaitMs, NOTHING_TO_ASK_MS), request.signal)
      return failed
    }
    const outcomes = await this.#ask(
      shares,
      {
        maxWaitMs: request.maxWaitMs,
        minBytes: Math.max(1, request.minBytes),
        maxBytes: Math.max(1, Math.floor(request.maxBytes / Math.max(1, shares.length))),
        isolation: request.isolation,
      },
      request.signal,
    )
    const limits: ReadLimits = {
      batchBytesMax: this.#settings.batchBytesMax,
      checkCrcs: this.#settings.checkCrcs,
      bytesLeft: Math.max(1, request.maxBytes),
    }
    // Whoever was asked for first comes first, and takes of what may be decompressed first.
    const inOrder = outcomes.toSorted((a, b) => shares.indexOf(a.share) - shares.indexOf(b.share))
    return [...inOrder.flatMap(outcome => this.#read(outcome, request.isolation, limits)), ...failed]
  }

  /**
   * Sorts the positions by leader, in the order they are asked for. Those without one are answered with their error;
   * those that take too long, later.
   */
  async #shares(request: FetchRequest): Promise<{ shares: Share[]; failed: FetchedPartition[] }> {
    const failed: FetchedPartition[] = []
    const { promise: late, resolve } = Promise.withResolvers<undefined>()
    const timer = this.#clock.after(this.#settings.answerGraceMs, () => resolve(undefined))
    const led = await Promise.all(
      request.positions.map(async ({ topic, partition, offset }) => {
        if (offset === undefined) throw new TypeError(`the position of ${topic}-${partition} is not resolved`)
        try {
          const leader = await Promise.race([
            this.#cluster.leader({ topic, partition }, request.signal),
            late,
          ])
          if (!leader) return undefined
          const { broker, topicId, leaderEpoch } = leader
          return { broker, target: { topic, partition, offset, topicId, leaderEpoch } }
        } catch (error) {
          if (!(error instanceof KafkaError)) throw error
          failed.push(failure({ topic, partition, offset }, error))
          return undefined
        }
      }),
    ).finally(() => timer.cancel())
    const byBroker = new Map<number, Share>()
    for (const each of led) {
      if (each === undefined) continue
      const share = byBroker.get(each.broker.id) ?? { broker: each.broker, targets: [] }
      byBroker.set(each.broker.id, share)
      share.targets.push(each.target)
    }
    return { shares: [...byBroker.values()], failed }
  }

  async #ask(shares: Share[], terms: Terms, signal: AbortSignal | undefined): Promise<Outcome[]> {
    const now = { ...terms, maxWaitMs: 0 }
    if (shares.length > 1) {
      const idle = shares.filter(share => !this.#inFlight.has(fetchKey(share, terms)))
      const prompt = await this.#collect(idle, now, () => false, signal)
      if (terms.maxWaitMs === 0 || prompt.some(hasNews)) return prompt
    }
    return this.#collect(shares, terms, hasNews, signal)
  }

  /**
   * Sends to all, and returns what has come when `ends` holds for an answer, when all have answered, or when an answer
   * is late: a broker that stands still must not hold up what the others have.
   */
  #collect(
    shares: readonly Share[],
    terms: Terms,
    ends: (outcome: Outcome) => boolean,
    signal: AbortSignal | undefined,
  ): Promise<Outcome[]> {
    const collected: Outcome[] = []
    if (shares.length === 0) return Promise.resolve(collected)
    const { promise, resolve } = Promise.withResolvers<Outcome[]>()
    const late = this.#clock.after(terms.maxWaitMs + this.#settings.answerGraceMs, () =>
      resolve([...collected]),
    )
    for (const share of shares) {
      const add = (outcome: Outcome) => {
        collected.push(outcome)
        if (ends(outcome) || collected.length === shares.length) resolve([...collected])
      }
      this.#fetch(share, terms).then(
        answer => add({ share, answer }),
        error => add({ share, error }),
      )
    }
    return abortable(promise, signal).finally(() => late.cancel())
  }

  /** A fetch, or the one with the same positions that is in flight for an earlier caller. */
  #fetch(share: Share, terms: Terms): Promise<FetchAnswer> {
    const key = fetchKey(share, terms)
    let fetching = this.#inFlight.get(key)
    if (!fetching) {
      const saturated = this.#connections.readsSaturated(share.broker)
      const maxWaitMs = saturated
        ? Math.min(terms.maxWaitMs, this.#settings.saturatedWaitMs)
        : terms.maxWaitMs
      fetching = this.#send(share, { ...terms, maxWaitMs }).finally(() => this.#inFlight.delete(key))
      this.#inFlight.set(key, fetching)
      // Also when the read that asked has gone on without it: who reads rarely must not ask a lost broker each time.
      fetching.catch(error => this.#noteLoss(share, error))
    }
    return fetching
  }

  #noteLoss({ targets }: Share, error: unknown): void {
    if (!(error instanceof KafkaError) || error.code !== -1) return
    for (const { topic } of targets) this.#cluster.outdated(topic)
  }

  /**
   * One Fetch request, version 13: by topic id (KIP-516), so that a topic that was deleted and made anew is not read
   * by mistake. Without a fetch session: instances share connections.
   */
  #send(share: Share, { maxWaitMs, minBytes, maxBytes, isolation }: Terms): Promise<FetchAnswer> {
    const topics = [...Map.groupBy(share.targets, target => target.topicId)]
    const partitionBytesMax = Math.min(maxBytes, this.#settings.partitionBytesMax)
    const payload = () =>
      Writer.create()
        .appendInt32(-1)
        .appendInt32(maxWaitMs)
        .appendInt32(minBytes)
        .appendInt32(maxBytes)
        .appendInt8(isolation === 'read_committed' ? 1 : 0)
        .appendInt32(0)
        .appendInt32(-1)
        .appendArray(topics, (topic, [topicId, targets]) => {
          topic.appendUUID(topicId).appendArray(targets, (partition, target) => {
            partition
              .appendInt32(target.partition)
              .appendInt32(target.leaderEpoch)
              .appendInt64(target.offset)
              .appendInt32(-1)
              .appendInt64(-1n)
              .appendInt32(partitionBytesMax)
          })
        })
        .appendArray([], () => {})
        .appendString('')
        .appendTaggedFields()
    const call = {
      lane: 'read',
      what: 'A fetch',
      timeoutMs: maxWaitMs + this.#settings.requestTimeoutMs,
    } as const
    return this.#connections.call(
      share.broker,
      call,
      connection =>
        new Promise((resolve, reject) => {
          connection.send<FetchAnswer>(1, 13, payload, parseFetchAnswer, true, true, (error, answer) => {
            if (answer) resolve(answer)
            else reject(error)
          })
        }),
    )
  }

  #read(outcome: Outcome, isolation: Isolation, limits: ReadLimits): FetchedPartition[] {
    const { share } = outcome
    if ('error' in outcome) return share.targets.map(target => this.#failed(target, outcome.error))
    const { answer } = outcome
    if (answer.errorCode !== brokerCodes.none) {
      return share.targets.map(target => this.#failed(target, brokerError(answer.errorCode)))
    }
    const targets = new Map(share.targets.map(target => [`${target.topicId}/${target.partition}`, target]))
    return answer.partitions.flatMap(partition => {
      const target = targets.get(`${partition.topicId}/${partition.partition}`)
      if (!target) return []
      if (partition.errorCode !== brokerCodes.none) {
        return [this.#failed(target, brokerError(partition.errorCode, { subject: target.topic }))]
      }
      const { topic, offset } = target
      const { highWatermark, logStartOffset } = partition
      const read = partitionRecords({ ...partition, topic, askedOffset: offset, isolation }, limits)
      return [{ topic, partition: target.partition, ...read, highWatermark, logStartOffset }]
    })
  }

  #failed(target: Target, error: unknown): FetchedPartition {
    if (!(error instanceof KafkaError)) throw error
    if (isLeaderError(error.code)) this.#cluster.outdated(target.topic)
    return failure(target, error)
  }
}

function hasNews(outcome: Outcome): boolean {
  if ('error' in outcome) return true
  const { answer } = outcome
  if (answer.errorCode !== brokerCodes.none) return true
  return answer.partitions.some(({ errorCode, data }) => errorCode !== brokerCodes.none || data.length > 0)
}

/** Same key, same answer: fetches that wait, and those that don't, are kept apart. */
function fetchKey({ broker, targets }: Share, { maxWaitMs, minBytes, maxBytes, isolation }: Terms): string {
  const positions = targets
    .map(({ topicId, partition, offset, leaderEpoch }) => `${topicId}/${partition}/${leaderEpoch}@${offset}`)
    .sort()
  return `${broker.id} ${maxWaitMs > 0} ${isolation} ${minBytes} ${maxBytes} ${positions.join(' ')}`
}

function failure(
  { topic, partition, offset }: { topic: string; partition: number; offset: bigint },
  error: KafkaError,
): FetchedPartition {
  return { topic, partition, records: [], nextOffset: offset, highWatermark: -1n, logStartOffset: -1n, error }
}
