import type { ReadableStreamReadResult } from 'node:stream/web'

/** A body whose beginning was looked at. */
export interface BodyStart {
  /** What was at hand; undefined when nothing was, or nothing is in it. */
  readonly first: Uint8Array | undefined
  /** Whether `first` is all of it. */
  readonly whole: boolean
  /** Reads the part after the last one; undefined at the end. */
  next(): Promise<Uint8Array | undefined>
  /** Gives the rest up. */
  cancel(reason: unknown): void
}

type Reading = Promise<ReadableStreamReadResult<Uint8Array>>

/**
 * Looks whether a body is at hand as a whole, as those are that were given as text: they can be sent with
 * their length. Does not wait for a source that is not ready.
 * @throws what the body's source throws at once.
 */
export async function startOfBody(body: ReadableStream<Uint8Array>): Promise<BodyStart> {
  const reader = body.getReader()
  const cancel = (reason: unknown) => void reader.cancel(reason).catch(() => {})
  let ahead: Reading | undefined = reader.read()
  const next = async () => {
    const reading = ahead ?? reader.read()
    ahead = undefined
    return (await reading).value
  }
  const one = await atHand(ahead)
  if (!one || one.done) return { first: undefined, whole: one?.done === true, next, cancel }
  ahead = reader.read()
  // An error after the first part is for whoever reads on.
  const two = await atHand(ahead).catch(() => undefined)
  return { first: one.value, whole: two?.done === true, next, cancel }
}

/** What a reading gives, if that takes no longer than one turn of the event loop. */
function atHand<T>(reading: Promise<T>): Promise<T | undefined> {
  return Promise.race([
    reading,
    new Promise<undefined>(resolve => {
      setImmediate(resolve, undefined)
    }),
  ])
}
