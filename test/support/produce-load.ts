import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { http } from './http-client.ts'
import { readTopic } from './kafka-topics.ts'
import { until } from './until.ts'

const json = 'application/vnd.kafka.json.v2+json'

export interface LoadOptions {
  readonly topic: string
  /** Where the next request goes: asked for each one, as by a balancer. */
  readonly url: () => string
  /** Clients that each send one request after the other, on a connection that they keep. */
  readonly clients?: number
}

/** One request that did not write its record, as its client saw it. */
export interface Refusal {
  readonly value: string
  readonly status: number
  readonly text: string
}

/**
 * Producers that go on writing numbered records while something fails around them, and note what they were told of
 * each. End it with `stop`, and hold what it noted against Kafka.
 */
export class ProduceLoad {
  /** Records that were acknowledged: value by `partition@offset`. */
  readonly acknowledged = new Map<string, string>()
  /** Records whose request was answered with an error, or with an error for the record. */
  readonly refused: Refusal[] = []
  /** Records whose request got no answer, or not all of it, with the error that the client saw. */
  readonly unanswered = new Map<string, string>()
  readonly #options: LoadOptions
  readonly #clients: Promise<void>[]
  #running = true

  private constructor(options: LoadOptions) {
    this.#options = options
    this.#clients = Array.from({ length: options.clients ?? 4 }, (_, index) => this.#client(index))
  }

  static start(options: LoadOptions): ProduceLoad {
    return new ProduceLoad(options)
  }

  /** Waits until `count` more records were acknowledged. */
  async progress(count = 50, timeoutMs?: number): Promise<void> {
    const goal = this.acknowledged.size + count
    const wait = timeoutMs === undefined ? {} : { timeoutMs }
    await until(`${count} more records to be acknowledged`, () => this.acknowledged.size >= goal, wait)
  }

  /** Ends the load when the requests under way are answered. */
  async stop(): Promise<void> {
    this.#running = false
    await Promise.all(this.#clients)
  }

  /**
   * What a foreign client finds in Kafka: each acknowledged record that is not where it was said to be, and each
   * value there that nobody was told of.
   */
  async audit(broker: string): Promise<{ missing: string[]; unexplained: string[] }> {
    const found = await readTopic(broker, this.#options.topic)
    const stored = new Map(
      found.map(({ partition, offset, value }) => [`${partition}@${offset}`, `${value}`]),
    )
    const missing = [...this.acknowledged].filter(
      ([place, value]) => stored.get(place) !== JSON.stringify(value),
    )
    const unexplained = [...stored].filter(([place]) => !this.acknowledged.has(place))
    return { missing: missing.map(String), unexplained: unexplained.map(([, value]) => JSON.parse(value)) }
  }

  async #client(index: number): Promise<void> {
    const { topic, url } = this.#options
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let count = 0; this.#running; count++) {
      const value = `${index}-${count}`
      const body = JSON.stringify({ records: [{ value }] })
      try {
        const headers = { 'Content-Type': json }
        const answer = await http({
          base: url(),
          method: 'POST',
          path: `/topics/${topic}`,
          headers,
          body,
          agent,
        })
        this.#note(value, answer.status, answer.text)
      } catch (error) {
        this.unanswered.set(value, String(error))
      }
      await sleep(3)
    }
    agent.destroy()
  }

  #note(value: string, status: number, text: string): void {
    const { offsets } = JSON.parse(text) as {
      offsets?: { partition: number; offset: number; error: string | null }[]
    }
    const [written] = offsets ?? []
    if (status === 200 && written?.error === null)
      this.acknowledged.set(`${written.partition}@${written.offset}`, value)
    else this.refused.push({ value, status, text })
  }
}
