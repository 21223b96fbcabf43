import type { GroupCalls, JoinAnswer, JoinRequest } from './group-calls.ts'

/** The JoinGroups of one member, one at a time, and what they may have left at the broker. */
export class GroupJoins {
  readonly #calls: GroupCalls
  #running: Promise<JoinAnswer> | undefined
  #inDoubt = false

  constructor(calls: GroupCalls) {
    this.#calls = calls
  }

  /** The JoinGroup in flight; whoever leaves has to wait for it. */
  get running(): Promise<JoinAnswer> | undefined {
    return this.#running
  }

  /**
   * Whether the broker may have a member of ours that it has not named to us: a JoinGroup with an empty member id is in
   * flight, or one was sent and its answer never came.
   */
  get inDoubt(): boolean {
    return this.#inDoubt || this.#running !== undefined
  }

  /** One JoinGroup. @throws as `GroupCalls.join`. */
  async send(request: JoinRequest, signal: AbortSignal): Promise<JoinAnswer> {
    let sent = false
    this.#running = this.#calls.join(request, signal, () => {
      sent = true
    })
    try {
      const answer = await this.#running
      // The one that is named now is the only one under its instance id.
      if (answer.memberId !== '') this.#inDoubt = false
      return answer
    } catch (error) {
      if (sent && request.memberId === '') this.#inDoubt = true
      throw error
    } finally {
      this.#running = undefined
    }
  }
}
