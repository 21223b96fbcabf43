import type { HeldPlacement } from '../ports/placements.ts'

/** Keeps an instance's recorded spec up to date: one write at a time, and changes during it in the next. */
export class SpecWriter {
  readonly #placement: Pick<HeldPlacement, 'setSpec'>
  readonly #render: () => string
  readonly #closed: AbortSignal
  #writing: Promise<void> | undefined
  #changed = false

  constructor(placement: Pick<HeldPlacement, 'setSpec'>, render: () => string, closed: AbortSignal) {
    this.#placement = placement
    this.#render = render
    this.#closed = closed
  }

  /** Resolves when the spec as it is now was written, or is left to be written when the table can be reached. */
  write(): Promise<void> {
    this.#changed = true
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined
    })
    return this.#writing
  }

  /** Resolves when no write is under way. */
  async written(): Promise<void> {
    await this.#writing
  }

  async #writeAll(): Promise<void> {
    while (this.#changed && !this.#closed.aborted) {
      this.#changed = false
      await this.#placement.setSpec(this.#render())
    }
  }
}
