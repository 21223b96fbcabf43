import { BoundedCache } from '../../shared/bounded-cache.ts'
import type { Clock } from '../../shared/clock.ts'
import { RestError } from '../../shared/errors/rest-error.ts'
import { excerpt } from '../formats/excerpt.ts'
import {
  type CompiledSchema,
  type SchemaCodec,
  type SchemaName,
  SchemaRefused,
  type SchemaType,
  UndecodableRecord,
} from '../formats/format.ts'
import { RegistryError, type RegistrySchema, type SchemaRegistry } from '../ports/schema-registry.ts'
import type { CompiledText, SchemaCodecs } from './schema-codecs.ts'
import { formatWords, invalidSchema, readError, resolutionError, unusableSchema } from './schema-errors.ts'
import { type Side, type SubjectNameStrategy, subjectName } from './subject-names.ts'

export interface SchemasOptions {
  readonly keyStrategy: SubjectNameStrategy
  readonly valueStrategy: SubjectNameStrategy
  /** Versions that a subject may have for the proxy to register another. */
  readonly schemasPerSubjectMax: number
  /** Compiled schemas that are kept by id, and the characters of their texts. */
  readonly entriesMax: number
  readonly charsMax: number
}

interface Deps {
  /** Null when `schema.registry.url` is empty. */
  readonly registry: SchemaRegistry | null
  readonly codecs: SchemaCodecs
  readonly clock: Clock
}

/** What a produce request says about the schema of its keys or of its values. */
export interface SchemaRequest {
  readonly topic: string
  readonly side: Side
  readonly type: SchemaType
  /** `key_schema` or `value_schema`. */
  readonly text: string | null
  /** `key_schema_id` or `value_schema_id`. */
  readonly id: number | null
}

export interface ResolvedSchema {
  readonly schema: CompiledSchema
  readonly subject: string
  readonly version: number
}

/** Finds the compiled schemas of produce requests and of stored records (contract v2 §6.3). */
export class Schemas {
  readonly #options: SchemasOptions
  readonly #deps: Deps
  readonly #compiled: BoundedCache<SchemaName, CompiledSchema>

