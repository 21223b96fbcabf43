/**
 * Concurrent callers with one key share one call. A caller that gives up only stops waiting: the call goes on for the
 * others, and for the cache that it fills.
 */
export class SingleFlight<Key, Value> {
  readonly #calls = new Map<Key, Promise<Value>>()

  /** How many calls are under way. */
  get size(): number {
    return this.#calls.size
  }

  /** Joins the call under way for `key`, or begins one. Rejects with the signal's reason once it aborts. */
  run(key: Key, signal: AbortSignal | undefined, begin: () => Promise<Value>): Promise<Value> {
    let call = this.#calls.get(key)
    if (call === undefined) {
      call = begin().finally(() => this.#calls.delete(key))
      this.#calls.set(key, call)
      // All callers may have gone by the time it fails; that must not be an unhandled rejection.
      call.catch(() => {})
    }
    return signal === undefined ? call : untilAborted(call, signal)
  }

  /** Whether `run` would join a call now: what that finds may be older than whoever joins it. */
  isUnderWay(key: Key): boolean {
    return this.#calls.has(key)
  }

  /** Like `run`, but waits out a call that is under way and joins only one that begins after that. */
  async runAnew(key: Key, signal: AbortSignal | undefined, begin: () => Promise<Value>): Promise<Value> {
    const older = this.#calls.get(key)?.catch(() => undefined)
    if (older !== undefined) await (signal === undefined ? older : untilAborted(older, signal))
    return this.run(key, signal, begin)
  }
}

/** Waits for `call`, but no longer than until `signal` aborts. */
function untilAborted<Value>(call: Promise<Value>, signal: AbortSignal): Promise<Value> {
  if (signal.aborted) return Promise.reject(signal.reason)
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    call.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
