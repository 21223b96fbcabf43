import type { Ajv, ErrorObject, ValidateFunction } from 'ajv'
import { RestError } from '../../shared/errors/rest-error.ts'
import { CpuTimeExceeded, type WorkGuard } from './cpu-guard.ts'
import { isJsonObject } from './exact-json.ts'
import { excerpt } from './excerpt.ts'
import {
  type EmbeddedJson,
  type SchemaCodec,
  type SchemaCompiler,
  type SchemaLimits,
  SchemaRefused,
  type SchemaSource,
  schemaRefusal,
} from './format.ts'
import { commonDraft, draftOf, inWordsOf } from './json-schema-draft.ts'
import { violationText } from './json-schema-errors.ts'
import { replaceKeywords } from './json-schema-keywords.ts'
import { LinearPatterns } from './json-schema-patterns.ts'
import { LimitedSteps, type Steps, TooMuchWork, unlimitedSteps } from './json-schema-work.ts'
import { compactJson, jsonDepth, storedJsonText } from './json-text.ts'

/** Testing a pattern costs far more than any other keyword. */
const patternCost = 4
/** Unique items are told by their text, which is made anew at each level of nesting. */
const uniqueItemsWork = 1000
/** For each `multipleOf`: half a microsecond for a number, which has two characters at least. */
const multipleOfWork = 250

/** JSON Schema (contract v2 §6.6) of drafts 4 to 2020-12, on ajv: values are checked when written, not when read. */
export function createJsonSchemaCompiler(limits: SchemaLimits, guard: WorkGuard): SchemaCompiler {
  return {
    type: 'JSON',
    canonical: compactJson,
    compile: source => new JsonSchemaCodec(source, limits, guard),
  }
}

class JsonSchemaCodec implements SchemaCodec {
  readonly recordName: string | null
  readonly #source: SchemaSource
  readonly #guard: WorkGuard
  #compiled: Compiled | undefined

  constructor(source: SchemaSource, limits: SchemaLimits, guard: WorkGuard) {
    this.#source = source
    this.#guard = guard
    const schema = parsed(source.text, limits)
    for (const { text } of source.references) parsed(text, limits)
    this.recordName = isJsonObject(schema) && typeof schema['title'] === 'string' ? schema['title'] : null
  }

  prepareEncode(): void {
    this.#ready()
  }

  encode(json: EmbeddedJson | null): Buffer {
    const value = json === null ? null : json.value
    const text = json === null ? 'null' : json.text
    const error = this.#violation(value, text.length)
    if (error !== undefined) throw new RestError('badPayload', excerpt(violationText(error, value)))
    return Buffer.from(text, 'utf8')
  }

  decode(payload: Buffer): string {
    return storedJsonText(payload)
  }

  #violation(value: unknown, chars: number): ErrorObject | undefined {
    const { validate, patternWeight, comparesItems, multiples } = this.#ready()
    const keywordWork = Math.max(
      patternWeight * patternCost,
      comparesItems ? uniqueItemsWork : 0,
      multiples * multipleOfWork,
    )
    try {
      return violationOf(validate, value, new LimitedSteps(value, chars, keywordWork))
    } catch (error) {
      // It is begun anew under the guard.
      if (!(error instanceof TooMuchWork)) throw refusedValue(error)
    }
    try {
      return this.#guard.run(() => violationOf(validate, value, unlimitedSteps))
    } catch (error) {
      throw refusedValue(error)
    }
  }

  #ready(): Compiled {
    this.#compiled ??= compiled(this.#source, this.#guard)
    return this.#compiled
  }
}

interface Compiled {
  readonly validate: ValidateFunction
  /** See LinearPatterns. */
  readonly patternWeight: number
  readonly comparesItems: boolean
  /** How many `multipleOf` the texts have. */
  readonly multiples: number
}

function violationOf(validate: ValidateFunction, value: unknown, steps: Steps): ErrorObject | undefined {
  return validate.call(steps, value) ? undefined : validate.errors?.[0]
}

function refusedValue(error: unknown): unknown {
  if (error instanceof CpuTimeExceeded) {
    return new RestError('badPayload', `the value cannot be checked against its schema: ${error.message}`)
  }
  // The stack is used up: a schema that refers to itself without going deeper into the value.
  if (error instanceof RangeError) {
    return new RestError(
      'badPayload',
      'the value cannot be checked against its schema: it refers to itself without end',
    )
  }
  return error
}

