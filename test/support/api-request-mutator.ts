import { mediaTypes } from '../../shared/rest/media-type.ts'
import { JsonMutator } from './json-mutator.ts'

/** What the requests are about. */
export interface MutatorSubjects {
  readonly topic: string
  /** For new instances. */
  readonly group: string
  /** Paths of instances that exist: `/consumers/{group}/instances/{instance}`. */
  readonly instances: readonly string[]
}

interface Parts {
  method: string
  target: string
  headers: [name: string, value: string][]
  body: Buffer | undefined
}

const { v2, binary, json, avro, jsonschema, protobuf } = mediaTypes

/** Names and numbers in a path: none is a topic's name that Kafka would create, but for `0`. */
const segments = [
  '',
  '.',
  '..',
  '%2e%2e',
  '%2F',
  '%00',
  '%0d%0a',
  '%',
  '%zz',
  '%ff',
  '%c0%af',
  '%ED%A0%80',
  '%F0%9F%92%A9',
  ' '.repeat(0),
  'a%20b',
  '*',
  '~',
  "'",
  '"',
  '<b>',
  '{group}',
  '{{7*7}}',
  '-1',
  '0',
  '1',
  '2147483648',
  '1.0',
  '1e3',
  '0x1',
  'NaN',
  'a'.repeat(300),
  '%61'.repeat(600),
  ';a=b',
  '__proto__',
  'constructor',
  'internal',
  'records',
  'instances',
]
const queries = [
  '',
  '?',
  '??',
  '?=',
  '?&&&',
  '?timeout',
  '?timeout=',
  '?timeout=5',
  '?timeout=-5',
  '?timeout=abc',
  '?timeout=1.5',
  '?timeout=1e9',
  '?timeout=9223372036854775807',
  '?timeout=9223372036854775808',
  '?timeout=%00',
  '?timeout=%zz',
  '?timeout=5&timeout=x',
  '?max_bytes=0',
  '?max_bytes=-1',
  '?max_bytes=1',
  '?max_bytes=99999999999999999999',
  '?max_bytes=0x10',
  '?max_bytes=%F0%9F%92%A9',
  '?async=maybe',
  '?/../..',
  `?${'a=b&'.repeat(500)}`,
  '?__proto__[x]=1',
]
const types = [
  v2,
  binary,
  json,
  avro,
  jsonschema,
  protobuf,
  'application/json',
  '*/*',
  'application/*',
  'text/plain',
  'garbage',
  '',
  'a/b/c',
  '/',
  `${json};charset=utf-8`,
  `${json};charset=`,
  `${json}; q=0.1`,
  `${v2};q=9`,
  `${json.toUpperCase()}`,
  `${v2},${json}`,
  'application/vnd.kafka.v1+json',
  'application/vnd.kafka.nope.v2+json',
  `${'a/b,'.repeat(300)}${v2}`,
  '*',
  'a/*;q=',
  ';;;',
]
const methods = ['GET', 'HEAD', 'POST', 'DELETE', 'PUT', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND']
const extraHeaders: readonly [string, string][] = [
  ['Kafka-Rest-Internal-Token', 'guess'],
  ['Kafka-Rest-Drawn-Name', '../evil'],
  ['Kafka-Rest-Public-Base', 'http://evil.example'],
  ['Kafka-Rest-Proved-Dead', 'a b 1'],
  ['Kafka-Rest-Read-Id', '1'],
  ['Kafka-Rest-Gateway-Run', 'x/1'],
  ['X-Forwarded-Host', 'evil.example'],
  ['Forwarded', 'for=";;,";host="\\"'],
  ['X-Request-Id', '\x80'],
  ['Accept-Encoding', 'gzip, br;q=x, *;q=0'],
  ['Content-Encoding', 'gzip'],
  ['Connection', 'keep-alive, content-type, kafka-rest-internal-token'],
  ['Upgrade', 'h2c'],
  ['Expect', '100-continue'],
  ['Range', 'bytes=0-0'],
  ['If-None-Match', '*'],
  ['Cookie', 'a=b; '.repeat(50)],
  ['Origin', 'null'],
]

/**
 * Draws requests to the v2 API: one that is right, and then changed in its JSON, path, query, method, media types and
 * headers, in ways that programs get wrong. Its HTTP framing is always right.
 */
export class ApiRequestMutator {
  readonly #random: () => number
  readonly #json: JsonMutator
  readonly #subjects: MutatorSubjects

  constructor(random: () => number, subjects: MutatorSubjects) {
    this.#random = random
    this.#json = new JsonMutator(random)
    this.#subjects = subjects
  }

  /** The bytes of one case. */
  draw(): Buffer {
    const parts = this.#template()
    if (this.#below(4) === 0) this.#changePath(parts)
    if (this.#below(5) === 0) parts.target += this.#pick(queries)
    if (this.#below(20) === 0) parts.method = this.#pick(methods)
    if (this.#below(8) === 0) this.#set(parts, 'Content-Type', this.#pick(types))
    if (this.#below(8) === 0) this.#set(parts, 'Accept', this.#pick(types))
    if (this.#below(8) === 0) parts.headers.push([...this.#pick(extraHeaders)])
    return this.#render(parts)
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count)
  }

  #pick<T>(choices: readonly T[]): T {
    const choice = choices[this.#below(choices.length)]
    if (choice === undefined) throw new Error('nothing to choose from')
    return choice
  }

  #set(parts: Parts, name: string, value: string): void {
    parts.headers = parts.headers.filter(([other]) => other !== name)
    parts.headers.push([name, value])
  }

  #template(): Parts {
    const { topic, group, instances } = this.#subjects
    const instance = this.#pick(instances)
    const partition = { topic, partition: 0 }
    const get = (target: string) => this.#request('GET', target)
    const post = (target: string, body: unknown) => this.#request('POST', target, v2, body)
    const produce = (type: string, body: unknown) =>
      this.#request('POST', this.#pick([`/topics/${topic}`, `/topics/${topic}/partitions/0`]), type, body)
    const makers: (() => Parts)[] = [
      () => get(this.#pick(['/', '/brokers', '/topics', `/topics/${topic}`, `/topics/${topic}/partitions`])),
      () => get(this.#pick([`/topics/${topic}/partitions/0`, `/topics/${topic}/partitions/0/offsets`])),
      () => get(`${instance}/${this.#pick(['records', 'records', 'subscription', 'assignments'])}`),
      () => this.#request('DELETE', this.#pick([`${instance}/subscription`, `${instance}x`])),
      () => post('/', { a: 'b' }),
      () => post(`/consumers/${group}`, newConsumer),
      () => post(`/consumers/${group}`, newConsumer),
      () => post(`${instance}/subscription`, { topics: [topic], topic_pattern: '^a.*' }),
      () => post(`${instance}/assignments`, { partitions: [partition] }),
      () => post(`${instance}/positions`, seek(topic)),
      () => post(`${instance}/positions`, seek(topic)),
      () => post(`${instance}/positions/${this.#pick(['beginning', 'end'])}`, { partitions: [partition] }),
      () => post(`${instance}/offsets`, { offsets: [{ ...partition, offset: 3, metadata: 'm' }] }),
      () => this.#request('GET', `${instance}/offsets`, v2, { partitions: [partition] }),
      () => produce(json, { records: [{ key: 'k', value: { a: [1, null] }, partition: 0 }, { value: 1.5 }] }),
      () =>
        produce(binary, {
          records: [
            { key: 'QUJD', value: 'REVG' },
            { value: null, partition: 0 },
          ],
        }),
      () => produce(json, { records: [{ value: 'a' }], key_schema_id: 1, value_schema: '"int"' }),
      () => produce(this.#pick([avro, jsonschema, protobuf]), withSchema(this.#pick(schemas))),
    ]
    return this.#pick(makers)()
  }

  #request(method: string, target: string, type?: string, body?: unknown): Parts {
    const headers: Parts['headers'] = type === undefined ? [] : [['Content-Type', type]]
    return { method, target, headers, body: body === undefined ? undefined : this.#json.bytes(body) }
  }

  #changePath(parts: Parts): void {
    const path = parts.target.split('/')
    const at = this.#below(path.length)
    switch (this.#below(5)) {
      case 0:
        path.splice(at, 0, this.#pick(segments))
        break
      case 1:
        path.splice(at, 1)
        break
      case 2:
        path.push('')
        break
      default:
        path[at] = this.#pick(segments)
    }
    const target = path.join('/')
    parts.target = target.startsWith('/') ? target : `/${target}`
  }

  #render({ method, target, headers, body }: Parts): Buffer {
    const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    const isChunked = body !== undefined && this.#below(6) === 0
    const length = isChunked ? 'Transfer-Encoding: chunked\r\n' : `Content-Length: ${body?.length ?? 0}\r\n`
    const head = `${method} ${target} HTTP/1.1\r\nHost: localhost\r\n${lines}${body ? length : ''}\r\n`
    const bytes = Buffer.from(head, 'latin1')
    if (!body) return bytes
    if (!isChunked) return Buffer.concat([bytes, body])
    const size = Math.max(1, this.#below(body.length))
    const chunks = [body.subarray(0, size), body.subarray(size)].filter(({ length }) => length > 0)
    const framed = chunks.flatMap(chunk => [
      Buffer.from(`${chunk.length.toString(16)}\r\n`),
      chunk,
      Buffer.from('\r\n'),
    ])
    return Buffer.concat([bytes, ...framed, Buffer.from('0\r\n\r\n')])
  }
}

const newConsumer = {
  name: 'mutant',
  format: 'json',
  'auto.offset.reset': 'earliest',
  'auto.commit.enable': 'false',
  'fetch.min.bytes': 1,
  'consumer.request.timeout.ms': 10,
}

const seek = (topic: string) => ({
  offsets: [{ topic, partition: 0, offset: 1, metadata: '' }],
  timestamps: [{ topic, partition: 0, timestamp: '2024-01-01T00:00:00Z' }],
})

const schemas: readonly (readonly [schema: string, value: unknown])[] = [
  ['{"type":"record","name":"R","fields":[{"name":"a","type":["null","int"]}]}', { a: { int: 1 } }],
  ['"int"', 7],
  ['{"type":"object","properties":{"a":{"type":"integer"}}}', { a: 1 }],
  ['syntax = "proto3"; message M { int32 a = 1; repeated M more = 2; }', { a: 1, more: [{}] }],
]

const withSchema = ([schema, value]: readonly [string, unknown]) => ({
  value_schema: schema,
  key_schema: schema,
  records: [{ key: value, value }],
})
