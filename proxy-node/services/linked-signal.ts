/**
 * A signal that aborts when any of `sources` does, with its reason. `unlink` when the work is done: a source may live
 * as long as its instance, and must not collect a listener for each operation.
 */
export function linkSignals(...sources: readonly AbortSignal[]): {
  readonly controller: AbortController
  readonly unlink: () => void
} {
  const controller = new AbortController()
  const listeners = sources.map(source => {
    const abort = () => controller.abort(source.reason)
    if (source.aborted) abort()
    else source.addEventListener('abort', abort, { once: true })
    return () => source.removeEventListener('abort', abort)
  })
  return {
    controller,
    unlink: () => {
      for (const remove of listeners) remove()
    },
  }
}
