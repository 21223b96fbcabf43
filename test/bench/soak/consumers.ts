import { setTimeout as sleep } from 'node:timers/promises'
import { ConsumerClient } from '../../support/consumer-client.ts'

/** What the consumers of a run did. */
export interface ConsumerCounts {
  reads: number
  records: number
  commits: number
  /** Instances that were created and deleted, besides those that read all the time. */
  instances: number
  /** By what was asked for and what was answered. */
  readonly errors: Map<string, number>
}

const GROUPS = 2
const GROUP_SIZE = 10
/** A read answers when it has more than this, or after a second. */
const MIN_BYTES = 50_000
/** One of the steady consumers is deleted and created anew this often. */
const RECREATE_MS = 30_000
/** One more instance is created, used and deleted this often. */
const CHURN_MS = 5_000
const ERROR_PAUSE_MS = 1_000

/** Twenty consumers that read and commit, and others that come and go, until they are stopped. */
export class SoakConsumers {
  readonly counts: ConsumerCounts = { reads: 0, records: 0, commits: 0, instances: 0, errors: new Map() }
  readonly #url: string
  readonly #topic: string
  readonly #stop = new AbortController()
  readonly #recreate = new Set<string>()
  #running: Promise<unknown> = Promise.resolve()

  /** @param url of the gateway. */
  constructor(url: string, topic: string) {
    this.#url = url
    this.#topic = topic
  }

  /** Resolves when all steady consumers are members of their groups. */
  async start(): Promise<void> {
    const names = Array.from({ length: GROUPS * GROUP_SIZE }, (_, index) => index)
    const clients = await Promise.all(names.map(index => this.#open(groupOf(index), `reader-${index}`)))
    const loops = clients.map((client, index) => this.#read(client, groupOf(index), `reader-${index}`))
    this.#running = Promise.all([...loops, this.#churn(), this.#recreateInTurn(names.length)])
  }

  /** Forgets what was counted so far: the warm-up. */
  resetCounts(): void {
    Object.assign(this.counts, { reads: 0, records: 0, commits: 0, instances: 0 })
    this.counts.errors.clear()
  }

  /** Ends the loops and deletes the instances. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #open(group: string, name: string): Promise<ConsumerClient> {
    const format = group.endsWith('-0') ? 'json' : 'binary'
    const settings = { format, 'fetch.min.bytes': MIN_BYTES }
    const client = await ConsumerClient.create(this.#url, group, name, settings)
    this.#check('subscribe', (await client.subscribe(this.#topic)).status)
    return client
  }

  async #read(first: ConsumerClient, group: string, name: string): Promise<void> {
    let client = first
    while (!this.#stop.signal.aborted) {
      const went = await this.#attempt('read', async () => {
        if (this.#recreate.delete(name)) {
          this.#check('delete', (await client.delete()).status)
          client.close()
          client = await this.#open(group, name)
        }
        await this.#readOnce(client)
      })
      if (!went) await this.#pause(ERROR_PAUSE_MS)
    }
    await this.#attempt('delete', async () => this.#check('delete', (await client.delete()).status))
    client.close()
  }

  async #readOnce(client: ConsumerClient): Promise<void> {
    const answer = await client.read()
    if (!this.#check('read', answer.status)) return
    this.counts.reads += 1
    const records = answer.text.split('"offset":').length - 1
    this.counts.records += records
    if (records === 0) return
    if (this.#check('commit', (await client.commit()).status)) this.counts.commits += 1
  }

  async #churn(): Promise<void> {
    for (let number = 0; !this.#stop.signal.aborted; number += 1) {
      await this.#pause(CHURN_MS)
      await this.#attempt('churn', async () => {
        const client = await this.#open(`soak-churn-${number % 4}`, `guest-${number}`)
        await this.#readOnce(client)
        this.#check('delete', (await client.delete()).status)
        client.close()
        this.counts.instances += 1
      })
    }
  }

  async #recreateInTurn(consumers: number): Promise<void> {
    for (let number = 0; !this.#stop.signal.aborted; number += 1) {
      await this.#pause(RECREATE_MS)
      this.#recreate.add(`reader-${number % consumers}`)
    }
  }

  /** @returns whether it went well; else it is counted. */
  async #attempt(what: string, work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      this.#countError(`${what}: ${error instanceof Error ? error.message : String(error)}`)
      return false
    }
  }

  #check(what: string, status: number): boolean {
    if (status < 300) return true
    this.#countError(`${what}: status ${status}`)
    return false
  }

  #countError(reason: string): void {
    this.counts.errors.set(reason, (this.counts.errors.get(reason) ?? 0) + 1)
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined)
  }
}

const groupOf = (index: number): string => `soak-${index % GROUPS}`
