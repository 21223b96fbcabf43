import type { Clock } from '../../shared/clock.ts'
import { waitAtMost } from './bounded-wait.ts'

/**
 * The way that a request came: the client's own connection, or the gateway that forwarded it. Whoever comes the same
 * way as the last read knows its outcome: a client that asks again on the same connection has read the answer, and a
 * gateway reports a failed delivery before it forwards the next request for the instance.
 */
export type Way = { readonly connection: object } | { readonly gateway: string }

export function sameWay(left: Way, right: Way): boolean {
  if ('connection' in left) return 'connection' in right && left.connection === right.connection
  return 'gateway' in right && left.gateway === right.gateway
}

/**
 * Whether the answer of one read reached its client. "Written" is not "received": an answer of some kilobytes to a
 * client that never reads is written all the same. So an answer counts as delivered when the client is known to have
 * gone on after it, and everything in doubt counts as lost: it is handed out again.
 */
export class ReadOutcome {
  readonly id: string
  readonly way: Way
  readonly #evidence: () => boolean
  #state: 'writing' | 'written' | 'delivered' | 'lost' = 'writing'
  #settled = false
  readonly #ended = Promise.withResolvers<void>()
  readonly #known = Promise.withResolvers<void>()

  /**
   * @param evidence asked when nobody has said anything: whether the client has since sent something on the connection
   *   that the answer went out on.
   */
  constructor(id: string, way: Way, evidence: () => boolean = () => false) {
    this.id = id
    this.way = way
    this.#evidence = evidence
  }

  get state(): 'writing' | 'written' | 'delivered' | 'lost' {
    return this.#state
  }

  /** Resolves when the answer was written to its end or lost: the read is over. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /** Waits until it is known what became of an answer that was written, but no longer than `timeoutMs`. */
  async known(options: { clock: Clock; timeoutMs: number }): Promise<void> {
    if (this.#state !== 'written') return
    if (this.#evidence()) this.delivered()
    else await waitAtMost(this.#known.promise, options.timeoutMs, options.clock)
  }

  /** All bytes went to the operating system. */
  written(): void {
    if (this.#state === 'writing') this.#state = 'written'
    this.#ended.resolve()
  }

  /** The client has the answer. Too late after `lost`. */
  delivered(): void {
    if (this.#state === 'lost') return
    this.#state = 'delivered'
    this.#known.resolve()
  }

  /**
   * The answer did not reach the client. Takes `delivered` back until the outcome is settled: a gateway calls an answer
   * delivered when its connection has been quiet for a moment, and a reset may still come.
   */
  lost(): void {
    this.#ended.resolve()
    if (this.#settled) return
    this.#state = 'lost'
    this.#known.resolve()
  }

  /**
   * Decides, for a request that came by `way`, whether the read was delivered; waits up to `timeoutMs` if only another
   * way knows. The decision is final.
   */
  async settle(way: Way, options: { clock: Clock; timeoutMs: number }): Promise<'delivered' | 'lost'> {
    if (this.#state === 'written' && (sameWay(this.way, way) || this.#evidence())) this.delivered()
    if (this.#state === 'written') {
      await waitAtMost(this.#known.promise, options.timeoutMs, options.clock)
      if (this.#state === 'written' && this.#evidence()) this.delivered()
    }
    if (this.#state !== 'delivered') this.lost()
    this.#settled = true
    return this.#state === 'delivered' ? 'delivered' : 'lost'
  }
}

/** What a gateway says about a read that it forwarded. */
export interface ReadReport {
  /** The routing table's key of the instance. */
  readonly key: string
  readonly readId: string
  readonly delivered: boolean
}

/** An instance as far as reports concern it. */
export interface ReportedInstance {
  readReported(readId: string, delivered: boolean): void
  readonly handedOver: { readonly over: Promise<void> } | undefined
}

/**
 * Applies reports to the instances that are held here. All at once: one that is being handed over holds up the answer,
 * since only then others can find it, but not the news of the others.
 * @param heldHere undefined for an instance that is not held here.
 * @returns the keys of instances that whoever has them now has to be told of.
 */
export async function applyReadReports(
  reports: readonly ReadReport[],
  heldHere: (key: string) => ReportedInstance | undefined,
): Promise<string[]> {
  const elsewhere: string[] = []
  const handOvers: Promise<void>[] = []
  for (const { key, readId, delivered } of reports) {
    const instance = heldHere(key)
    instance?.readReported(readId, delivered)
    if (instance !== undefined && instance.handedOver === undefined) continue
    // What comes while it is handed over may be too late to be handed over with it.
    elsewhere.push(key)
    if (instance?.handedOver !== undefined) handOvers.push(instance.handedOver.over)
  }
  await Promise.all(handOvers)
  return elsewhere
}
