import type { Clock, Timer } from '../../shared/clock.ts'
import { RestError } from '../../shared/errors/rest-error.ts'
import type { Stoppable } from '../../shared/lifecycle.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import type { GatewayMeter } from '../metrics.ts'
import type { ReadReport, ReportPatience, ReportReceipt } from '../routing/asked-nodes.ts'
import type { KnownNode } from '../routing/node-view.ts'
import type { Delivery } from '../upstream/forwarder.ts'

export interface ReadOutcomesDeps {
  /** Tells a node; undefined: it did not confirm. */
  readonly report: (
    node: KnownNode,
    reports: readonly ReadReport[],
    patience?: ReportPatience,
  ) => Promise<ReportReceipt | undefined>
  /** Who has an instance that its node does not hold any more; undefined: nobody that could be found. */
  readonly holderOf: (key: string) => Promise<KnownNode | undefined>
  /** Whether this incarnation of the node still counts as there. */
  readonly isKnown: (node: KnownNode) => boolean
  /** Whether a node that did not confirm is dead for certain. */
  readonly isDead: (node: KnownNode) => Promise<boolean>
  readonly quietMs: number
  readonly clock: Clock
  readonly log: Logger
  readonly meter: GatewayMeter
}

/** How long good news may wait for more of it. */
const batchMs = 20

/** Pause before a report is sent again. */
const againMs = 100

/** After how many reports without an answer a node's death is looked for again. */
const deathLookRounds = 10

/** How long a request waits for the node to learn of a read that failed. */
const settleMs = 1000

/** Reads whose outcome is not reported yet; beyond that good news is not sent, and a node must do without it. */
const pendingMax = 50_000

/**
 * Tells nodes what became of the reads that went through this gateway, since a node sees only the connection to the
 * gateway. Records of a read that failed are handed out again.
 *
 * Bad news must be there first: later requests for the instance wait until the node has confirmed it. Good news matters
 * to a client whose next request comes on another connection or through another gateway, since the node waits a while
 * for it then; it is sent in batches, once the connection has gone on or has stayed quiet for a moment, and is taken
 * back when the connection is reset after all.
 */
export class ReadOutcomes implements Stoppable {
  readonly #deps: ReadOutcomesDeps
  readonly #batches = new Map<string, { node: KnownNode; reports: ReadReport[] }>()
  /** By instance key: until the node has confirmed that its last read failed. */
  readonly #unsettled = new Map<string, Promise<void>>()
  readonly #stopping = new AbortController()
  /** Instance keys with good news in a batch. */
  readonly #queued = new Map<string, KnownNode>()
  #pending = 0

  constructor(deps: ReadOutcomesDeps) {
    this.#deps = deps
  }

  /** Stops waiting; what was not reported counts as not delivered at the node. */
  async stop(): Promise<void> {
    for (const [url, batch] of this.#batches) {
      this.#batches.delete(url)
      await this.#deps.report(batch.node, batch.reports)
    }
    this.#stopping.abort(new Error('stopped'))
  }

