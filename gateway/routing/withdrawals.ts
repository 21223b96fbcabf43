import type { KnownNode, NodeView } from './node-view.ts'

/** Aborts when the node is gone; `release` when the request is over. */
export interface Withdrawal {
  readonly signal: AbortSignal
  release(): void
}

/**
 * Gives up requests at a node incarnation that is gone without having drained. A request for one of its instances waits
 * in vain then: a node that is paused or cut off keeps its connections open and never answers.
 */
export class Withdrawals {
  /** By incarnation, one for each request under way: a signal that many listen to is slow to leave. */
  readonly #underWay = new Map<string, Set<AbortController>>()

  constructor(view: NodeView) {
    view.onDropped(node => this.#withdraw(node))
  }

  /** undefined for a node of the static list, of which nobody tells whether it is gone. */
  watch({ incarnation }: KnownNode): Withdrawal | undefined {
    if (incarnation === undefined) return undefined
    const controller = new AbortController()
    const requests = this.#underWay.get(incarnation) ?? new Set()
    this.#underWay.set(incarnation, requests.add(controller))
    return {
      signal: controller.signal,
      release: () => {
        requests.delete(controller)
        if (requests.size === 0 && this.#underWay.get(incarnation) === requests)
          this.#underWay.delete(incarnation)
      },
    }
  }

  #withdraw({ incarnation }: KnownNode): void {
    if (incarnation === undefined) return
    const requests = this.#underWay.get(incarnation)
    this.#underWay.delete(incarnation)
    for (const controller of requests ?? []) controller.abort()
  }
}
