import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../../shared/clock.ts'
import { RestError } from '../../shared/errors/rest-error.ts'
import type { ProduceBody, ProduceRecord } from '../../shared/rest/v2-shapes.ts'
import type { CompiledSchema, EmbeddedJson, Format, FormatName, SchemaType } from '../formats/format.ts'
import type { EncodedRecord, FormatProducer } from './format-producer.ts'
import type { RecordOutcome } from './format-producer-batch.ts'

/** What produce needs of services/schemas.ts. */
export interface ProduceSchemas {
  resolve(
    request: {
      readonly topic: string
      readonly side: 'key' | 'value'
      readonly type: SchemaType
      readonly text: string | null
      readonly id: number | null
    },
    signal?: AbortSignal,
  ): Promise<{ readonly schema: CompiledSchema } | null>
  missingSchema(side: 'key' | 'value'): RestError
}

interface Deps {
  readonly formats: Readonly<Record<FormatName, Format>>
  readonly schemas: ProduceSchemas
  readonly producers: Readonly<Record<FormatName, Pick<FormatProducer, 'produce'>>>
  readonly clock: Clock
}

export interface ProduceRequest {
  readonly format: FormatName
  readonly topic: string
  /** Of the path; a record's own wins. */
  readonly partition: number | null
  readonly body: ProduceBody
}

export interface ProduceResult {
  /** In the order of the request's records. */
  readonly outcomes: readonly RecordOutcome[]
  readonly keySchemaId: number | null
  readonly valueSchemaId: number | null
}

/** Encoding gives way to other work after this long, so that a request of 100,000 records stalls nobody. */
const ENCODE_SLICE_MS = 10
const RECORDS_PER_LOOK = 100

/** The produce operation of all formats (contract v2 §2.8). */
export class Produce {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Resolves the schemas (the key's first: it is registered first), encodes every record, and only then sends.
   * @throws RestError and nothing was sent; or unexpectedProduceFailure. The signal's reason, if it aborts before.
   */
  async produce(request: ProduceRequest, signal: AbortSignal): Promise<ProduceResult> {
    const { format: name, topic, body } = request
    const format = this.#deps.formats[name]
    const keySchema = await this.#schema(request, format, 'key', signal)
    const valueSchema = await this.#schema(request, format, 'value', signal)
    const records = await this.#encode(request, format, { key: keySchema, value: valueSchema })
    // A suspended function holds on to its arguments, and what was parsed takes many times its text: while Kafka is away
    // only the encoded bytes may stay, which `buffer.memory` counts.
    body.records.length = 0
    const outcomes = await this.#deps.producers[name].produce(topic, records, signal)
    for (const outcome of outcomes) {
      if ('error' in outcome && outcome.error.kind === 'UNEXPECTED')
        throw new RestError('unexpectedProduceFailure', undefined, { cause: outcome.error })
    }
    // Formats without schemas ignore the ids that the request may name.
    return {
      outcomes,
      keySchemaId: keySchema ? (body.keySchemaId ?? keySchema.id) : null,
      valueSchemaId: valueSchema ? (body.valueSchemaId ?? valueSchema.id) : null,
    }
  }

  async #schema(
    { topic, body }: ProduceRequest,
    format: Format,
    side: 'key' | 'value',
    signal: AbortSignal,
  ): Promise<CompiledSchema | null> {
    if (format.schemaType === null) return null
    const [text, id] =
      side === 'key' ? [body.keySchema, body.keySchemaId] : [body.valueSchema, body.valueSchemaId]
    const request = { topic, side, type: format.schemaType, text, id }
    return (await this.#deps.schemas.resolve(request, signal))?.schema ?? null
  }

  async #encode(
    { body, partition }: ProduceRequest,
    format: Format,
    schemas: { readonly key: CompiledSchema | null; readonly value: CompiledSchema | null },
  ): Promise<EncodedRecord[]> {
    const { clock } = this.#deps
    const encoded: EncodedRecord[] = []
    let sliceStart = clock.monotonic()
    for (const record of body.records) {
      encoded.push({
        key: this.#encodeSide(format, record, 'key', schemas.key),
        value: this.#encodeSide(format, record, 'value', schemas.value),
        partition: record.partition ?? partition,
      })
      // A schema can make one record as slow as a hundred plain ones.
      const look = format.schemaType !== null || encoded.length % RECORDS_PER_LOOK === 0
      if (look && clock.monotonic() - sliceStart > ENCODE_SLICE_MS) {
        await nextTurn()
        sliceStart = clock.monotonic()
      }
    }
    return encoded
  }

  #encodeSide(
    format: Format,
    record: ProduceRecord,
    side: 'key' | 'value',
    schema: CompiledSchema | null,
  ): Buffer | null {
    const json: EmbeddedJson | null = record[side]
    if (json !== null && schema === null && format.schemaType !== null)
      throw this.#deps.schemas.missingSchema(side)
    return format.encode(json, schema)
  }
}
