import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import type { Instances } from './instances.ts'
import type { Membership } from './membership.ts'

export interface DrainDeps {
  readonly instances: Pick<Instances, 'drain' | 'undrain' | 'letGo' | 'size'>
  readonly membership: Pick<Membership, 'setState'>
  readonly settings: DrainSettings
  readonly clock: Clock
  readonly log: Logger
}

/** All times in ms. */
export interface DrainSettings {
  /** How long requests go on as before, until all gateways have seen that the node leaves. */
  readonly delayMs: number
  /** Consumer instances that are let go at once, and the pause of each before the next. */
  readonly concurrency: number
  readonly pauseMs: number
  /** Longest time for all of them. */
  readonly timeoutMs: number
}

/** `drained`: nothing is held any more, or the time was over. */
export type DrainState = 'active' | 'draining' | 'drained'

/**
 * Takes a node out of service without an error at its clients: gateways are told first, and while they still send
 * requests these are served; then the consumer instances are let go in steps. Produce requests are served all the while.
 * The same for a node that stops and for one that an operator drains, who can also take it back.
 */
export class Drain {
  readonly #deps: DrainDeps
  #state: DrainState = 'active'
  #running: Promise<void> | undefined
  #undo = new AbortController()

  constructor(deps: DrainDeps) {
    this.#deps = deps
  }

  get state(): DrainState {
    return this.#state
  }

  /** Begins to drain, unless it has begun. Resolves when the node is drained, or was taken back. Never rejects. */
  start(): Promise<void> {
    this.#running ??= this.#run(this.#undo.signal)
    return this.#running
  }

  /** Takes the node back into service; what was let go stays where it is. */
  async undo(): Promise<void> {
    if (this.#state === 'active') return
    this.#undo.abort()
    await this.#running
    this.#undo = new AbortController()
    this.#running = undefined
    this.#deps.instances.undrain()
    this.#state = 'active'
    await this.#tell('active')
  }

  async #run(undone: AbortSignal): Promise<void> {
    const { clock, instances, log, settings } = this.#deps
    this.#state = 'draining'
    await this.#tell('draining')
    await clock.sleep(settings.delayMs, undone).catch(() => undefined)
    if (undone.aborted) return
    instances.drain()
    log.info({ instances: instances.size }, 'letting the consumer instances go')
    const late = new AbortController()
    const timer = clock.after(settings.timeoutMs, () => late.abort())
    const { concurrency, pauseMs } = settings
    await instances.letGo({ concurrency, pauseMs, signal: AbortSignal.any([undone, late.signal]) })
    timer.cancel()
    if (undone.aborted) return
    if (late.signal.aborted) log.warn({ left: instances.size }, 'drain.timeout.ms has passed')
    this.#state = 'drained'
  }

  async #tell(state: 'active' | 'draining'): Promise<void> {
    await this.#deps.membership
      .setState(state)
      .catch(error => this.#deps.log.warn({ err: error, state }, 'cannot tell the gateways'))
  }
}
