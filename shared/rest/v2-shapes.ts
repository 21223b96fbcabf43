import { RestError } from '../errors/rest-error.ts'
import { hasLongInteger } from './exact-integers.ts'
import {
  exactlyParsed,
  type JsonBody,
  type JsonLimits,
  parseJsonBody,
  parseRecordsBody,
} from './json-body.ts'
import { JsonCursor } from './json-cursor.ts'

/**
 * Reads one value of a parsed body into what a shape wants, with the coercions that the original accepts
 * (contract v2 §3.4). `undefined` and JSON null both arrive as null.
 */
export type Reader<T> = (value: unknown) => T

/** An object type's name in error texts, as the original prints it. */
type TypeName = string

/** A 32-bit int: numeric strings count, `""` is null, fractions are cut off, booleans are refused. */
export const int: Reader<number | null> = value => {
  const number = integer(value, 'Integer', 'java.lang.Integer')
  if (number === null) return null
  if (number < -2147483648n || number > 2147483647n)
    throw new RestError(
      'badRequest',
      `Numeric value (${number}) out of range of int (-2147483648 - 2147483647)`,
    )
  return Number(number)
}

/** A 64-bit long as bigint, with the coercions of `int`. */
export const long: Reader<bigint | null> = value => {
  const number = integer(value, 'Long', 'java.lang.Long')
  if (number === null || BigInt.asIntN(64, number) === number) return number
  throw new RestError(
    'badRequest',
    `Numeric value (${number}) out of range of long (-9223372036854775808 - 9223372036854775807)`,
  )
}

function integer(value: unknown, type: string, javaType: string): bigint | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'bigint') return value
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return BigInt(Math.trunc(value))
    throw new RestError('badRequest', `Numeric value (${value}) out of range of ${type.toLowerCase()}`)
  }
  if (typeof value === 'string') {
    const text = value.trim()
    if (text === '') return null
    if (/^[+-]?\d{1,40}$/.test(text)) return BigInt(text.replace(/^\+/, ''))
    throw new RestError(
      'badRequest',
      `Cannot deserialize value of type \`${type}\` from String ${JSON.stringify(value)}: not a valid \`${javaType}\` value`,
    )
  }
  throw wrongType(type, value)
}

/** A string: numbers and booleans become their text, objects and arrays are refused. */
export const string: Reader<string | null> = value => {
  if (value === null || value === undefined) return null
  if (typeof value === 'object') throw wrongType('String', value)
  return String(value)
}

/** A list of what `element` reads. */
export function list<T>(element: Reader<T>, type: TypeName = 'List'): Reader<T[] | null> {
  return value => {
    if (value === null || value === undefined) return null
    if (!Array.isArray(value)) throw wrongType(type, value)
    return value.map(element)
  }
}

/** Fields of an object; a field that is not named is an error at any depth (contract v2 §3.4). */
export function object<Fields extends Record<string, Reader<unknown>>>(
  type: TypeName,
  fields: Fields,
): Reader<{ [Key in keyof Fields]: ReturnType<Fields[Key]> } | null> {
  const names = Object.keys(fields)
  return value => {
    if (value === null || value === undefined) return null
    const source = asObject(value, type)
    for (const name of Object.keys(source)) {
      if (!Object.hasOwn(fields, name)) throw new RestError('unrecognizedField', name)
    }
    const read = names.map(name => [name, fields[name]?.(Object.hasOwn(source, name) ? source[name] : null)])
    // Each key of `fields` was read by its own reader just above.
    return Object.fromEntries(read) as { [Key in keyof Fields]: ReturnType<Fields[Key]> }
  }
}

/** The value as an object. @throws RestError badRequest with the original's text. */
export function asObject(value: unknown, type: TypeName): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrongType(type, value)
  return value as Record<string, unknown>
}

/** The original's text for a JSON value of the wrong kind. */
export function wrongType(type: TypeName, value: unknown): RestError {
  const [kind, jsonToken] = describe(value)
  return new RestError(
    'badRequest',
    `Cannot deserialize value of type \`${type}\` from ${kind} value (token \`JsonToken.${jsonToken}\`)`,
  )
}

function describe(value: unknown): [kind: string, jsonToken: string] {
  if (Array.isArray(value)) return ['Array', 'START_ARRAY']
  if (typeof value === 'object' && value !== null) return ['Object', 'START_OBJECT']
  if (typeof value === 'string') return ['String', 'VALUE_STRING']
  if (typeof value === 'boolean') return ['Boolean', value ? 'VALUE_TRUE' : 'VALUE_FALSE']
  if (typeof value === 'number' && !Number.isInteger(value)) return ['Floating-point', 'VALUE_NUMBER_FLOAT']
  return ['Integer', 'VALUE_NUMBER_INT']
}

