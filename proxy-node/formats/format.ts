import { RestError } from '../../shared/errors/rest-error.ts'
import { excerpt } from './excerpt.ts'

/**
 * An embedded format: how keys and values look inside JSON bodies, and how they are stored in Kafka
 * (contract v2 §6). Formats are pure: they neither read sockets nor fetch schemas; `services/schemas`
 * resolves schemas first and hands them in compiled.
 */
export interface Format {
  readonly name: FormatName
  /** The registry's schema type, or null for a format without schemas. */
  readonly schemaType: SchemaType | null

  /**
   * Encodes one key or value for Kafka. `null` (JSON null or a missing field) becomes a Kafka null,
   * except where contract v2 §6.4 says otherwise for schema formats.
   * @throws RestError badBase64, notBase64String or badPayload; the whole request then fails.
   */
  encode(json: EmbeddedJson | null, schema: CompiledSchema | null): Buffer | null

  /**
   * The schema that stored bytes name, or null for a format without schemas or a Kafka null.
   * @param header the record header of `schemaNameHeaders` for this side, if the record has it.
   * @throws UndecodableRecord when the bytes are not framed (wrong magic byte, too short).
   */
  schemaIdOf(bytes: Buffer | null, header?: Buffer | null): SchemaName | null

  /**
   * Renders stored bytes as JSON text, ready to be written into a response as it is.
   * @param header as for `schemaIdOf`: with it the bytes carry no framing of their own.
   * @throws UndecodableRecord when the bytes do not decode.
   */
  decode(bytes: Buffer | null, schema: CompiledSchema | null, header?: Buffer | null): string
}

export type FormatName = 'binary' | 'json' | 'avro' | 'jsonschema' | 'protobuf'
export type SchemaType = 'AVRO' | 'JSON' | 'PROTOBUF'

/** How stored bytes name their schema: the registry's id, or its GUID as a lower-case UUID (8.x, in a header). */
export type SchemaName = number | string

/** Record headers in which Confluent's 8.x serializers may put the schema's name (contract v2 §6.3). */
export const schemaNameHeaders = { key: '__key_schema_id', value: '__value_schema_id' } as const

/**
 * A JSON value of a request body. `value` is the parsed value (numbers are doubles); `text` is its source
 * text with the insignificant white space removed: parsing and printing again would reorder
 * integer-like keys, rewrite 1.10, 1e3 and −0, and lose integers beyond 2^53.
 */
export interface EmbeddedJson {
  readonly value: unknown
  readonly text: string
}

/** A schema of the registry, compiled once per id by its format. */
export interface CompiledSchema {
  readonly id: number
  readonly type: SchemaType
  /** What the format's compiler made of the schema text; only that format looks inside. */
  readonly codec: SchemaCodec
}

/** Encoder and decoder of one schema, without the wire-format framing. */
export interface SchemaCodec {
  /**
   * The full name of what the schema describes, for the subject strategies that go by it: an Avro named type, a
   * Protobuf message, the title of a JSON Schema. Null when it has none.
   */
  readonly recordName: string | null
  /**
   * Does what only `encode` needs, so that a schema that cannot be written with is refused before anything is encoded.
   * @throws SchemaRefused
   */
  prepareEncode(): void
  /**
   * Null (JSON null or a missing field) is encoded too, if the schema allows it.
   * @returns the payload, good until this codec's next `encode`, or null when the schema makes a Kafka null of it.
   * @throws RestError badPayload when the JSON does not fit the schema.
   */
  encode(json: EmbeddedJson | null): Buffer | null
  /** @throws UndecodableRecord when the payload does not fit the schema. */
  decode(payload: Buffer): string
}

/** A schema's text with the texts that it refers to, as the registry has them. */
export interface SchemaSource {
  readonly text: string
  /** Those that others refer to come first; each is there once. */
  readonly references: readonly SchemaReferenceSource[]
}

export interface SchemaReferenceSource {
  /** What the referring text calls it: an Avro full name, a JSON Schema `$ref`, a Protobuf import path. */
  readonly name: string
  readonly text: string
}

/** Bounds on what a schema may cost; each has a setting. */
export interface SchemaLimits {
  /** Levels of nesting inside the schema text. */
  readonly schemaDepthMax: number
  /** Levels of nesting inside one record, for schemas that refer to themselves. */
  readonly recordDepthMax: number
  /** Characters that the schema may add to one stored key or value when it is rendered: names, tags, brackets. */
  readonly renderedCharsMax: number
  /** Ms of CPU that compiling one schema, or checking one large value, may take. */
  readonly cpuMsMax: number
}

/** Turns the schema texts of one type into codecs. */
export interface SchemaCompiler {
  readonly type: SchemaType
  /** @throws SchemaRefused when the text is no schema of this type or goes beyond a limit. */
  compile(source: SchemaSource): SchemaCodec
  /** The text in the spelling that error texts show (contract v2 §6.3, "canonical"). */
  canonical(text: string): string
}

/** A schema text that does not parse, or goes beyond a limit. The detail is cut: it may quote the text. */
export class SchemaRefused extends Error {
  constructor(detail: string, options?: { cause?: unknown }) {
    super(excerpt(detail), options)
    this.name = 'SchemaRefused'
  }
}

/** What a compiler that fails for any reason is to throw: a refusal of the schema, unless it is an answer already. */
export function schemaRefusal(cause: unknown): Error {
  if (cause instanceof SchemaRefused || cause instanceof RestError) return cause
  return new SchemaRefused(cause instanceof Error ? cause.message : String(cause), { cause })
}

/**
 * Stored bytes that a format cannot decode; the read path adds topic, partition and offset. `row` is the error that the
 * client sees: 408 / 40801, or 422 for a record that decodes and cannot be shown as JSON (contract v2 §3.1).
 */
export class UndecodableRecord extends Error {
  readonly row: 'undecodableRecord' | 'renderFailed' = 'undecodableRecord'

  constructor(detail: string, options?: { cause?: unknown }) {
    super(detail, options)
    this.name = 'UndecodableRecord'
  }
}

/** A record that decodes, but cannot be shown as JSON: a date beyond year 9999, or text without end. */
export class UnrenderableRecord extends UndecodableRecord {
  override readonly row = 'renderFailed'

  /** @param type the schema type as the contract's text has it: `Avro`, `JSON Schema`, `Protobuf`. */
  constructor(type: string, detail: string) {
    super(`Failed to convert ${type} to JSON: ${detail}`)
    this.name = 'UnrenderableRecord'
  }
}
