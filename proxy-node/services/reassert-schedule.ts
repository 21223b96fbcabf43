/**
 * Whether everything held must be written back to the routing table: once for each reason, and a reason that comes while
 * it is done counts again.
 */
export class ReassertSchedule {
  #wanted = 0
  #done = 0
  #doneAt = Number.NEGATIVE_INFINITY

  /** When it was last done, in monotonic ms. */
  get doneAt(): number {
    return this.#doneAt
  }

  /** There is a reason: the table may have lost something, or others may have claimed what is held. */
  want(): void {
    this.#wanted += 1
  }

  /** @returns a ticket for `done` when it must be done now. */
  due(): number | undefined {
    return this.#wanted > this.#done ? this.#wanted : undefined
  }

  done(ticket: number, now: number): void {
    this.#done = ticket
    this.#doneAt = now
  }

  /** Nothing is held any more. */
  reset(): void {
    this.#done = this.#wanted
  }
}
