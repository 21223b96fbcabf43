import { setTimeout as sleep } from 'node:timers/promises'
import { json, v2 } from '../support/consumer-client.ts'
import { type Answer, AskingClient } from './http-ask.ts'
import { ConsumerJournal, partitionKey, type RecordPlace, type SeenRecord } from './journal.ts'

export type FailoverMode = 'recreate' | 'takeover'

/** What one consumer of a run does. */
export interface ConsumerPlan {
  readonly name: string
  readonly group: string
  /** Topics to subscribe to, or partitions to assign by hand. */
  readonly reads:
    | { readonly topics: readonly string[] }
    | { readonly partitions: readonly (readonly [string, number])[] }
  readonly commits: 'explicit' | 'auto'
}

export interface ConsumerOptions {
  readonly plan: ConsumerPlan
  readonly mode: FailoverMode
  readonly addresses: readonly string[]
  readonly random: () => number
  readonly wanderShare: number
}

const READ_WAIT_MS = 1000
const RETRY_MS = 200
const COMMIT_TRIES = 3
/** Between a read and the next: what the application does with the records. */
const WORK_MS = [100, 500] as const
const DELETE_TRIES = 50

/**
 * An application with one consumer instance. It reads, commits what it got (if that is its way), and asks again after
 * errors. Told that its instance is gone, it creates it anew with the same name. It notes everything in its journal.
 */
export class ChaosConsumer {
  readonly journal: ConsumerJournal
  readonly #options: ConsumerOptions
  readonly #client: AskingClient
  readonly #base: string
  readonly #stop = new AbortController()
  #state: 'none' | 'created' | 'subscribed' = 'none'
  /** Whether it has worked with the instance, or was told that it was created: then it must not vanish. */
  #sure = false
  #running: Promise<void> = Promise.resolve()

  constructor(options: ConsumerOptions) {
    const { name, group } = options.plan
    this.#options = options
    this.journal = new ConsumerJournal(name, group)
    this.#client = new AskingClient({ ...options, attempts: this.journal.attempts })
    this.#base = `/consumers/${group}/instances/${name}`
  }

  /** Begins; see `working`. */
  start(): void {
    this.#running = this.#run()
  }

  /** Whether it has read since then. */
  working(since: number): boolean {
    return this.journal.reads.some(({ startedAt }) => startedAt >= since)
  }

