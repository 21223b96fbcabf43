import { setTimeout as sleep } from 'node:timers/promises'

export interface UntilOptions {
  /** Gives up after this time. Long, since it only bounds a failing test: 60 s by default. */
  timeoutMs?: number
  intervalMs?: number
}

/**
 * Waits until `condition` returns a value other than undefined, null or false, and returns that value.
 * A condition that throws counts as not met. Throws an error that names `what`, with the condition's last
 * value or error, when the time is over.
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  { timeoutMs = 60_000, intervalMs = 50 }: UntilOptions = {},
): Promise<Exclude<T, undefined | null | false>> {
  const deadline = performance.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      const value = await condition()
      if (value !== undefined && value !== null && value !== false) {
        return value as Exclude<T, undefined | null | false>
      }
      last = value
    } catch (error) {
      last = error
    }
    if (performance.now() > deadline) {
      const options = last instanceof Error ? { cause: last } : {}
      throw new Error(`not within ${timeoutMs} ms: ${what} (last: ${String(last)})`, options)
    }
    await sleep(intervalMs)
  }
}
