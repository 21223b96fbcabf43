import type { EventQueue, SimulatedProcess } from './simulated-time.ts'

/** Why a request brought no answer. */
export class NoAnswer extends Error {
  readonly reason: 'refused' | 'unreachable' | 'slow'

  constructor(reason: NoAnswer['reason']) {
    super(`no answer: ${reason}`)
    this.reason = reason
  }
}

interface Faults {
  /** Answers of this many requests are lost. */
  lose: number
  /** This many requests arrive late, by `lateMs`. */
  delay: number
  lateMs: number
}

/** Messages between processes: each takes time; links are cut in one direction, answers are lost, requests are late. */
export class SimulatedNetwork {
  readonly #queue: EventQueue
  readonly #random: () => number
  readonly #cut = new Map<string, number>()
  /** Since when each link is whole, and nothing that was late is on its way. */
  readonly #mended = new Map<string, number>()
  readonly #faults = new Map<string, Faults>()

  constructor(queue: EventQueue, random: () => number) {
    this.#queue = queue
    this.#random = random
  }

  cut(from: string, to: string): void {
    this.#cut.set(`${from}>${to}`, this.#queue.time)
  }

  mend(from: string, to: string): void {
    if (this.#cut.delete(`${from}>${to}`)) this.#mendedAt(`${from}>${to}`, this.#queue.time)
  }

  mendAll(): void {
    for (const link of [...this.#cut.keys()]) {
      this.#cut.delete(link)
      this.#mendedAt(link, this.#queue.time)
    }
    this.#faults.clear()
  }

  disturb(from: string, to: string, faults: Partial<Faults>): void {
    this.#faults.set(`${from}>${to}`, { lose: 0, delay: 0, lateMs: 0, ...faults })
  }

  isCut(from: string, to: string): boolean {
    return this.#cut.has(`${from}>${to}`)
  }

  /** Whether both directions have been whole since a point in time. */
  wholeSince(left: string, right: string, since: number): boolean {
    return [`${left}>${right}`, `${right}>${left}`].every(
      link => !this.#cut.has(link) && (this.#mended.get(link) ?? -1) < since && !this.#faults.has(link),
    )
  }

  /** Has another process do something, and gives its answer. @throws NoAnswer; what `work` throws. */
  request<Result>(
    from: SimulatedProcess,
    to: SimulatedProcess | undefined,
    toName: string,
    work: () => Promise<Result>,
    { timeoutMs, mayFail = false }: { readonly timeoutMs: number; readonly mayFail?: boolean },
  ): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>()
    const unreachable = this.isCut(from.name, toName)
    const timer = from.after(timeoutMs, () => reject(new NoAnswer(unreachable ? 'unreachable' : 'slow')))
    const answer = (act: () => void) =>
      this.#queue.later(this.#latency(), () => {
        if (this.isCut(toName, from.name)) return
        from.deliver(() => {
          timer.cancel()
          act()
        })
      })
    const { lost, lateMs } = mayFail ? this.#draw(from.name, toName) : { lost: false, lateMs: 0 }
    if (!unreachable)
      this.#queue.later(this.#latency() + lateMs, () => {
        if (!to?.alive) return answer(() => reject(new NoAnswer('refused')))
        to.deliver(() => {
          const back = (act: () => void) => !lost && to.alive && answer(act)
          work().then(
            result => back(() => resolve(result)),
            error => back(() => reject(error)),
          )
        })
      })
    return promise
  }

  /** Not before a request has arrived that is still on its way. */
  #mendedAt(link: string, time: number): void {
    this.#mended.set(link, Math.max(time, this.#mended.get(link) ?? time))
  }

  #draw(from: string, to: string): { lost: boolean; lateMs: number } {
    const faults = this.#faults.get(`${from}>${to}`)
    if (!faults) return { lost: false, lateMs: 0 }
    const lost = faults.lose-- > 0
    const lateMs = faults.delay-- > 0 ? faults.lateMs : 0
    this.#mendedAt(`${from}>${to}`, this.#queue.time + lateMs)
    if (faults.lose <= 0 && faults.delay <= 0) this.#faults.delete(`${from}>${to}`)
    return { lost, lateMs }
  }

  #latency(): number {
    return 0.2 + 3 * this.#random()
  }
}