  /** Ends after what it is at, and deletes its instance. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    for (let tries = 0; tries < DELETE_TRIES; tries += 1) {
      const { status } = await this.#client.ask({ what: 'delete', method: 'DELETE', path: this.#base })
      if (status === 204 || status === 404) break
      await sleep(RETRY_MS)
    }
    this.#client.close()
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      if (!(await this.#step())) await this.#pause(RETRY_MS)
    }
  }

  /** @returns whether it went well. */
  async #step(): Promise<boolean> {
    if (this.#state === 'none') return this.#create()
    if (this.#state === 'created') return this.#subscribe()
    const records = await this.#read()
    if (records === undefined) return false
    if (records.length > 0 && this.#options.plan.commits === 'explicit') await this.#commit(records)
    const { random } = this.#options
    await this.#pause(WORK_MS[0] + random() * (WORK_MS[1] - WORK_MS[0]))
    return true
  }

  async #create(): Promise<boolean> {
    const { name, group, commits } = this.#options.plan
    const answer = await this.#client.ask({
      what: 'create',
      method: 'POST',
      path: `/consumers/${group}`,
      contentType: v2,
      body: {
        name,
        format: 'json',
        'auto.offset.reset': 'earliest',
        'auto.commit.enable': String(commits === 'auto'),
        'fetch.min.bytes': 1,
      },
    })
    // 409: an earlier attempt was applied though it was answered with an error, or perhaps only half of it.
    const went = answer.status === 200 || answer.errorCode === 40902
    if (answer.status === 200) this.#sure = true
    if (went) this.#state = 'created'
    else this.#check(answer)
    return went
  }

  async #subscribe(): Promise<boolean> {
    const { reads } = this.#options.plan
    const answer = await this.#client.ask({
      what: 'subscribe',
      method: 'POST',
      path: this.#base + ('topics' in reads ? '/subscription' : '/assignments'),
      contentType: v2,
      body:
        'topics' in reads
          ? { topics: reads.topics }
          : { partitions: reads.partitions.map(([topic, partition]) => ({ topic, partition })) },
    })
    if (answer.status === 204) {
      this.#state = 'subscribed'
      this.#sure = true
    } else this.#check(answer)
    return answer.status === 204
  }

  async #read(): Promise<readonly SeenRecord[] | undefined> {
    const path = `${this.#base}/records?timeout=${READ_WAIT_MS}`
    const answer = await this.#client.ask({ what: 'read', method: 'GET', path, accept: json })
    if (answer.status !== 200) {
      this.#check(answer)
      return undefined
    }
    const records = recordsOf(answer.text)
    if (records === undefined) {
      this.journal.unexpected.add(`a read that is no list of records: ${answer.text.slice(0, 200)}`)
      return undefined
    }
    const { startedAt, endedAt } = answer.attempt
    this.journal.reads.push({ consumer: this.journal.name, startedAt, endedAt, records })
    return records
  }

  /** Commits what it got; asks again a few times while there is no clear answer, and then goes on reading. */
  async #commit(records: readonly SeenRecord[]): Promise<void> {
    const last = new Map<string, SeenRecord>()
    for (const record of records) last.set(partitionKey(record), record)
    const offsets = [...last.values()].map(({ topic, partition, offset }) => ({ topic, partition, offset }))
    for (let tries = 0; tries < COMMIT_TRIES && this.#state === 'subscribed'; tries += 1) {
      if (tries > 0) await sleep(RETRY_MS)
      const answer = await this.#client.ask({
        what: 'commit',
        method: 'POST',
        path: `${this.#base}/offsets`,
        contentType: v2,
        body: { offsets },
      })
      this.#noteCommit(answer, offsets)
      if (answer.status === 200) return
      this.#check(answer)
      // Refused: the partition has moved to another member, which gets these records again.
      if (answer.errorCode === 50002) return
    }
  }

  #noteCommit({ attempt, status }: Answer, offsets: readonly RecordPlace[]): void {
    const { startedAt, endedAt } = attempt
    this.journal.commits.push({
      consumer: this.journal.name,
      startedAt,
      endedAt,
      acknowledged: status === 200,
      offsets: offsets.map(place => ({ ...place, offset: place.offset + 1 })),
    })
  }

  /** What an answer that is no success means; one that no rule allows is noted. */
  #check({ attempt, status, errorCode, text }: Answer): void {
    if (status === 404 && errorCode === 40403) {
      if (this.#sure) this.journal.gone.push(attempt.endedAt)
      this.#state = 'none'
      this.#sure = false
    } else if (errorCode === 40903 && attempt.what === 'read') {
      this.journal.unexpected.add(`its subscription is lost: ${text}`)
      this.#state = 'created'
    } else if (status !== 0 && !isPassing(status, errorCode)) {
      this.journal.unexpected.add(`${attempt.what}: ${status} ${text.slice(0, 200)}`)
    }
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined)
  }
}

/** 502 to 504: try again. 50002: a commit of an older assignment. 50003: Kafka does not answer now. */
const isPassing = (status: number, errorCode: number): boolean =>
  (status >= 502 && status <= 504) || errorCode === 50002 || errorCode === 50003

function recordsOf(text: string): SeenRecord[] | undefined {
  try {
    const answer = JSON.parse(text) as (RecordPlace & { value: { id: string } })[]
    return answer.map(({ topic, partition, offset, value }) => ({ topic, partition, offset, id: value.id }))
  } catch {
    return undefined
  }
}