  /**
   * Waits until the node knows of a failed read of this instance. Good news goes out at once: the node may wait for
   * it before it runs the request.
   * @throws RestError ownerUnreachable when it cannot be told in time: the request must not overtake the news, or the
   *   records of that read would count as received.
   */
  async settled(key: string, signal: AbortSignal): Promise<void> {
    const queued = this.#queued.get(key)
    if (queued) void this.#flush(queued)
    const telling = this.#unsettled.get(key)
    if (!telling) return
    const waiting = new AbortController()
    const timeout = this.#deps.clock.sleep(settleMs, AbortSignal.any([waiting.signal, signal])).then(() => {
      throw new RestError('ownerUnreachable')
    })
    try {
      await Promise.race([telling, timeout])
    } finally {
      waiting.abort()
      timeout.catch(() => {})
    }
  }

  /** What to do with the delivery of an answer to a read. */
  watch(node: KnownNode, key: string, readId: string): (delivery: Delivery) => void {
    const report = (delivered: boolean): ReadReport => ({ key, read_id: readId, delivered })
    let quiet: Timer | undefined
    let told = false
    const tellGood = () => {
      quiet?.cancel()
      if (told) return
      told = true
      this.#tellGood(node, report(true))
    }
    return delivery => {
      if (delivery === 'ended') quiet = this.#deps.clock.after(this.#deps.quietMs, tellGood)
      else if (delivery === 'received') tellGood()
      else {
        quiet?.cancel()
        told = true
        this.#tellBad(node, key, report(false))
      }
    }
  }

  #tellGood(node: KnownNode, report: ReadReport): void {
    const { clock, meter } = this.#deps
    if (this.#pending >= pendingMax || this.#stopping.signal.aborted) {
      meter.count('kafka_rest_gateway_read_outcomes_total', { outcome: 'unreported' })
      return
    }
    this.#pending++
    this.#queued.set(report.key, node)
    const batch = this.#batches.get(node.internalUrl)
    if (batch) {
      batch.reports.push(report)
      return
    }
    this.#batches.set(node.internalUrl, { node, reports: [report] })
    clock.after(batchMs, () => void this.#flush(node))
  }

  async #flush(node: KnownNode): Promise<void> {
    const batch = this.#batches.get(node.internalUrl)
    if (!batch) return
    this.#batches.delete(node.internalUrl)
    for (const { key } of batch.reports) this.#queued.delete(key)
    // Told once only, and no request waits for it: a receipt that is not waited for is news that does not follow its
    // instance, whose records then come again.
    const receipt = await this.#deps.report(batch.node, batch.reports, 'hand-over')
    this.#pending -= batch.reports.length
    const outcome = receipt ? 'delivered' : 'unreported'
    this.#deps.meter.count('kafka_rest_gateway_read_outcomes_total', { outcome }, batch.reports.length)
    // Instances that were handed over meanwhile: their new holders wait for it.
    for (const report of batch.reports) if (receipt?.notHeld.has(report.key)) void this.#follow(report)
  }

  async #follow(report: ReadReport): Promise<void> {
    const holder = await this.#deps.holderOf(report.key)
    if (holder) await this.#deps.report(holder, [report])
  }

  #tellBad(node: KnownNode, key: string, report: ReadReport): void {
    const before = this.#unsettled.get(key)
    const telling = (before ?? Promise.resolve())
      .then(() => this.#untilConfirmed(node, report))
      .finally(() => {
        if (this.#unsettled.get(key) === telling) this.#unsettled.delete(key)
      })
    this.#unsettled.set(key, telling)
  }

  /** Sends bad news until the node confirms it, or whoever has the instance now, or it is gone with its node. */
  async #untilConfirmed(first: KnownNode, report: ReadReport): Promise<void> {
    const { clock, isKnown, isDead, log, meter } = this.#deps
    const outcome = 'undelivered'
    let node: KnownNode | undefined = first
    let failures = 0
    while (!this.#stopping.signal.aborted && node !== undefined) {
      const receipt = isKnown(node) ? await this.#deps.report(node, [report]) : undefined
      if (receipt && !receipt.notHeld.has(report.key)) {
        meter.count('kafka_rest_gateway_read_outcomes_total', { outcome })
        return
      }
      const isGone = receipt || !isKnown(node) || (failures++ % deathLookRounds === 0 && (await isDead(node)))
      if (isGone) {
        const holder = await this.#deps.holderOf(report.key)
        node = holder && !isSameNode(holder, node) ? holder : undefined
      } else await clock.sleep(againMs, this.#stopping.signal).catch(() => {})
    }
    meter.count('kafka_rest_gateway_read_outcomes_total', { outcome: 'unreported' })
    log.info({ node: first.id, key: report.key }, 'nobody holds the instance any more whose read failed')
  }
}

function isSameNode(left: KnownNode, right: KnownNode): boolean {
  return left.id === right.id && left.incarnation === right.incarnation
}
