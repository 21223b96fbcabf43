import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/observability/logger.ts'
import { SettingsError } from '../shared/settings/load.ts'
import type { SettingsOf } from '../shared/settings/row.ts'
import type { SchemaLimits } from './formats/format.ts'
import { createSchemaCompilers } from './formats/schema-compilers.ts'
import type { SchemaRegistry } from './ports/schema-registry.ts'
import { type CacheObserver, CachingRegistry } from './schema-registry/caching-registry.ts'
import { basicAuthorization, HttpRegistry } from './schema-registry/http-registry.ts'
import { readTlsOptions, type TlsOptions } from './schema-registry/registry-tls.ts'
import type { schemaSettings } from './schema-settings.ts'
import { SchemaCodecs } from './services/schema-codecs.ts'
import { Schemas } from './services/schemas.ts'
import { parseSubjectNameStrategy, type SubjectNameStrategy } from './services/subject-names.ts'

export type SchemaSettings = SettingsOf<typeof schemaSettings>

export interface SchemaDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly observer: CacheObserver
}

/** The schemas of a node, and the registry client behind them, which must be stopped. */
export interface OpenSchemas {
  readonly schemas: Schemas
  stop(): Promise<void>
}

/**
 * Builds all that the schema formats need from the settings. Nothing is asked of the registry yet: a node starts
 * without it.
 * @param otherKeys keys that the operator set and that are no rows of the table (`passThrough` and `unknown`).
 * @throws SettingsError that lists what is wrong.
 */
export function openSchemas(
  settings: SchemaSettings,
  otherKeys: Iterable<string>,
  deps: SchemaDeps,
): OpenSchemas {
  const problems = [...refusedKeys(otherKeys)]
  const keyStrategy = strategy(settings, 'schema.registry.key.subject.name.strategy', problems)
  const valueStrategy = strategy(settings, 'schema.registry.value.subject.name.strategy', problems)
  for (const url of settings['schema.registry.url']) {
    if (!/^https?:/.test(url) || !URL.canParse(url)) {
      problems.push('schema.registry.url: must be http(s) URLs, separated by commas')
    }
  }
  const tls = tlsOptions(settings, problems)
  if (problems.length > 0) throw new SettingsError(problems)
  const registry = openRegistry(settings, tls, deps)
  const codecs = new SchemaCodecs(
    createSchemaCompilers(schemaLimits(settings)),
    {
      entriesMax: settings['schemas.cache.entries.max'],
      charsMax: settings['schemas.cache.chars.max'],
      textCharsMax: settings['schemas.text.max.chars'],
      referencesMax: settings['schemas.references.max'],
      referenceDepthMax: settings['schemas.reference.depth.max'],
    },
    deps,
  )
  const schemas = new Schemas(
    {
      keyStrategy,
      valueStrategy,
      schemasPerSubjectMax: settings['schema.registry.max.schemas.per.subject'],
      entriesMax: settings['schemas.cache.entries.max'],
      charsMax: settings['schemas.cache.chars.max'],
    },
    { registry, codecs, clock: deps.clock },
  )
  return { schemas, stop: async () => registry?.stop() }
}

/** The original forces it to false and registers what requests bring all the same: a setting that would do nothing. */
function* refusedKeys(keys: Iterable<string>): Generator<string> {
  for (const key of keys) {
    if (/(^|\.)auto\.register\.schemas$/.test(key)) {
      yield `${key} is not supported: the schema text of a request is looked up, and registered if it is unknown; remove the setting`
    }
  }
}

function strategy(
  settings: SchemaSettings,
  key: 'schema.registry.key.subject.name.strategy' | 'schema.registry.value.subject.name.strategy',
  problems: string[],
): SubjectNameStrategy {
  const parsed = parseSubjectNameStrategy(settings[key])
  if (parsed === undefined) {
    problems.push(`${key}: must be TopicNameStrategy, RecordNameStrategy or TopicRecordNameStrategy`)
  }
  return parsed ?? 'topic'
}

function tlsOptions(settings: SchemaSettings, problems: string[]): TlsOptions {
  try {
    return readTlsOptions({
      trustStore: settings['schema.registry.ssl.truststore.location'],
      keyStore: settings['schema.registry.ssl.keystore.location'],
      keyStoreType: settings['schema.registry.ssl.keystore.type'],
      keyStorePassword: settings['schema.registry.ssl.keystore.password'],
      checkHost: settings['schema.registry.ssl.endpoint.identification.algorithm'] === 'https',
    })
  } catch (error) {
    problems.push(`schema.registry.ssl: ${error instanceof Error ? error.message : String(error)}`)
    return {}
  }
}

function openRegistry(settings: SchemaSettings, tls: TlsOptions, deps: SchemaDeps): SchemaRegistry | null {
  const urls = settings['schema.registry.url']
  if (urls.length === 0) return null
  const http = new HttpRegistry(
    {
      urls,
      authorization: authorizationOf(settings),
      tls,
      connectTimeoutMs: settings['schema.registry.http.connect.timeout.ms'],
      callTimeoutMs: settings['schema.registry.http.read.timeout.ms'],
      retriesMax: settings['schema.registry.max.retries'],
      retryWaitMs: settings['schema.registry.retries.wait.ms'],
      callsMax: settings['schemas.registry.calls.max'],
      // A character may take six bytes as JSON escapes, and the answer has more than the schema.
      answerBytesMax: settings['schemas.text.max.chars'] * 6 + 65_536,
    },
    deps,
  )
  return new CachingRegistry(
    http,
    {
      entriesMax: settings['schemas.cache.entries.max'],
      charsMax: settings['schemas.cache.chars.max'],
      subjectFreshMs: settings['schemas.subject.cache.ttl.ms'],
      missingFreshMs: settings['schema.registry.missing.id.cache.ttl.sec'] * 1000,
    },
    deps,
  )
}

function authorizationOf(settings: SchemaSettings): string | undefined {
  const token = settings['schema.registry.bearer.auth.token']
  if (token !== '') return `Bearer ${token}`
  const userInfo = settings['schema.registry.basic.auth.user.info']
  const named = settings['schema.registry.basic.auth.credentials.source'] === 'USER_INFO'
  return named && userInfo !== '' ? basicAuthorization(userInfo) : undefined
}

function schemaLimits(settings: SchemaSettings): SchemaLimits {
  return {
    schemaDepthMax: settings['schemas.depth.max'],
    recordDepthMax: settings['schemas.record.depth.max'],
    renderedCharsMax: settings['schemas.record.names.max.chars'],
    cpuMsMax: settings['schemas.cpu.max.ms'],
  }
}
