import { setTimeout as sleep } from 'node:timers/promises'
import { json, v2 } from '../support/consumer-client.ts'
import { AskingClient } from './http-ask.ts'
import { ProducerJournal } from './journal.ts'

export interface ProducerOptions {
  readonly name: string
  readonly topics: readonly string[]
  readonly addresses: readonly string[]
  readonly random: () => number
  readonly requestsPerSecond: number
  readonly recordsEach: number
}

/** What a producer is told of one record. */
interface SentOffset {
  readonly partition: number | null
  readonly offset: number | null
  readonly error_code: number | null
  readonly error: string | null
}

/** Of all that a key can be: enough for every partition. */
const KEYS = 1000

/**
 * An application that produces at a steady pace, one request at a time. It does not repeat what failed, since that may
 * have been applied: each record is sent once, and must be in Kafka once if it was acknowledged, at most once if not.
 */
export class ChaosProducer {
  readonly journal: ProducerJournal
  readonly #options: ProducerOptions
  readonly #client: AskingClient
  readonly #stop = new AbortController()
  #sent = 0
  #running: Promise<void> = Promise.resolve()

  constructor(options: ProducerOptions) {
    this.#options = options
    this.journal = new ProducerJournal(options.name)
    this.#client = new AskingClient({ ...options, attempts: this.journal.attempts, wanderShare: 0.02 })
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    this.#client.close()
  }

  async #run(): Promise<void> {
    const everyMs = 1000 / this.#options.requestsPerSecond
    let next = performance.now()
    while (!this.#stop.signal.aborted) {
      await this.#send()
      next = Math.max(next + everyMs, performance.now() - everyMs)
      await sleep(Math.max(0, next - performance.now()), undefined, { signal: this.#stop.signal }).catch(
        () => undefined,
      )
    }
  }

  async #send(): Promise<void> {
    const { topics, random, recordsEach, name } = this.#options
    const topic = topics[Math.floor(random() * topics.length)] ?? ''
    const ids = Array.from({ length: recordsEach }, () => `${name}-${this.#sent++}`)
    const records = ids.map(id => ({ key: Math.floor(random() * KEYS), value: { id } }))
    const answer = await this.#client.ask({
      what: 'produce',
      method: 'POST',
      path: `/topics/${topic}`,
      contentType: json,
      accept: v2,
      body: { records },
    })
    if (answer.status === 200) return this.#note(topic, ids, answer.text)
    const passing = answer.status === 0 || (answer.status >= 502 && answer.status <= 504)
    if (!passing && answer.errorCode !== 50003)
      this.journal.unexpected.add(`produce: ${answer.status} ${answer.text.slice(0, 200)}`)
  }

  #note(topic: string, ids: readonly string[], text: string): void {
    const { offsets } = JSON.parse(text) as { offsets: readonly SentOffset[] }
    if (offsets.length !== ids.length) this.journal.unexpected.add(`produce: ${text.slice(0, 200)}`)
    for (const [index, { partition, offset, error_code }] of offsets.entries()) {
      const id = ids[index]
      if (id === undefined || error_code !== null || partition === null || offset === null) continue
      this.journal.acknowledged.push({ topic, partition, offset, id })
    }
  }
}
