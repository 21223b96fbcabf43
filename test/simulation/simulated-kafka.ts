interface Group {
  /** Who is the static member now: rises with each join under the same `group.instance.id` (KIP-345), and on leaving. */
  epoch: number
  committed: number
  handedOutMax: number
}

/**
 * What Kafka does for consumer instances, one group and one endless partition for each: a join under the same
 * `group.instance.id` fences the member before it, and only the member of now may commit.
 */
export class SimulatedKafka {
  readonly #groups = new Map<string, Group>()
  /** Whether the group coordinator fences; the test of the checker switches it off. */
  fences = true

  group(key: string): Group {
    let group = this.#groups.get(key)
    if (!group) {
      group = { epoch: 0, committed: 0, handedOutMax: 0 }
      this.#groups.set(key, group)
    }
    return group
  }

  async join(key: string): Promise<{ epoch: number; committed: number }> {
    const group = this.group(key)
    group.epoch += 1
    return { epoch: group.epoch, committed: group.committed }
  }

  async isMember(key: string, epoch: number): Promise<boolean> {
    return !this.fences || this.group(key).epoch === epoch
  }

  async commit(key: string, epoch: number, offset: number, audit: (group: Group) => void): Promise<boolean> {
    if (!(await this.isMember(key, epoch))) return false
    audit(this.group(key))
    this.group(key).committed = offset
    return true
  }

  async leave(key: string, epoch: number): Promise<void> {
    const group = this.group(key)
    if (group.epoch === epoch) group.epoch += 1
  }
}
