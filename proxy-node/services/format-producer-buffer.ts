import type { Clock } from '../../shared/clock.ts'
import { RestError } from '../../shared/errors/rest-error.ts'

interface Waiting {
  readonly bytes: number
  readonly admit: () => void
}

/**
 * The bound on what waits for Kafka (`buffer.memory`). A request is let in as a whole or not at all, before any of its
 * records is queued: so a request that is refused has written nothing, and its client can repeat it without doubling
 * records. (The original takes records one by one and fails the rest when its memory is full.) Requests are let in in
 * the order of their arrival, so that large ones are not passed for ever.
 */
export class ProducerBuffer {
  readonly #bytesMax: number
  readonly #clock: Clock
  #used = 0
  readonly #waiting: Waiting[] = []

  constructor(bytesMax: number, clock: Clock) {
    this.#bytesMax = bytesMax
    this.#clock = clock
  }

  get used(): number {
    return this.#used
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Takes room at once, if nobody waits for it and there is enough. */
  tryAdmit(bytes: number): boolean {
    if (this.#waiting.length > 0 || !this.#fits(bytes)) return false
    this.#used += bytes
    return true
  }

  /**
   * Waits for room, behind those who wait already.
   * @throws RestError producerBufferFull after `waitMs`; the signal's reason when it aborts.
   */
  admit(bytes: number, waitMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason)
    return this.tryAdmit(bytes) ? Promise.resolve() : this.#wait(bytes, waitMs, signal)
  }

  /** Gives room back, and lets in who waits for it. */
  release(bytes: number): void {
    this.#used -= bytes
    this.#admitWaiting()
  }

  /**
   * A request larger than the whole buffer is let in when the buffer is empty: its bytes are in memory anyway, within
   * the bound on request bodies.
   */
  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#bytesMax
  }

  #wait(bytes: number, waitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (reason: unknown) => {
        settle()
        const index = this.#waiting.indexOf(waiting)
        if (index >= 0) this.#waiting.splice(index, 1)
        reject(reason)
        // Who comes next may be smaller.
        this.#admitWaiting()
      }
      const onAbort = () => leave(signal.reason)
      const timer = this.#clock.after(waitMs, () => leave(new RestError('producerBufferFull')))
      signal.addEventListener('abort', onAbort, { once: true })
      const settle = () => {
        timer.cancel()
        signal.removeEventListener('abort', onAbort)
      }
      const admit = () => {
        settle()
        resolve()
      }
      const waiting = { bytes, admit }
      this.#waiting.push(waiting)
    })
  }

  #admitWaiting(): void {
    for (let first = this.#waiting[0]; first && this.#fits(first.bytes); first = this.#waiting[0]) {
      this.#waiting.shift()
      // Counted here and not when the waiter goes on, so that nobody slips in between.
      this.#used += first.bytes
      first.admit()
    }
  }
}
