import type { Clock, Timer } from '../../shared/clock.ts'

interface Event {
  readonly at: number
  readonly order: number
  run: (() => void) | undefined
}

/** The one true time of a simulation, in ms, and all that will happen in it. */
export class EventQueue {
  time = 0
  #order = 0
  readonly #heap: Event[] = []

  /** Runs `run` after `delayMs` of true time. @returns takes it back. */
  later(delayMs: number, run: () => void): () => void {
    const event: Event = { at: this.time + Math.max(0, delayMs), order: this.#order++, run }
    this.#push(event)
    return () => {
      event.run = undefined
    }
  }

  /** Runs all that falls due in the next `ms`, each with the promises that it settles. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined || next.at > end) break
      this.#pop()
      if (!next.run) continue
      this.time = next.at
      next.run()
      await settled()
    }
    this.time = end
  }

  #push(event: Event): void {
    const heap = this.#heap
    let index = heap.push(event) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(event, heap[parent])) break
      heap[index] = heap[parent] as Event
      index = parent
    }
    heap[index] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Event
    if (heap.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (isBefore(heap[child + 1], heap[child])) child++
      if (!isBefore(heap[child], last)) break
      heap[index] = heap[child] as Event
      index = child
    }
    heap[index] = last
  }
}

function isBefore(left: Event | undefined, right: Event | undefined): boolean {
  if (!left || !right) return left !== undefined
  return left.at < right.at || (left.at === right.at && left.order < right.order)
}

/** A macrotask: every promise that needs no time has settled by then, however long the chain. */
const settled = () => new Promise<void>(resolve => setImmediate(resolve))

/**
 * A process: all that runs in it runs through `deliver`, which holds it back while the process is stopped, and drops
 * it when the process is dead. Its clock runs at a rate of its own.
 */
export class SimulatedProcess implements Clock {
  readonly name: string
  readonly #queue: EventQueue
  readonly #rate: number
  #missed: (() => void)[] | undefined
  alive = true
  /** True time at which it was last stopped. */
  stoppedAt = Number.NEGATIVE_INFINITY
  /** True time at which it last went on after a stop. */
  continuedAt = Number.NEGATIVE_INFINITY

  constructor(name: string, queue: EventQueue, rate: number) {
    this.name = name
    this.#queue = queue
    this.#rate = rate
  }

  get stopped(): boolean {
    return this.#missed !== undefined
  }

  deliver(run: () => void): void {
    if (!this.alive) return
    if (this.#missed) this.#missed.push(run)
    else run()
  }

  /** As by SIGSTOP. */
  stopProcess(): void {
    if (this.#missed) return
    this.#missed = []
    this.stoppedAt = this.#queue.time
  }

  /** As by SIGCONT: all that was missed runs at once. */
  continueProcess(): void {
    const missed = this.#missed ?? []
    if (this.#missed) this.continuedAt = this.#queue.time
    this.#missed = undefined
    for (const run of missed) this.deliver(run)
  }

  /** Wall clocks are kept together by NTP: they run at the true rate. */
  now(): number {
    return 1_800_000_000_000 + Math.floor(this.#queue.time)
  }

  monotonic(): number {
    return this.#queue.time * this.#rate
  }

  after(delayMs: number, run: () => void): Timer {
    return { cancel: this.#queue.later(delayMs / this.#rate, () => this.deliver(run)) }
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const timer = this.after(delayMs, resolve)
      signal?.addEventListener('abort', () => {
        timer.cancel()
        reject(signal.reason)
      })
    })
  }
}