function parsed(text: string, limits: SchemaLimits): unknown {
  if (jsonDepth(text) > limits.schemaDepthMax) throw new SchemaRefused('the schema is nested too deep')
  let schema: unknown
  try {
    schema = JSON.parse(text)
  } catch (cause) {
    throw new SchemaRefused('the schema is not JSON', { cause })
  }
  if (isJsonObject(schema) || typeof schema === 'boolean') return schema
  throw new SchemaRefused('a JSON Schema must be an object or a boolean')
}

/** @throws SchemaRefused */
function compiled(source: SchemaSource, guard: WorkGuard): Compiled {
  try {
    return guard.run(() => compile(source))
  } catch (cause) {
    throw schemaRefusal(cause)
  }
}

function compile({ text, references }: SchemaSource): Compiled {
  const schema: unknown = JSON.parse(text)
  const patterns = new LinearPatterns()
  const draft = draftOf(schema)
  const referred = references.map(({ name, text }) => ({ name, schema: JSON.parse(text) as unknown }))
  const common = commonDraft([draft, ...referred.map(({ schema }) => draftOf(schema))])
  const ajv = common.create({
    strict: false,
    logger: false,
    validateSchema: false,
    // A `$ref` to the drafts' own schemas is rare, and they are large.
    meta: refersToDraft.test(text),
    formats: { ...draft.formats },
    // A required "toString" is not there only because every object inherits one.
    ownProperties: true,
    // Inlining would let a schema of a few lines grow into code without end.
    inlineRefs: false,
    passContext: true,
    // ajv's optimizer takes time by the square of the schema's size, and gains little.
    code: { regExp: patterns.engine, process: withinBounds, optimize: false },
  })
  replaceKeywords(ajv)
  const root = inWordsOf(common, draft, schema)
  addReferences(
    ajv,
    root,
    referred.map(({ name, schema }) => ({ name, schema: inWordsOf(common, draftOf(schema), schema) })),
  )
  const validate = ajv.compile(root as object | boolean)
  // See withoutForeignWords: should one be left, no value may pass unchecked.
  if ('$async' in validate) throw new SchemaRefused('a JSON Schema must not be asynchronous')
  // Printed anew: the source text can spell a keyword with escapes.
  const texts = JSON.stringify([schema, ...referred.map(({ schema }) => schema)])
  return {
    validate,
    patternWeight: patterns.weight(texts),
    comparesItems: texts.includes('"uniqueItems"'),
    multiples: texts.split('"multipleOf"').length - 1,
  }
}

const refersToDraft = /"\$ref"\s*:\s*"https?:\/\/json-schema\.org/

/**
 * Makes each generated function begin with `this.step(…)`; ajv passes its context, the Steps, on through every `$ref`.
 * And of the errors of a schema that was called only the first is added to others: a list of all of them, made anew at
 * each call, takes time by the square of their number, and only the first of all is shown.
 */
function withinBounds(code: string, called?: { readonly schema: unknown }): string {
  const chars = JSON.stringify(called?.schema)?.length ?? 0
  return code
    .replace(/function validate\d*\([\s\S]*?\}=\{\}\)\{/, head => `${head}this.step(data,${chars});`)
    .replace(/(?<=null \? ([\w.]+) : )vErrors\.concat\(\1\)/g, '(vErrors.push($1[0]), vErrors)')
}

function addReferences(
  ajv: Ajv,
  root: unknown,
  schemas: readonly { readonly name: string; readonly schema: unknown }[],
): void {
  const bases = [root, ...schemas.map(({ schema }) => schema)].map(idOf).filter(id => id !== undefined)
  for (const { name, schema } of schemas) {
    const key = idOf(schema) ?? withoutEmptyFragment(name)
    // The same schema may be referred to by two names.
    if (ajv.refs[key] === undefined && ajv.schemas[key] === undefined)
      ajv.addSchema(schema as object | boolean, key)
    for (const base of [undefined, ...bases]) {
      const alias = resolved(name, base)
      if (alias !== key && ajv.refs[alias] === undefined && ajv.schemas[alias] === undefined)
        ajv.refs[alias] = key
    }
  }
}

function idOf(schema: unknown): string | undefined {
  const id = isJsonObject(schema) ? schema['$id'] : undefined
  return typeof id === 'string' && !id.startsWith('#') ? withoutEmptyFragment(id) : undefined
}

/** What `$ref: name` means inside a schema whose `$id` is `base`. */
function resolved(name: string, base: string | undefined): string {
  const absolute = base !== undefined && URL.canParse(name, base) ? new URL(name, base).href : name
  return withoutEmptyFragment(absolute)
}

function withoutEmptyFragment(uri: string): string {
  return uri.replace(/#$/, '')
}
