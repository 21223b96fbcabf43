import { createHash } from 'node:crypto'
import { BoundedCache } from '../../shared/bounded-cache.ts'
import type { Clock } from '../../shared/clock.ts'
import { SingleFlight } from '../../shared/single-flight.ts'
import {
  RegistryError,
  type RegistrySchema,
  type SchemaRegistry,
  type SubjectVersion,
} from '../ports/schema-registry.ts'

export interface CachingRegistryOptions {
  /** Entries of each cache: schemas by id, versions of subjects, look-ups. */
  readonly entriesMax: number
  /** Characters of schema text in each cache. */
  readonly charsMax: number
  /** Ms that a look-up by subject stays good: a subject can be deleted, an id cannot change. */
  readonly subjectFreshMs: number
  /** Ms that an unknown id or schema is not asked for again. */
  readonly missingFreshMs: number
}

/** Told of each look-up in a cache, for the metrics. */
export interface CacheObserver {
  hit(cache: string): void
  miss(cache: string): void
}

/**
 * A registry with bounded caches in front, as the original has in its serializers. Concurrent
 * requests for one thing make one call. What a subject look-up gave goes on being used while the registry cannot be
 * asked: producing with a known schema must survive the registry.
 */
export class CachingRegistry implements SchemaRegistry {
  readonly #registry: SchemaRegistry
  readonly #observer: CacheObserver
  readonly #schemas: BoundedCache<string, RegistrySchema>
  readonly #versions: BoundedCache<string, SubjectVersion>
  readonly #latest: BoundedCache<string, SubjectVersion>
  readonly #lookups: BoundedCache<string, SubjectVersion>
  readonly #missing: BoundedCache<string, RegistryError>
  readonly #flights = new SingleFlight<string, unknown>()
  /** Names a schema in the keys of the look-ups; making the name takes longer than looking up. */
  readonly #names = new WeakMap<RegistrySchema, string>()

  constructor(
    registry: SchemaRegistry,
    options: CachingRegistryOptions,
    deps: { clock: Clock; observer: CacheObserver },
  ) {
    this.#registry = registry
    this.#observer = deps.observer
    const { entriesMax, charsMax: weightMax, subjectFreshMs, missingFreshMs } = options
    this.#schemas = new BoundedCache({ entriesMax, weightMax }, deps.clock)
    this.#versions = new BoundedCache({ entriesMax, weightMax }, deps.clock)
    this.#latest = new BoundedCache({ entriesMax, weightMax, freshMs: subjectFreshMs }, deps.clock)
    this.#lookups = new BoundedCache({ entriesMax, weightMax, freshMs: subjectFreshMs }, deps.clock)
    this.#missing = new BoundedCache({ entriesMax, freshMs: missingFreshMs }, deps.clock)
  }

  schemaById(id: number, signal?: AbortSignal): Promise<RegistrySchema> {
    const load = () => this.#registry.schemaById(id)
    return this.#cached('id', `${id}`, this.#schemas, schemaWeight, load, signal)
  }

  schemaByGuid(guid: string, signal?: AbortSignal): Promise<RegistrySchema> {
    const load = () => this.#registry.schemaByGuid(guid)
    return this.#cached('id', guid, this.#schemas, schemaWeight, load, signal)
  }

  schemaVersion(subject: string, version: number | 'latest', signal?: AbortSignal): Promise<SubjectVersion> {
    const cache = version === 'latest' ? this.#latest : this.#versions
    const load = () => this.#registry.schemaVersion(subject, version)
    return this.#cached('version', `${version} ${subject}`, cache, versionWeight, load, signal)
  }

  async lookup(subject: string, schema: RegistrySchema, signal?: AbortSignal): Promise<SubjectVersion> {
    const load = async () => {
      const found = await this.#registry.lookup(subject, schema)
      this.#schemas.set(`${found.id}`, schema, schemaWeight(schema))
      return found
    }
    return this.#cached(
      'lookup',
      this.#lookupKey(subject, schema),
      this.#lookups,
      versionWeight,
      load,
      signal,
    )
  }

  /** Not cached: what is registered is looked up from then on. */
  async register(
    subject: string,
    schema: RegistrySchema,
    signal?: AbortSignal,
  ): Promise<{ readonly id: number }> {
    const key = this.#lookupKey(subject, schema)
    const begin = () => this.#registry.register(subject, schema)
    const registered = await this.#shared(`register ${key}`, signal, begin)
    this.#missing.delete(`lookup ${key}`)
    return registered
  }

  versions(subject: string, signal?: AbortSignal): Promise<readonly number[]> {
    return this.#registry.versions(subject, signal)
  }

  stop(): Promise<void> {
    return this.#registry.stop()
  }

  /** The cache, else one call for all who wait; what the registry does not know is remembered for a moment too. */
  async #cached<Value>(
    kind: string,
    key: string,
    cache: BoundedCache<string, Value>,
    weightOf: (value: Value) => number,
    load: () => Promise<Value>,
    signal: AbortSignal | undefined,
  ): Promise<Value> {
    const known = cache.fresh(key)
    if (known !== undefined) {
      this.#observer.hit(kind)
      return known
    }
    const missing = this.#missing.fresh(`${kind} ${key}`)
    if (missing !== undefined) throw missing
    this.#observer.miss(kind)
    try {
      return await this.#shared(`${kind} ${key}`, signal, async () => {
        const value = await load()
        cache.set(key, value, weightOf(value))
        return value
      })
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error
      const stale = error.kind === 'answered' ? undefined : cache.stale(key)
      if (stale !== undefined) return stale
      if (error.status === 404) this.#missing.set(`${kind} ${key}`, error)
      throw error
    }
  }

  #lookupKey(subject: string, schema: RegistrySchema): string {
    let name = this.#names.get(schema)
    if (name === undefined) {
      const { type, text, references } = schema
      name = createHash('sha256')
        .update(JSON.stringify([type, text, references]))
        .digest('base64')
      this.#names.set(schema, name)
    }
    return `${name} ${subject}`
  }

  /** The key carries the kind of call, and each kind has one type of answer. */
  #shared<Value>(key: string, signal: AbortSignal | undefined, begin: () => Promise<Value>): Promise<Value> {
    return this.#flights.run(key, signal, begin) as Promise<Value>
  }
}

function schemaWeight(schema: RegistrySchema): number {
  return schema.text.length
}

function versionWeight(version: SubjectVersion): number {
  return version.schema.text.length + version.subject.length
}
