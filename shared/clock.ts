/**
 * Time as a port. Everything that waits or reads the time takes a Clock, so that leases, expiry and
 * retries can be tested without waiting, and a whole cluster can run from a seed.
 */
export interface Clock {
  /** Wall-clock time in ms since the epoch: for record timestamps, `expires`, logs. May jump. */
  now(): number
  /** Monotonic time in ms from an arbitrary start: for deadlines and durations. Never jumps. */
  monotonic(): number
  /** Calls `run` once after `delayMs`. The timer does not keep the process alive. */
  after(delayMs: number, run: () => void): Timer
  /** Resolves after `delayMs`, or rejects with the signal's reason as soon as it aborts. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}

/** A pending call of `Clock.after`. */
export interface Timer {
  cancel(): void
}

/** Node runs a timer at once that is longer than 2^31 - 1 ms (25 days). */
const timerMs = (delayMs: number): number => Math.min(Math.max(0, delayMs), 2 ** 31 - 1)

/** The process's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, run) {
    const handle = setTimeout(run, timerMs(delayMs))
    // Edge runtimes return a number here and have no unref.
    if (typeof handle === 'object') handle.unref?.()
    return { cancel: () => clearTimeout(handle) }
  },
  sleep(delayMs, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const onAbort = () => {
        clearTimeout(handle)
        reject(signal?.reason)
      }
      const handle = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }, timerMs(delayMs))
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  },
}
