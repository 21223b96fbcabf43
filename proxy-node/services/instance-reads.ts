import { RestError } from '../../shared/errors/rest-error.ts'
import type { Metrics } from '../../shared/observability/metrics.ts'
import type { ProxyNodeMetric } from '../metrics.ts'
import type { TopicPartition } from '../ports/kafka-cluster.ts'
import type { InstanceSettings } from './instance-settings.ts'
import type { UnconfirmedRead } from './instance-spec.ts'
import { linkSignals } from './linked-signal.ts'
import { ReadOutcome, type Way } from './read-outcomes.ts'
import { type ReadLimits, type ReadSource, RecordRead } from './read-records.ts'
import { UndecodableAt } from './record-renderer.ts'
import type { Subscription } from './subscription.ts'

export interface InstanceReadsDeps {
  readonly source: ReadSource
  readonly subscription: Subscription
  readonly settings: InstanceSettings
  /** `consumer.request.max.bytes`. */
  readonly requestMaxBytes: number
  /** `reads.outcome.wait.ms`. */
  readonly outcomeWaitMs: number
  readonly metrics: Pick<Metrics<ProxyNodeMetric>, 'count'>
}

/** What one GET …/records asks for. */
export interface ReadQuery {
  /** When the request came, on the monotonic clock. */
  readonly arrivedAt: number
  /** The query's `timeout`, which can only shorten the instance's; undefined or ≤ 0: none. */
  readonly timeoutMs: number | undefined
  /** The query's `max_bytes`; undefined or ≤ 0: none. */
  readonly maxBytes: number | undefined
  /** Becomes what happened to the answer; the read ends when its `ended` does. */
  readonly outcome: ReadOutcome
}

/**
 * The reads of one instance, from one to the next: what became of the last one, and what it failed with after its head
 * was sent.
 */
export class InstanceReads {
  readonly #deps: InstanceReadsDeps
  /** The last read that handed something out, until the next operation has decided what became of it. */
  #last: ReadOutcome | undefined
  /** What a read failed with when its answer had begun: the next read answers it. */
  #kept: unknown
  /** A record that did not decode: reads fail on it until it decodes or the client seeks past it. */
  #stuckOn: (TopicPartition & { readonly offset: bigint }) | undefined

  constructor(deps: InstanceReadsDeps) {
    this.#deps = deps
  }

