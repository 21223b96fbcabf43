import type { Clock } from '../../shared/clock.ts'

/**
 * Waits for work that goes on by itself, but no longer than `timeoutMs`, or until the signal aborts. Neither ends the
 * work, and how it ends is for whoever started it.
 * @returns whether the work has ended.
 */
export async function waitAtMost(
  work: Promise<unknown>,
  timeoutMs: number,
  clock: Clock,
  signal?: AbortSignal,
): Promise<boolean> {
  const waiting = new AbortController()
  const abort = () => waiting.abort()
  if (signal?.aborted) abort()
  else signal?.addEventListener('abort', abort, { once: true })
  const ended = work.then(
    () => true,
    () => true,
  )
  // Rejects at once when the wait is given up: nothing is left behind for a timer to end.
  const slept = clock.sleep(timeoutMs, waiting.signal).then(
    () => false,
    () => false,
  )
  try {
    return await Promise.race([ended, slept])
  } finally {
    signal?.removeEventListener('abort', abort)
    waiting.abort()
  }
}
