import { BoundedCache } from '../../shared/bounded-cache.ts'
import type { Clock } from '../../shared/clock.ts'
import {
  type SchemaCodec,
  type SchemaCompiler,
  SchemaRefused,
  type SchemaSource,
  type SchemaType,
} from '../formats/format.ts'
import type { RegistrySchema, SchemaRegistry } from '../ports/schema-registry.ts'
import { loadReferences, type ReferenceLimits } from './schema-references.ts'

export interface SchemaCodecsOptions extends ReferenceLimits {
  /** Compiled schemas that are kept, and the characters of their texts. */
  readonly entriesMax: number
  readonly charsMax: number
}

/** A schema text of requests: how values are encoded with it, and how the registry is asked for it. */
export interface CompiledText {
  readonly codec: SchemaCodec
  /** The same object each time, so that caches can know it by identity. */
  readonly schema: RegistrySchema
}

export type SchemaCompilers = Readonly<Record<SchemaType, SchemaCompiler>>

/** Refusals are kept so that a hostile text costs its compiling once; this long, as limits of time may pass. */
const refusalFreshMs = 60_000

/**
 * Compiles schemas, each once: the same type, text and references give the same codec. Bounded; what was refused is
 * remembered for a while too.
 */
export class SchemaCodecs {
  readonly #compilers: SchemaCompilers
  readonly #options: SchemaCodecsOptions
  readonly #codecs: BoundedCache<string, SchemaCodec>
  /** By type and text as requests bring it. */
  readonly #texts: BoundedCache<string, CompiledText>
  readonly #refused: BoundedCache<string, SchemaRefused>
  /** Codecs that cannot encode, and until when that is believed. */
  readonly #unready = new WeakMap<SchemaCodec, { readonly refusal: SchemaRefused; readonly until: number }>()
  readonly #clock: Clock

  constructor(compilers: SchemaCompilers, options: SchemaCodecsOptions, deps: { clock: Clock }) {
    this.#compilers = compilers
    this.#options = options
    this.#clock = deps.clock
    const bounds = { entriesMax: options.entriesMax, weightMax: options.charsMax }
    this.#codecs = new BoundedCache(bounds, deps.clock)
    this.#texts = new BoundedCache(bounds, deps.clock)
    this.#refused = new BoundedCache({ ...bounds, freshMs: refusalFreshMs }, deps.clock)
  }

  /** The text as error texts show it. */
  canonical(type: SchemaType, text: string): string {
    return this.#compilers[type].canonical(text)
  }

  /**
   * The codec of a request's schema text, which can have no references, ready to encode with.
   * @throws SchemaRefused
   */
  ofText(type: SchemaType, text: string): CompiledText {
    const key = keyOf(type, { text, references: [] })
    const known = this.#texts.fresh(key)
    if (known !== undefined) return known
    const codec = this.#compiled(type, { text, references: [] })
    this.prepare(codec)
    const compiled = { codec, schema: { type, text: this.canonical(type, text), references: [] } }
    this.#texts.set(key, compiled, key.length)
    return compiled
  }

  /**
   * The codec of a schema of the registry, whose references are fetched first.
   * @throws SchemaRefused, and RegistryError when a reference cannot be fetched.
   */
  async of(schema: RegistrySchema, registry: SchemaRegistry, signal?: AbortSignal): Promise<SchemaCodec> {
    if (!isSchemaType(schema.type)) throw new SchemaRefused(`unknown schema type ${schema.type}`)
    const references = await loadReferences(schema, registry, this.#options, signal)
    return this.#compiled(schema.type, { text: schema.text, references })
  }

  /** Makes a codec ready to encode with. What was refused is refused at once for a while. @throws SchemaRefused */
  prepare(codec: SchemaCodec): void {
    const unready = this.#unready.get(codec)
    if (unready !== undefined && this.#clock.monotonic() < unready.until) throw unready.refusal
    try {
      codec.prepareEncode()
    } catch (refusal) {
      if (refusal instanceof SchemaRefused)
        this.#unready.set(codec, { refusal, until: this.#clock.monotonic() + refusalFreshMs })
      throw refusal
    }
  }

  #compiled(type: SchemaType, source: SchemaSource): SchemaCodec {
    const key = keyOf(type, source)
    const codec = this.#codecs.fresh(key)
    if (codec !== undefined) return codec
    const refusal = this.#refused.fresh(key)
    if (refusal !== undefined) throw refusal
    if (source.text.length > this.#options.textCharsMax) {
      throw new SchemaRefused(`the schema is longer than ${this.#options.textCharsMax} characters`)
    }
    try {
      const compiled = this.#compilers[type].compile(source)
      this.#codecs.set(key, compiled, key.length)
      return compiled
    } catch (error) {
      if (error instanceof SchemaRefused) this.#refused.set(key, error, key.length)
      throw error
    }
  }
}

function keyOf(type: SchemaType, { text, references }: SchemaSource): string {
  return references.length === 0 ? `${type} ${text}` : `${type} ${JSON.stringify([text, references])}`
}

function isSchemaType(type: string): type is SchemaType {
  return type === 'AVRO' || type === 'JSON' || type === 'PROTOBUF'
}