  /**
   * Decides about the last read, for an operation that confirms it and came by `way`: confirmed if it was delivered,
   * put back if it was lost or nobody can tell.
   */
  async settle(way: Way): Promise<void> {
    const { source, outcomeWaitMs } = this.#deps
    const last = this.#last
    if (last !== undefined) {
      const outcome = await last.settle(way, { clock: source.clock, timeoutMs: outcomeWaitMs })
      // A report may have come during the wait and put it back already.
      if (outcome === 'lost' && this.#last === last) this.#putBack()
    }
    this.#last = undefined
    source.positions.confirm()
  }

  /** What a gateway says of a read; anything but the last read is past, and a later operation has decided it. */
  reported(readId: string, delivered: boolean): void {
    const outcome = this.#last
    if (outcome?.id !== readId) return
    const over = outcome.state !== 'writing'
    if (delivered) outcome.delivered()
    else outcome.lost()
    // One that is still being written ends now, and puts itself back.
    if (over && !delivered) this.#putBack()
  }

  /** Goes on from the last read of an earlier holder, of which its gateway may still tell. */
  goOnFrom({ id, gatewayRun, delivered }: UnconfirmedRead): void {
    const outcome = new ReadOutcome(
      id,
      gatewayRun === undefined ? { connection: {} } : { gateway: gatewayRun },
    )
    outcome.written()
    if (delivered) outcome.delivered()
    this.#last = outcome
  }

  /**
   * The last read, if no operation has decided about it: for whoever goes on with this instance. A read that was lost
   * is put back here. Waits a while for news of it, so that little is left in doubt.
   */
  async handOver(): Promise<UnconfirmedRead | undefined> {
    const { source, outcomeWaitMs } = this.#deps
    const last = this.#last
    if (last === undefined) return undefined
    // Its answer did not end in time: whatever the client has of it, it has no end.
    if (last.state === 'writing') last.lost()
    await last.known({ clock: source.clock, timeoutMs: outcomeWaitMs })
    if (last.state === 'lost' && this.#last === last) this.#putBack()
    if (this.#last === undefined) return undefined
    const gatewayRun = 'gateway' in last.way ? last.way.gateway : undefined
    return { id: last.id, gatewayRun, delivered: last.state === 'delivered' }
  }

  /** Forgets failures of earlier reads: what is read is another thing now. */
  forget(): void {
    this.#kept = undefined
    this.#stuckOn = undefined
  }

  /**
   * Runs one read until its answer has ended.
   * @param start takes the answer's bytes as soon as the first are there.
   * @throws what the read fails with before its first byte.
   */
  async run(
    query: ReadQuery,
    signal: AbortSignal,
    start: (bytes: AsyncGenerator<Buffer, void>) => void,
  ): Promise<void> {
    const { outcome } = query
    const { controller, unlink } = linkSignals(signal)
    // The answer was written, or its client is gone: nothing more is fetched.
    void outcome.ended.then(() => controller.abort(new Error('the answer has ended')))
    const limits = this.#limits(query)
    try {
      await this.#check(limits.deadline, controller.signal)
      const read = new RecordRead(this.#deps.source, limits, controller.signal)
      const bytes = this.#answer(read, controller.signal)
      const first = await bytes.next()
      if (read.records > 0) this.#last = outcome
      start(resumed(first, bytes))
      await outcome.ended
      const format = this.#deps.settings.format
      this.#deps.metrics.count('kafka_rest_node_records_read_total', { format }, read.records)
      if (outcome.state === 'lost' && this.#last === outcome) this.#putBack()
    } finally {
      unlink()
    }
  }

  #limits(query: ReadQuery): ReadLimits {
    const { source, settings, requestMaxBytes } = this.#deps
    const { timeoutMs, maxBytes } = query
    const wait =
      timeoutMs !== undefined && timeoutMs > 0
        ? Math.min(timeoutMs, settings.requestTimeoutMs)
        : settings.requestTimeoutMs
    const stands = source.positions
      .readable()
      .some(
        at =>
          at.topic === this.#stuckOn?.topic &&
          at.partition === this.#stuckOn.partition &&
          at.offset === this.#stuckOn.offset,
      )
    if (!stands) this.#stuckOn = undefined
    return {
      deadline: query.arrivedAt + wait,
      maxBytes:
        maxBytes !== undefined && maxBytes > 0 ? Math.min(maxBytes, requestMaxBytes) : requestMaxBytes,
      minBytes: settings.fetchMinBytes,
      stuckOn: this.#stuckOn,
    }
  }

  /** What makes a read fail before it begins. */
  async #check(deadline: number, signal: AbortSignal): Promise<void> {
    const { subscription, source } = this.#deps
    if (subscription.state.kind === 'none') throw new RestError('readBeforeSubscribe')
    await subscription.recheckTopics()
    const problem = subscription.problem()
    if (problem !== undefined) throw problem
    const { resolver, changes, clock } = source
    if (resolver.failure !== undefined) {
      // It may have been mended meanwhile.
      resolver.start()
      while (resolver.rechecking && clock.monotonic() < deadline)
        await changes.wait(deadline - clock.monotonic(), clock, signal)
      if (resolver.failure !== undefined) throw resolver.failure
    }
    const kept = this.#kept
    this.#kept = undefined
    if (kept !== undefined) throw kept
  }

  /** The answer's bytes: a JSON array, closed properly whatever happens after its first record. */
  async *#answer(read: RecordRead, signal: AbortSignal): AsyncGenerator<Buffer, void> {
    let begun = false
    try {
      for await (const chunk of read.chunks()) {
        begun = true
        yield chunk
      }
    } catch (error) {
      if (error instanceof UndecodableAt) this.#stuck(error)
      if (!begun) throw error
      if (!signal.aborted && !(error instanceof UndecodableAt)) this.#kept = error
    }
    yield Buffer.from(begun ? ']' : '[]')
  }

  #stuck(error: UndecodableAt): void {
    this.#stuckOn = error.at
    const format = this.#deps.settings.format
    this.#deps.metrics.count('kafka_rest_node_undecodable_records_total', { format })
  }

  #putBack(): void {
    this.#last = undefined
    this.#deps.source.positions.putBack()
    this.#deps.metrics.count('kafka_rest_node_reads_put_back_total')
  }
}

/** The rest of the bytes after the first were taken out. */
async function* resumed(
  first: IteratorResult<Buffer, void>,
  rest: AsyncGenerator<Buffer, void>,
): AsyncGenerator<Buffer, void> {
  try {
    if (!first.done) yield first.value
    yield* rest
  } finally {
    // Also when nobody took the first: what the read holds is given back.
    await rest.return()
  }
}
