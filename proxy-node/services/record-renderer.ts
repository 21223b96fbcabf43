import { RestError } from '../../shared/errors/rest-error.ts'
import {
  type CompiledSchema,
  type Format,
  type SchemaName,
  schemaNameHeaders,
  UndecodableRecord,
} from '../formats/format.ts'
import type { TopicPartition } from '../ports/kafka-cluster.ts'
import type { FetchedRecord } from '../ports/kafka-consumer.ts'

/** Where the schemas of stored records come from (services/schemas.ts). */
export interface RecordSchemas {
  /** The schema if it is at hand. */
  cached(name: SchemaName): CompiledSchema | undefined
  /** @throws UndecodableRecord when there is no such schema; RestError when the registry cannot tell. */
  load(name: SchemaName, signal?: AbortSignal): Promise<CompiledSchema>
}

/**
 * One record as JSON, in three parts whose order is that of the fields: values are large, and putting them together as
 * text would copy each of them twice.
 */
export interface RenderedRecord {
  /** Up to the value. */
  readonly before: string
  readonly value: string
  /** From behind the value. */
  readonly after: string
  /** What it counts for `max_bytes` and `fetch.min.bytes`. */
  readonly bytes: number
}

/**
 * Renders stored records as elements of the answer of GET …/records: exactly the keys topic, key, value, partition,
 * offset, in this order (contract v2 §2.14).
 */
export class RecordRenderer {
  readonly #format: Format
  readonly #schemas: RecordSchemas

  constructor(format: Format, schemas: RecordSchemas) {
    this.#format = format
    this.#schemas = schemas
  }

  /**
   * The size of a record that can be told before it is rendered: the stored bytes for binary and JSON; undefined for
   * schema formats, which count the rendered JSON (contract v2 §4.2).
   */
  storedBytes(record: FetchedRecord): number | undefined {
    if (this.#format.schemaType !== null) return undefined
    return (record.key?.length ?? 0) + (record.value?.length ?? 0)
  }

  /**
   * Synchronous whenever the schemas are at hand, so that a slice is rendered without a turn of the event loop for
   * each record.
   * @throws RestError undecodableRecord with topic, partition and offset; what the registry's failures are.
   */
  render(
    from: TopicPartition,
    record: FetchedRecord,
    signal: AbortSignal,
  ): RenderedRecord | Promise<RenderedRecord> {
    try {
      const key = this.#schemaOf('key', record)
      const value = this.#schemaOf('value', record)
      if (key.missing === undefined && value.missing === undefined)
        return this.#rendered(from, record, key.schema, value.schema)
    } catch (error) {
      throw located(error, from, record)
    }
    return this.#renderLater(from, record, signal)
  }

  async #renderLater(
    from: TopicPartition,
    record: FetchedRecord,
    signal: AbortSignal,
  ): Promise<RenderedRecord> {
    try {
      const key = this.#schemaOf('key', record)
      const keySchema = key.missing === undefined ? key.schema : await this.#schemas.load(key.missing, signal)
      const value = this.#schemaOf('value', record)
      const valueSchema =
        value.missing === undefined ? value.schema : await this.#schemas.load(value.missing, signal)
      return this.#rendered(from, record, keySchema, valueSchema)
    } catch (error) {
      throw located(error, from, record)
    }
  }

  #schemaOf(
    side: 'key' | 'value',
    record: FetchedRecord,
  ): { schema: CompiledSchema | null; missing?: undefined } | { missing: SchemaName } {
    if (this.#format.schemaType === null) return { schema: null }
    const name = this.#format.schemaIdOf(record[side], schemaHeader(side, record))
    if (name === null) return { schema: null }
    const schema = this.#schemas.cached(name)
    return schema === undefined ? { missing: name } : { schema }
  }

  #rendered(
    { topic, partition }: TopicPartition,
    record: FetchedRecord,
    keySchema: CompiledSchema | null,
    valueSchema: CompiledSchema | null,
  ): RenderedRecord {
    const key = this.#format.decode(record.key, keySchema, schemaHeader('key', record))
    const value = this.#format.decode(record.value, valueSchema, schemaHeader('value', record))
    return {
      // A topic's name has no character that JSON would escape.
      before: `{"topic":"${topic}","key":${key},"value":`,
      value,
      after: `,"partition":${partition},"offset":${record.offset}}`,
      bytes: this.storedBytes(record) ?? renderedBytes(record.key, key) + renderedBytes(record.value, value),
    }
  }
}

/**
 * The bytes of several records with commas between them.
 * @param first what comes before the first: the array's opening bracket, or another comma.
 */
export function encodeRecords(records: readonly RenderedRecord[], first: '[' | ','): Buffer {
  let size = 0
  for (const { before, value, after } of records)
    size += 1 + Buffer.byteLength(before) + Buffer.byteLength(value) + Buffer.byteLength(after)
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  for (const { before, value, after } of records) {
    at += bytes.write(at === 0 ? first : ',', at)
    at += bytes.write(before, at)
    at += bytes.write(value, at)
    at += bytes.write(after, at)
  }
  return bytes
}

function schemaHeader(side: 'key' | 'value', record: FetchedRecord): Buffer | null {
  if (record.headers.length === 0) return null
  const wanted = schemaNameHeaders[side]
  // The last of several headers with one name counts, as in Java's `lastHeader`.
  return record.headers.findLast(([name]) => name?.toString('latin1') === wanted)?.[1] ?? null
}

function renderedBytes(stored: Buffer | null, text: string): number {
  return stored === null ? 0 : Buffer.byteLength(text)
}

/**
 * A record that its format cannot decode (408 / 40801), or that cannot be shown as JSON (422), and where it is, so that a
 * client can seek past it.
 */
export class UndecodableAt extends RestError {
  readonly at: TopicPartition & { readonly offset: bigint }

  constructor(at: UndecodableAt['at'], cause: UndecodableRecord) {
    const where = `topic ${at.topic}, partition ${at.partition}, offset ${at.offset}`
    const text =
      cause.row === 'renderFailed'
        ? `${cause.message} (${where})`
        : `Cannot decode the record at ${where}: ${cause.message}`
    super(cause.row, text, { cause })
    this.name = 'UndecodableAt'
    this.at = at
  }
}

function located(error: unknown, { topic, partition }: TopicPartition, { offset }: FetchedRecord): unknown {
  const at = { topic, partition, offset }
  if (error instanceof UndecodableRecord) return new UndecodableAt(at, error)
  // Longer than a string can be. Without its place, nobody could get past the record.
  if (error instanceof RangeError)
    return new UndecodableAt(at, new UndecodableRecord('it is too large as JSON', { cause: error }))
  return error
}