  constructor(options: SchemasOptions, deps: Deps) {
    this.#options = options
    this.#deps = deps
    this.#compiled = new BoundedCache(
      { entriesMax: options.entriesMax, weightMax: options.charsMax },
      deps.clock,
    )
  }

  /**
   * The schema that one side of a produce request names: text is looked up under its subject, else registered there; an
   * id is fetched, and must be registered under the subject. Null when the request names none. Resolve the key's
   * schema before the value's: it is registered first.
   * @throws RestError schemaRegistryRequired, invalidSchema, serializationFailed, kafkaAuthorization, validation.
   */
  async resolve(request: SchemaRequest, signal?: AbortSignal): Promise<ResolvedSchema | null> {
    const { text, id, side } = request
    if (text === null && id === null) return null
    const { registry } = this.#deps
    if (registry === null) throw new RestError('schemaRegistryRequired')
    if (text !== null && id !== null) {
      // A deviation: the original answers 500 / 500 here, for a client's mistake.
      throw new RestError('validation', `${side}_schema_id must be null when ${side}_schema is given`)
    }
    if (id !== null) return this.#resolveId(request, id, registry, signal)
    return this.#resolveText(request, text ?? '', registry, signal)
  }

  /** The error for a key or value without a schema (contract v2 §3.1): 42201, 42202, or 42207 without a registry. */
  missingSchema(side: Side): RestError {
    if (this.#deps.registry !== null) {
      return new RestError(side === 'key' ? 'keySchemaMissing' : 'valueSchemaMissing')
    }
    const detail = 'Schema Registry not defined, no Schema Registry client available to serialize message.'
    return new RestError('serializationFailed', detail)
  }

  /** The schema of a stored record, if it is at hand: the path of almost every record. */
  cached(name: SchemaName): CompiledSchema | undefined {
    return this.#compiled.fresh(name)
  }

  /**
   * The schema of a stored record, fetched and compiled if need be. Any type: the format compares it with its own.
   * @throws UndecodableRecord when the registry does not have it or it is no schema; RestError kafkaRetriable,
   *   kafkaAuthentication, kafkaAuthorization or kafkaQuota when the registry cannot tell.
   */
  async load(name: SchemaName, signal?: AbortSignal): Promise<CompiledSchema> {
    const { registry } = this.#deps
    if (registry === null)
      throw new UndecodableRecord('Schema Registry not defined, no schema can be fetched.')
    try {
      return this.cached(name) ?? (await this.#fetched(name, registry, signal))
    } catch (error) {
      if (error instanceof RegistryError) throw readError(name, error)
      if (!(error instanceof SchemaRefused)) throw error
      throw new UndecodableRecord(`the schema ${name} cannot be used: ${error.message}`, { cause: error })
    }
  }

  async #fetched(name: SchemaName, registry: SchemaRegistry, signal?: AbortSignal): Promise<CompiledSchema> {
    const schema = await (typeof name === 'number'
      ? registry.schemaById(name, signal)
      : registry.schemaByGuid(name, signal))
    const codec = await this.#deps.codecs.of(schema, registry, signal)
    // A GUID names no id; what was found by one is only read with.
    return this.#keep(name, schema.type as SchemaType, codec, schema.text.length)
  }

  #keep(name: SchemaName, type: SchemaType, codec: SchemaCodec, chars: number): CompiledSchema {
    const schema: CompiledSchema = { id: typeof name === 'number' ? name : -1, type, codec }
    this.#compiled.set(name, schema, chars)
    return schema
  }

  async #resolveId(request: SchemaRequest, id: number, registry: SchemaRegistry, signal?: AbortSignal) {
    const attempt = `Error when fetching schema by id. schemaId = ${id}`
    const stored = await resolving(
      () => attempt,
      () => registry.schemaById(id, signal),
    )
    if (stored.type !== request.type) {
      throw resolutionError(attempt, `the schema is of type ${stored.type}, not ${request.type}`)
    }
    const schema = await this.#forProducing(id, stored, request.type, attempt, signal)
    const subject = this.#subjectFor(request, schema.codec)
    const { version } = await resolving(
      () => {
        const canonical = excerpt(this.#deps.codecs.canonical(request.type, stored.text))
        return `Error when fetching schema version. subject = ${excerpt(subject)}, schema = ${canonical}`
      },
      () => registry.lookup(subject, stored, signal),
    )
    return { schema, subject, version }
  }

  async #forProducing(
    id: number,
    stored: RegistrySchema,
    type: SchemaType,
    attempt: string,
    signal?: AbortSignal,
  ) {
    const { codecs, registry } = this.#deps
    if (registry === null) throw new RestError('schemaRegistryRequired')
    const known = this.cached(id)
    try {
      if (known !== undefined) {
        codecs.prepare(known.codec)
        return known
      }
      const codec = await resolving(
        () => attempt,
        () => codecs.of(stored, registry, signal),
      )
      codecs.prepare(codec)
      return this.#keep(id, type, codec, stored.text.length)
    } catch (error) {
      if (error instanceof SchemaRefused) throw unusableSchema(type, error)
      throw error
    }
  }

  async #resolveText(request: SchemaRequest, text: string, registry: SchemaRegistry, signal?: AbortSignal) {
    const { type } = request
    const { codec, schema: asked } = this.#parsed(type, text)
    const subject = this.#subjectFor(request, codec)
    const { id, version } = await this.#idOfText(subject, type, asked, registry, signal)
    const schema = this.cached(id) ?? this.#keep(id, type, codec, text.length)
    return { schema, subject, version }
  }

  #parsed(type: SchemaType, text: string): CompiledText {
    try {
      return this.#deps.codecs.ofText(type, text)
    } catch (error) {
      if (error instanceof SchemaRefused) throw invalidSchema(type, text, error)
      throw error
    }
  }

  /** Looks the text up, else registers it (contract v2 §6.3: whatever the reason why the look-up failed). */
  async #idOfText(
    subject: string,
    type: SchemaType,
    schema: RegistrySchema,
    registry: SchemaRegistry,
    signal?: AbortSignal,
  ) {
    const shown = excerpt(schema.text)
    const attempt = `Error when registering schema. format = ${formatWords[type]}, subject = ${excerpt(subject)}, schema = ${shown}`
    try {
      return await registry.lookup(subject, schema, signal)
    } catch (error) {
      // A registry that cannot be asked cannot register either: trying would only make the client wait twice.
      if (error instanceof RegistryError && error.kind !== 'answered') throw resolutionError(attempt, error)
      if (!(error instanceof RegistryError)) throw error
    }
    await resolving(
      () => attempt,
      async () => {
        const { length } = await registry.versions(subject, signal)
        const max = this.#options.schemasPerSubjectMax
        if (length >= max) {
          throw resolutionError(
            attempt,
            `the subject has ${length} schemas already (max.schemas.per.subject = ${max})`,
          )
        }
        await registry.register(subject, schema, signal)
      },
    )
    return resolving(
      () => `Error when fetching schema version. subject = ${excerpt(subject)}, schema = ${shown}`,
      () => registry.lookup(subject, schema, signal),
    )
  }

  #subjectFor(request: SchemaRequest, codec: SchemaCodec): string {
    const { topic, side } = request
    const strategy = side === 'key' ? this.#options.keyStrategy : this.#options.valueStrategy
    const subject = subjectName(strategy, topic, side, codec.recordName)
    if (subject !== undefined) return subject
    throw new RestError('serializationFailed', `The ${side} schema has no record name to make a subject of.`)
  }
}

/** Runs a step of the resolution; a registry that fails it becomes the contract's error for that step. */
async function resolving<Value>(attempt: () => string, step: () => Promise<Value>): Promise<Value> {
  try {
    return await step()
  } catch (error) {
    if (error instanceof RegistryError) throw resolutionError(attempt(), error)
    throw error
  }
}
