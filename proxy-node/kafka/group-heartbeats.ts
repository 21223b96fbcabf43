import type { Clock, Timer } from '../../shared/clock.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import { brokerCodes, isCoordinatorError } from './broker-codes.ts'
import { brokerError } from './kafka-errors.ts'
import { RetryBackoff, type RetryBackoffSettings } from './retry-backoff.ts'

/**
 * What heartbeats can bring besides "go on": the group rebalances, the broker does not know the member or its
 * generation, another took its group.instance.id, or no heartbeat was confirmed for a whole session time-out.
 */
export type HeartbeatVerdict = 'rebalance' | 'unknownMember' | 'illegalGeneration' | 'fenced' | 'expired'

interface Deps {
  /** Sends one heartbeat; resolves with the answer's error number. */
  readonly send: (timeoutMs: number) => Promise<number>
  readonly intervalMs: number
  readonly sessionTimeoutMs: number
  readonly settings: RetryBackoffSettings
  readonly clock: Clock
  readonly random: () => number
  /** `rebalance` may come again and again; the others come once, and are the last. */
  readonly onVerdict: (verdict: HeartbeatVerdict) => void
  /** An error that heartbeats can outlive, such as a lost authorization; undefined when it is over. */
  readonly onProblem: (problem: KafkaError | undefined) => void
}

/** The heartbeats of one generation. A new generation gets a new object, so late answers reach nobody. */
export class GroupHeartbeats {
  readonly #deps: Deps
  readonly #backoff: RetryBackoff
  /** When the last confirmed sign of life was sent. The broker counts from when it arrived, which is later. */
  #confirmedAt: number
  #timer: Timer | undefined
  #stopped = false

  constructor(deps: Deps) {
    this.#deps = deps
    this.#backoff = new RetryBackoff(deps)
    this.#confirmedAt = deps.clock.monotonic()
    this.#schedule(this.#intervalMs())
  }

  /** Whether the broker may have removed the member by now: it was paused, or cut off. */
  get expired(): boolean {
    return this.#deps.clock.monotonic() - this.#confirmedAt > this.#deps.sessionTimeoutMs
  }

  /** Whether a final verdict was given, or `stop` called. */
  get over(): boolean {
    return this.#stopped
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #schedule(delayMs: number): void {
    if (!this.#stopped) this.#timer = this.#deps.clock.after(delayMs, () => void this.#beat())
  }

  /** A little under the interval, by chance: thousands of members that joined together must not beat together. */
  #intervalMs(): number {
    return this.#deps.intervalMs * (0.8 + 0.2 * this.#deps.random())
  }

  async #beat(): Promise<void> {
    if (this.expired) {
      // Before the heartbeat and not after its answer: a process that was stopped and continued must not go on as
      // if nothing had happened while the broker is being asked.
      this.#finish('expired')
      return
    }
    const sentAt = this.#deps.clock.monotonic()
    let code: number
    try {
      code = await this.#deps.send(Math.max(this.#deps.intervalMs, this.#deps.sessionTimeoutMs / 3))
    } catch (error) {
      if (this.#stopped) return
      if (error instanceof KafkaError && error.code !== -1 && !isCoordinatorError(error.code)) {
        this.#deps.onProblem(error)
      }
      this.#schedule(Math.min(this.#backoff.next(), this.#intervalMs()))
      return
    }
    if (!this.#stopped) this.#judge(code, sentAt)
  }

  #judge(code: number, sentAt: number): void {
    switch (code) {
      case brokerCodes.none:
        break
      case brokerCodes.rebalanceInProgress:
        this.#deps.onVerdict('rebalance')
        break
      case brokerCodes.unknownMemberId:
        this.#finish('unknownMember')
        return
      case brokerCodes.illegalGeneration:
        this.#finish('illegalGeneration')
        return
      case brokerCodes.fencedInstanceId:
        this.#finish('fenced')
        return
      default:
        if (!isCoordinatorError(code)) this.#deps.onProblem(brokerError(code))
        this.#schedule(Math.min(this.#backoff.next(), this.#intervalMs()))
        return
    }
    this.#deps.onProblem(undefined)
    // "Rebalancing" is a sign of life too: the broker renews the session with it.
    this.#confirmedAt = sentAt
    this.#backoff.reset()
    this.#schedule(this.#intervalMs())
  }

  #finish(verdict: HeartbeatVerdict): void {
    this.stop()
    this.#deps.onVerdict(verdict)
  }
}
