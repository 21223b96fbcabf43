import { Ajv, type Options } from 'ajv'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { isJsonObject } from './exact-json.ts'
import {
  type CheckedFormats,
  formatsOfDraft4,
  formatsOfDraft6,
  formatsOfDraft7,
} from './json-schema-formats.ts'

export interface Draft {
  /** Of the words of two drafts, those of the larger number are spoken when both are in one schema. */
  readonly age: number
  readonly create: (options: Options) => Ajv
  /** Up to draft 7 formats are checked; from 2019-09 on they only describe, as those drafts say. */
  readonly formats: CheckedFormats
  /** The schema in words that ajv knows: draft 4 spells some keywords in another way. */
  readonly modern: (schema: unknown) => unknown
}

const draft7: Draft = {
  age: 7,
  create: options => new Ajv({ ...options, ignoreKeywordsWithRef: true }),
  formats: formatsOfDraft7,
  modern: schema => mapSchemas(withoutForeignWords(schema), withoutTypeBesideRef),
}
const draft6: Draft = { ...draft7, formats: formatsOfDraft6 }
const draft4: Draft = {
  ...draft7,
  formats: formatsOfDraft4,
  modern: schema => draft7.modern(fromDraft4(schema)),
}
const draft2019: Draft = {
  age: 2019,
  create: options => new Ajv2019(options),
  formats: {},
  modern: withoutForeignWords,
}
const draft2020: Draft = { ...draft2019, age: 2020, create: options => new Ajv2020(options) }

/** The draft in whose words schemas of these drafts can be checked together. */
export function commonDraft(drafts: readonly [Draft, ...Draft[]]): Draft {
  return drafts.reduce((newest, draft) => (draft.age > newest.age ? draft : newest))
}

/** A schema of the draft `own`, in the words of the draft `common`, which is not older. */
export function inWordsOf(common: Draft, own: Draft, schema: unknown): unknown {
  const inItsWords = own.modern(schema)
  const modern = common.age > 7 && own.age <= 7 ? mapSchemas(inItsWords, nothingBesideRef) : inItsWords
  return common.age >= 2020 && own.age < 2020 ? mapSchemas(modern, prefixedItems) : modern
}

/** The draft that `$schema` names; without it, or with another, draft 7, as the registry's own default. */
export function draftOf(schema: unknown): Draft {
  const uri = isJsonObject(schema) ? schema['$schema'] : undefined
  if (typeof uri !== 'string') return draft7
  if (uri.includes('draft-04')) return draft4
  if (uri.includes('draft-06')) return draft6
  if (uri.includes('2019-09')) return draft2019
  if (uri.includes('2020-12')) return draft2020
  return draft7
}

/** Keywords whose values are data, not schemas. */
const dataKeywords = new Set(['enum', 'default', 'const', 'examples'])
/** Keywords that draft 4 does not have, and so passes over. */
const laterKeywords = new Set(['const', 'contains', 'propertyNames', 'if', 'then', 'else', '$id'])

/**
 * Rewrites draft 4 in the words of draft 6: `id` is `$id`, and `exclusiveMinimum: true` makes `minimum` exclusive
 * (JSON Schema draft-06, "Changes"). Everything that looks like it is rewritten, wherever a `$ref` may point.
 */
function fromDraft4(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(fromDraft4)
  if (!isJsonObject(schema)) return schema
  const rewritten: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(schema)) {
    // A schema under such a name is a property called so, as in {"properties": {"const": {…}}}.
    const isKeyword = !isJsonObject(value)
    if (key === 'id' && typeof value === 'string') rewritten['$id'] = value
    else if (isExclusive(key, value)) continue
    else if (laterKeywords.has(key) && isKeyword) continue
    else rewritten[key] = dataKeywords.has(key) && isKeyword ? value : fromDraft4(value)
  }
  makeExclusive(schema, rewritten, 'minimum', 'exclusiveMinimum')
  makeExclusive(schema, rewritten, 'maximum', 'exclusiveMaximum')
  return rewritten
}

function isExclusive(key: string, value: unknown): boolean {
  return typeof value === 'boolean' && (key === 'exclusiveMinimum' || key === 'exclusiveMaximum')
}

function makeExclusive(
  schema: Readonly<Record<string, unknown>>,
  rewritten: Record<string, unknown>,
  limit: string,
  exclusive: string,
): void {
  if (schema[exclusive] !== true || typeof schema[limit] !== 'number') return
  rewritten[exclusive] = schema[limit]
  delete rewritten[limit]
}

/** Keywords that hold schemas by names of any kind. */
const schemaMaps = new Set([
  'properties',
  'patternProperties',
  'definitions',
  '$defs',
  'dependencies',
  'dependentSchemas',
])

/** Rewrites each schema inside a schema, the innermost first; a `$ref` may point at any object, so each is one. */
function mapSchemas(schema: unknown, rewrite: (schema: JsonObject) => JsonObject): unknown {
  if (Array.isArray(schema)) return schema.map(item => mapSchemas(item, rewrite))
  if (!isJsonObject(schema)) return schema
  const inner = (key: string, value: unknown) => {
    if (dataKeywords.has(key)) return value
    if (!schemaMaps.has(key) || !isJsonObject(value)) return mapSchemas(value, rewrite)
    return mapValues(value, (_, named) => mapSchemas(named, rewrite))
  }
  return rewrite(mapValues(schema, inner))
}

type JsonObject = Readonly<Record<string, unknown>>

function mapValues(object: JsonObject, map: (key: string, value: unknown) => unknown): JsonObject {
  // fromEntries defines a key `__proto__` as any other.
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(key, value)]))
}

/**
 * Words that mean nothing in JSON Schema and that ajv obeys. OpenAPI's `nullable`, which it also refuses where no `type`
 * stands beside; and its own `$async`, which makes checking a promise: every value would pass, and a rejection that
 * nobody awaits would end the process.
 */
function withoutForeignWords(schema: unknown): unknown {
  return mapSchemas(schema, ({ $async: _async, ...object }) => {
    if (typeof object['nullable'] !== 'boolean') return object
    const { nullable: _nullable, ...rest } = object
    return rest
  })
}

/**
 * Up to draft 7 a `$ref` stands alone: keywords beside it are passed over, also by ajv if it is told so, except for
 * these two. The others are kept, for a `$ref` may point into them.
 */
function withoutTypeBesideRef(schema: JsonObject): JsonObject {
  if (typeof schema['$ref'] !== 'string') return schema
  const { type: _type, nullable: _nullable, ...rest } = schema
  return rest
}

/** What may stand beside a `$ref` of draft 7 in a later draft without a meaning for the value. */
const besideRef = new Set(['$ref', '$id', '$schema', 'definitions', '$defs'])

/** From 2019-09 on keywords beside a `$ref` count. */
function nothingBesideRef(schema: JsonObject): JsonObject {
  if (typeof schema['$ref'] !== 'string') return schema
  return Object.fromEntries(Object.entries(schema).filter(([key]) => besideRef.has(key)))
}

/** A list of schemas in `items` is `prefixItems` from 2020-12 on, and what was `additionalItems` is `items`. */
function prefixedItems({ items, additionalItems, ...rest }: JsonObject): JsonObject {
  if (!Array.isArray(items)) return items === undefined ? rest : { ...rest, items }
  return { ...rest, prefixItems: items, ...(additionalItems === undefined ? {} : { items: additionalItems }) }
}