/** A produce request of any format (contract v2 §2.8). */
export interface ProduceBody {
  /** Emptied by `Produce` when they are encoded. */
  readonly records: ProduceRecord[]
  readonly keySchema: string | null
  readonly keySchemaId: number | null
  readonly valueSchema: string | null
  readonly valueSchemaId: number | null
}

export interface ProduceRecord {
  readonly key: BodyJson | null
  readonly value: BodyJson | null
  readonly partition: number | null
}

/** A JSON value inside a body: parsed, and as written without insignificant white space. */
export interface BodyJson {
  readonly value: unknown
  readonly text: string
}

/**
 * Parses a produce body.
 * @param argument the original's name of the validated argument, such as `produceJson.arg2`.
 * @throws RestError badRequest, unrecognizedField, validation, tooManyRecords, jsonTooDeep.
 */
export function parseProduce(
  bytes: Uint8Array,
  argument: string,
  limits: JsonLimits & { readonly recordsMax: number },
): ProduceBody {
  const body = parseRecordsBody(bytes, limits)
  if (body === undefined || body.value === null) throw notNull(argument)
  const fields = produceFields(body)
  if (fields === null || fields.records === null || fields.records.length === 0)
    throw new RestError('validation', `${argument}.records must not be empty (was [])`)
  const texts = new RecordTexts(body.text)
  return {
    records: fields.records.map((record, index) => ({
      key: bodyJson(record.key, () => texts.of(index).key),
      value: bodyJson(record.value, () => texts.of(index).value),
      partition: record.partition,
    })),
    keySchema: fields.key_schema,
    keySchemaId: fields.key_schema_id,
    valueSchema: fields.value_schema,
    valueSchemaId: fields.value_schema_id,
  }
}

/** The contract's text for a missing body (v2 §3.4). */
export function notNull(argument: string): RestError {
  return new RestError('validation', `${argument} must not be null (was null)`)
}

const anything: Reader<unknown> = value => value ?? null

const recordShape = object('ProduceRecord', { partition: int, key: anything, value: anything })

const produceShape = object('ProduceRequest', {
  key_schema: string,
  key_schema_id: int,
  value_schema: string,
  value_schema_id: int,
  records: list((element: unknown) => {
    const record = recordShape(element)
    if (record === null)
      throw new RestError('badRequest', 'Cannot construct instance of `ProduceRequest`, problem: at index 0')
    return record
  }),
})

/** Longest text that is parsed a second time, so that an error shows a number with all its digits. */
const exactLengthMax = 65_536

function produceFields({ value, text }: JsonBody): ReturnType<typeof produceShape> {
  try {
    return produceShape(value)
  } catch (error) {
    if (text.length > exactLengthMax || !hasLongInteger(text)) throw error
    return produceShape(exactlyParsed(text))
  }
}

function bodyJson(value: unknown, text: () => string): BodyJson | null {
  if (value === null) return null
  return {
    value,
    get text() {
      return text()
    },
  }
}

interface RecordText {
  key: string
  value: string
}

/**
 * Finds the source texts of all keys and values, once, when the first is asked for: the binary format never
 * asks. As in the parser, the last of two equal fields wins.
 */
class RecordTexts {
  readonly #body: string
  #texts: RecordText[] | undefined

  constructor(body: string) {
    this.#body = body
  }

  of(index: number): RecordText {
    this.#texts ??= this.#scan()
    return this.#texts[index] ?? { key: 'null', value: 'null' }
  }

  #scan(): RecordText[] {
    let texts: RecordText[] = []
    const cursor = new JsonCursor(this.#body)
    cursor.object(name => {
      if (name !== 'records' || !cursor.nextIs('[')) return cursor.skip()
      texts = []
      cursor.array(() => texts.push(scanRecord(cursor)))
    })
    return texts
  }
}

function scanRecord(cursor: JsonCursor): RecordText {
  const text: RecordText = { key: 'null', value: 'null' }
  cursor.object(name => {
    if (name === 'key' || name === 'value') text[name] = cursor.source()
    else cursor.skip()
  })
  return text
}

/**
 * The instance name that a create body asks for: `id` wins over `name` (contract v2 §2.9). The gateway peeks with
 * the same code that the node reads with, so that both hash the same name.
 * @returns undefined when the body cannot be read (any node will answer the error); `name` undefined when it names none.
 */
export function peekInstanceName(
  bytes: Uint8Array,
  limits: JsonLimits,
): { name: string | undefined } | undefined {
  try {
    const body = parseJsonBody(bytes, limits)
    if (body === undefined || body.value === null) return { name: undefined }
    const fields = asObject(body.value, 'CreateConsumerInstanceRequest')
    return { name: string(fields['id']) ?? string(fields['name']) ?? undefined }
  } catch {
    return undefined
  }
}
