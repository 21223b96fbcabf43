import avsc, { type Type } from 'avsc'
import { RestError } from '../../shared/errors/rest-error.ts'
import { symbolsOf } from './avro-skeleton.ts'
import type { AvroWriter } from './avro-writer.ts'
import { isJsonObject, tokenName } from './exact-json.ts'
import { excerpt } from './excerpt.ts'
import { latin1Text } from './latin1-text.ts'

/** Writes one JSON value as the schema says. */
export type AvroEncoder = (value: unknown, writer: AvroWriter) => void

/**
 * Compiles encoders from Avro's JSON encoding to its binary one (Avro 1.12 specification, "JSON encoding"; contract
 * v2 §6.5): unions are tagged, bytes are ISO-8859-1 text, no default is applied, fields that the schema lacks are ignored.
 * The error texts are those of Java's JsonDecoder. avsc's own codecs are not used for values: they apply defaults,
 * hold a long in a double, and build objects that are thrown away at once.
 */
export class AvroEncoderCompiler {
  /** Named types, so that a type that contains itself ends. */
  readonly #named = new Map<string, AvroEncoder>()

  compile(type: Type): AvroEncoder {
    const { types } = avsc
    if (type instanceof types.RecordType) return this.#record(type)
    if (type instanceof types.WrappedUnionType) return this.#union(type.types)
    if (type instanceof types.ArrayType) return arrayEncoder(this.compile(type.itemsType))
    if (type instanceof types.MapType) return mapEncoder(this.compile(type.valuesType))
    if (type instanceof types.EnumType) return this.#enum(type)
    if (type instanceof types.FixedType) return fixedEncoder(type.size)
    const primitive = primitives[type.typeName]
    if (primitive === undefined) throw new TypeError(`no Avro encoder for ${type.typeName}`)
    return primitive
  }

  /** Made once for each: a schema of a few lines can name an enum of many symbols in every field. */
  #enum(type: InstanceType<typeof avsc.types.EnumType>): AvroEncoder {
    const name = type.name ?? ''
    const encode = this.#named.get(name) ?? enumEncoder(type)
    this.#named.set(name, encode)
    return encode
  }

  #record(type: InstanceType<typeof avsc.types.RecordType>): AvroEncoder {
    const name = type.name ?? ''
    const known = this.#named.get(name)
    if (known !== undefined) return known
    const names: string[] = []
    const encoders: AvroEncoder[] = []
    const encode: AvroEncoder = (value, writer) => {
      if (!isJsonObject(value)) throw mismatch('record-start', value)
      for (let index = 0; index < names.length; index++) {
        const field = names[index] as string
        if (!Object.hasOwn(value, field)) throw bad(`Expected field name not found: ${field}`)
        ;(encoders[index] as AvroEncoder)(value[field], writer)
      }
    }
    this.#named.set(name, encode)
    for (const field of type.fields) {
      names.push(field.name)
      encoders.push(this.compile(field.type))
    }
    return encode
  }

  #union(types: readonly Type[]): AvroEncoder {
    const branches = new Map(
      types.map((type, index) => [branchLabel(type), { index, encode: this.compile(type) }] as const),
    )
    const nullIndex = branches.get('null')?.index
    return (value, writer) => {
      if (value === null) {
        if (nullIndex === undefined) throw bad('Unknown union branch null')
        writer.long(nullIndex)
        return
      }
      if (!isJsonObject(value)) throw mismatch('start-union', value)
      const labels = Object.keys(value)
      const label = labels[0]
      if (label === undefined) throw bad('Expected start-union. Got END_OBJECT')
      const branch = branches.get(label)
      if (branch === undefined) throw bad(`Unknown union branch ${label}`)
      if (labels.length > 1) throw bad('Expected end-union. Got FIELD_NAME')
      writer.long(branch.index)
      branch.encode(value[label], writer)
    }
  }
}

/** What tags a union's branch: the full name of a named type, the type's name of any other. */
export function branchLabel(type: Type): string {
  return type.name ?? type.typeName
}

const primitives: Readonly<Record<string, AvroEncoder>> = {
  null(value) {
    if (value !== null) throw mismatch('null', value)
  },
  boolean(value, writer) {
    if (typeof value !== 'boolean') throw mismatch('boolean', value)
    writer.boolean(value)
  },
  int(value, writer) {
    if (typeof value === 'number' && value === (value | 0)) writer.long(value | 0)
    else throw outOfRange('int', value, '-2147483648 - 2147483647')
  },
  long(value, writer) {
    if (isLong(value)) writer.long(value)
    else throw outOfRange('long', value, '-9223372036854775808 - 9223372036854775807')
  },
  float(value, writer) {
    if (typeof value === 'number') writer.float(value)
    else if (typeof value === 'bigint') writer.float(Number(value))
    else throw mismatch('float', value)
  },
  double(value, writer) {
    if (typeof value === 'number') writer.double(value)
    else if (typeof value === 'bigint') writer.double(Number(value))
    else throw mismatch('double', value)
  },
  bytes(value, writer) {
    if (typeof value !== 'string') throw mismatch('bytes', value)
    const bytes = latin1Text(value)
    writer.long(bytes.length)
    writer.latin1(bytes)
  },
  string(value, writer) {
    if (typeof value !== 'string') throw mismatch('string', value)
    writer.string(value)
  },
}

function isLong(value: unknown): value is number | bigint {
  if (typeof value === 'number') return Number.isInteger(value) && value >= -(2 ** 63) && value < 2 ** 63
  return typeof value === 'bigint' && BigInt.asIntN(64, value) === value
}

function arrayEncoder(item: AvroEncoder): AvroEncoder {
  return (value, writer) => {
    if (!Array.isArray(value)) throw mismatch('array-start', value)
    if (value.length > 0) writer.long(value.length)
    for (const element of value) item(element, writer)
    writer.long(0)
  }
}

function mapEncoder(encode: AvroEncoder): AvroEncoder {
  return (value, writer) => {
    if (!isJsonObject(value)) throw mismatch('map-start', value)
    const keys = Object.keys(value)
    if (keys.length > 0) writer.long(keys.length)
    for (const key of keys) {
      writer.string(key)
      encode(value[key], writer)
    }
    writer.long(0)
  }
}

function enumEncoder(type: InstanceType<typeof avsc.types.EnumType>): AvroEncoder {
  const indexes = new Map(symbolsOf(type).map((symbol, index) => [symbol, index]))
  return (value, writer) => {
    if (typeof value !== 'string') throw mismatch('enum', value)
    const index = indexes.get(value)
    if (index === undefined) throw bad(`Unknown symbol in enum ${value}`)
    writer.long(index)
  }
}

function fixedEncoder(size: number): AvroEncoder {
  return (value, writer) => {
    if (typeof value !== 'string') throw mismatch('fixed', value)
    const bytes = latin1Text(value)
    if (bytes.length !== size) throw bad(`Expected fixed length ${size}, but got ${bytes.length}`)
    writer.latin1(bytes)
  }
}

function bad(text: string): RestError {
  return new RestError('badPayload', excerpt(text))
}

function mismatch(expected: string, value: unknown): RestError {
  return bad(`Expected ${expected}. Got ${tokenName(value)}`)
}

function outOfRange(type: string, value: unknown, range: string): RestError {
  const whole = typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value))
  if (!whole) return mismatch(type, value)
  return bad(`Numeric value (${String(value).slice(0, 40)}) out of range of ${type} (${range})`)
}
