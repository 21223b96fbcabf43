import { Agent } from 'node:http'
import { http, type RawResponse } from './http-client.ts'
import { until } from './until.ts'

export const v2 = 'application/vnd.kafka.v2+json'
export const binary = 'application/vnd.kafka.binary.v2+json'
export const json = 'application/vnd.kafka.json.v2+json'

/** One element of the answer of GET …/records. */
export interface ReadRecord {
  readonly topic: string
  readonly key: unknown
  readonly value: unknown
  readonly partition: number
  readonly offset: number
}

interface CallOptions {
  readonly headers?: Record<string, string>
  readonly signal?: AbortSignal
}

/**
 * A client of one consumer instance, as an application would be: one connection for its requests, kept open. Close it
 * when the test is done.
 */
export class ConsumerClient {
  readonly group: string
  readonly name: string
  readonly base: string
  readonly #url: string
  readonly #accept: string
  readonly #agent: Agent

  /** @param url of a gateway or a node. */
  constructor(url: string, group: string, name: string, accept = json) {
    this.#url = url
    this.group = group
    this.name = name
    this.base = `/consumers/${encodeURIComponent(group)}/instances/${encodeURIComponent(name)}`
    this.#accept = accept
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1 })
  }

  /** Creates the instance; JSON, from the earliest offset, without auto-commit unless `settings` says else. */
  static async create(
    url: string,
    group: string,
    name: string,
    settings: Readonly<Record<string, unknown>> = {},
  ): Promise<ConsumerClient> {
    const format = settings['format'] ?? 'json'
    const client = new ConsumerClient(url, group, name, format === 'json' ? json : binary)
    const body = {
      name,
      format,
      'auto.offset.reset': 'earliest',
      'auto.commit.enable': 'false',
      'fetch.min.bytes': 1,
      ...settings,
    }
    const created = await client.call('POST', `/consumers/${encodeURIComponent(group)}`, body)
    if (created.status !== 200) throw new Error(`create: ${created.status} ${created.text}`)
    return client
  }

  /** Another client of the same instance, on a connection of its own. */
  another(): ConsumerClient {
    return new ConsumerClient(this.#url, this.group, this.name, this.#accept)
  }

  call(method: string, path: string, body?: unknown, options: CallOptions = {}): Promise<RawResponse> {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
    return http({
      base: this.#url,
      path,
      method,
      agent: this.#agent,
      headers: { ...(text === undefined ? {} : { 'Content-Type': v2 }), ...options.headers },
      ...(text === undefined ? {} : { body: text }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    })
  }

  subscribe(...topics: string[]): Promise<RawResponse> {
    return this.call('POST', `${this.base}/subscription`, { topics })
  }

  assign(...partitions: (readonly [topic: string, partition: number])[]): Promise<RawResponse> {
    return this.call('POST', `${this.base}/assignments`, {
      partitions: partitions.map(([topic, partition]) => ({ topic, partition })),
    })
  }

  /** One read as it is answered. */
  read(query = '', options: CallOptions = {}): Promise<RawResponse> {
    return this.call('GET', `${this.base}/records${query}`, undefined, {
      ...options,
      headers: { Accept: this.#accept, ...options.headers },
    })
  }

  /** The records of one read. @throws when it is no 200. */
  async records(query = ''): Promise<ReadRecord[]> {
    const response = await this.read(query)
    if (response.status !== 200) throw new Error(`read: ${response.status} ${response.text}`)
    return response.json() as ReadRecord[]
  }

  /** Reads until `count` records have come. @throws when ten reads in a row bring none. */
  async take(count: number, query = ''): Promise<ReadRecord[]> {
    const taken: ReadRecord[] = []
    for (let empty = 0; taken.length < count && empty < 10; ) {
      const records = await this.records(query)
      empty = records.length === 0 ? empty + 1 : 0
      taken.push(...records)
    }
    if (taken.length < count) throw new Error(`only ${taken.length} of ${count} records came`)
    return taken
  }

  commit(body?: unknown): Promise<RawResponse> {
    return this.call('POST', `${this.base}/offsets`, body)
  }

  /** What is committed for one partition; undefined for nothing. */
  async committed(topic: string, partition = 0): Promise<number | undefined> {
    // 503 asks to be retried: on a busy machine a gateway may not be sure of its node at once.
    const response = await until('the committed offsets', async () => {
      const answer = await this.call('GET', `${this.base}/offsets`, { partitions: [{ topic, partition }] })
      return answer.status === 503 ? undefined : answer
    })
    if (response.status !== 200) throw new Error(`committed: ${response.status} ${response.text}`)
    const { offsets } = response.json() as { offsets: { offset: number }[] }
    return offsets[0]?.offset
  }

  seek(body: unknown): Promise<RawResponse> {
    return this.call('POST', `${this.base}/positions`, body)
  }

  delete(): Promise<RawResponse> {
    return this.call('DELETE', this.base)
  }

  /** Ends its connection in an orderly way, as an application does that exits. */
  close(): void {
    this.#agent.destroy()
  }
}
