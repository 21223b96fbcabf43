import { RestError } from '../../shared/errors/rest-error.ts'
import type { ByteWriter } from './byte-writer.ts'
import { excerpt } from './excerpt.ts'
import { doubleText, floatText } from './number-text.ts'
import { type ProtoBudget, type ProtoReader, wireTypes } from './proto-reader.ts'

/** A parsed value: whole numbers of 64 bits are bigints where a number is not exact. */
export type ScalarValue = number | bigint | string | boolean | Buffer

/** One scalar type: its proto3 JSON form (protobuf.dev, "ProtoJSON") and its wire form. */
export interface Scalar {
  readonly wireType: number
  /** JSON text of the default value. */
  readonly defaultText: string
  /** @throws RestError badPayload */
  parse(json: unknown): ScalarValue
  /** Whether a field without presence leaves the value out. */
  isDefault(value: ScalarValue): boolean
  write(value: ScalarValue, writer: ByteWriter): void
  /** Reads one value and renders it; text that comes from the schema is charged. */
  read(reader: ProtoReader, budget: ProtoBudget): string
}

export function badValue(text: string): RestError {
  return new RestError('badPayload', excerpt(text))
}

/** A JSON value as error texts show it; objects are not worth their length. */
export function shown(value: unknown): string {
  if (typeof value === 'bigint') return `${value}`
  if (Array.isArray(value)) return '[…]'
  if (typeof value === 'object' && value !== null) return '{…}'
  return JSON.stringify(value) ?? 'null'
}

const isZero = (value: ScalarValue) => value === 0 || value === 0n

function int32(
  kind: string,
  minimum: number,
  write: Scalar['write'],
  read: (reader: ProtoReader) => number,
): Scalar {
  const maximum = minimum === 0 ? 2 ** 32 - 1 : 2 ** 31 - 1
  return {
    wireType: kind.includes('fixed') ? wireTypes.fixed32 : wireTypes.varint,
    defaultText: '0',
    isDefault: isZero,
    write,
    read: reader => `${read(reader)}`,
    parse(json) {
      const value = Number(wholeNumber(json, kind))
      if (value >= minimum && value <= maximum) return value
      throw badValue(`Out of range ${kind} value: ${shown(json)}`)
    },
  }
}

function int64(
  kind: string,
  signed: boolean,
  write: Scalar['write'],
  read: (reader: ProtoReader) => number | bigint,
): Scalar {
  return {
    wireType: kind.includes('fixed') ? wireTypes.fixed64 : wireTypes.varint,
    defaultText: '"0"',
    isDefault: isZero,
    write,
    read: reader => `"${read(reader)}"`,
    parse(json) {
      const value = wholeNumber(json, kind)
      const wide = BigInt(value)
      if ((signed ? BigInt.asIntN(64, wide) : BigInt.asUintN(64, wide)) === wide) return value
      throw badValue(`Out of range ${kind} value: ${shown(json)}`)
    },
  }
}

function wholeNumber(json: unknown, kind: string): number | bigint {
  const value = wholeNumberOf(json)
  if (value === undefined) throw badValue(`Not an ${kind} value: ${shown(json)}`)
  return value
}

/** A whole number, also as text and with an exponent or a fraction of zeros. */
function wholeNumberOf(json: unknown): number | bigint | undefined {
  if (typeof json === 'bigint') return json
  if (typeof json === 'number' && Number.isInteger(json)) return json
  if (typeof json === 'string') {
    if (/^-?\d{1,20}$/.test(json)) return BigInt(json)
    const value = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(json) ? Number(json) : Number.NaN
    if (Number.isSafeInteger(value)) return value
  }
  return undefined
}

function floating(
  kind: string,
  parse: (value: number) => number | undefined,
  write: Scalar['write'],
  read: Scalar['read'],
): Scalar {
  return {
    wireType: kind === 'float' ? wireTypes.fixed32 : wireTypes.fixed64,
    defaultText: '0.0',
    // −0 is not the default: its bits differ.
    isDefault: value => Object.is(value, 0),
    write,
    read,
    parse(json) {
      const number = anyNumber(json, kind)
      // JSON.parse makes an infinity of 1e400.
      const value = json === number && !Number.isFinite(number) ? undefined : parse(number)
      if (value === undefined) throw badValue(`Out of range ${kind} value: ${shown(json)}`)
      return value
    },
  }
}

function anyNumber(json: unknown, kind: string): number {
  if (typeof json === 'number') return json
  if (typeof json === 'bigint') return Number(json)
  if (json === 'NaN') return Number.NaN
  if (json === 'Infinity') return Number.POSITIVE_INFINITY
  if (json === '-Infinity') return Number.NEGATIVE_INFINITY
  if (typeof json === 'string' && /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(json)) {
    const value = Number(json)
    if (Number.isFinite(value)) return value
  }
  throw badValue(`Not a ${kind} value: ${shown(json)}`)
}

function asFloat(value: number): number | undefined {
  const rounded = Math.fround(value)
  return Number.isFinite(value) && !Number.isFinite(rounded) ? undefined : rounded
}

function writeVarint(value: ScalarValue, writer: ByteWriter): void {
  if (typeof value === 'number' && value >= 0 && Number.isSafeInteger(value)) writer.varint(value)
  else writer.wideVarint(BigInt(value as number | bigint))
}

function writeZigZag(value: ScalarValue, writer: ByteWriter): void {
  const wide = BigInt(value as number | bigint)
  writer.wideVarint((wide << 1n) ^ (wide >> 63n))
}

function readZigZag(reader: ProtoReader): bigint {
  const bits = BigInt(reader.varint())
  return (bits >> 1n) ^ -(bits & 1n)
}

function readSigned64(reader: ProtoReader): number | bigint {
  const value = reader.varint()
  return typeof value === 'bigint' ? BigInt.asIntN(64, value) : value
}

const writeFixed32: Scalar['write'] = (value, writer) => writer.fixed32(Number(value))
const writeFixed64: Scalar['write'] = (value, writer) => writer.fixed64(BigInt(value as number | bigint))

const bool: Scalar = {
  wireType: wireTypes.varint,
  defaultText: 'false',
  isDefault: value => value === false,
  write: (value, writer) => writer.byte(value === true ? 1 : 0),
  read: reader => (reader.varint() ? 'true' : 'false'),
  parse(json) {
    if (json === true || json === 'true') return true
    if (json === false || json === 'false') return false
    throw badValue(`Invalid bool value: ${shown(json)}`)
  },
}

function stringScalar(verified: boolean): Scalar {
  return {
    wireType: wireTypes.length,
    defaultText: '""',
    isDefault: value => value === '',
    write(value, writer) {
      const text = String(value)
      const bytes = Buffer.byteLength(text)
      writer.varint(bytes)
      writer.utf8(text, bytes)
    },
    read: reader => JSON.stringify(reader.text(verified)),
    parse(json) {
      if (typeof json === 'string') return json
      throw badValue(`Not a string value: ${shown(json)}`)
    },
  }
}

/** A string of proto2, whose bytes may be anything. */
export const unverifiedString = stringScalar(false)

const bytes: Scalar = {
  wireType: wireTypes.length,
  defaultText: '""',
  isDefault: value => Buffer.isBuffer(value) && value.length === 0,
  write(value, writer) {
    if (!Buffer.isBuffer(value)) return
    writer.varint(value.length)
    writer.bytes(value)
  },
  read: reader => `"${reader.delimited().toString('base64')}"`,
  parse(json) {
    // Standard and URL-safe alphabet, with padding or without: ProtoJSON takes each.
    if (typeof json !== 'string' || !/^[A-Za-z0-9+/_-]*={0,2}$/.test(json)) {
      throw badValue(`Not a bytes value: ${shown(json)}`)
    }
    return Buffer.from(json, 'base64')
  },
}

/** By the name of the type in a `.proto` file. */
export const scalars: ReadonlyMap<string, Scalar> = new Map<string, Scalar>([
  ['int32', int32('int32', -(2 ** 31), writeVarint, reader => reader.low32())],
  ['uint32', int32('uint32', 0, writeVarint, reader => reader.low32() >>> 0)],
  [
    'sint32',
    int32('sint32', -(2 ** 31), writeZigZag, reader => Number(BigInt.asIntN(32, readZigZag(reader)))),
  ],
  ['sfixed32', int32('sfixed32', -(2 ** 31), writeFixed32, reader => reader.fixed32())],
  ['fixed32', int32('fixed32', 0, writeFixed32, reader => reader.fixed32() >>> 0)],
  ['int64', int64('int64', true, writeVarint, readSigned64)],
  ['uint64', int64('uint64', false, writeVarint, reader => reader.varint())],
  ['sint64', int64('sint64', true, writeZigZag, readZigZag)],
  ['sfixed64', int64('sfixed64', true, writeFixed64, reader => BigInt.asIntN(64, reader.fixed64()))],
  ['fixed64', int64('fixed64', false, writeFixed64, reader => reader.fixed64())],
  [
    'float',
    floating(
      'float',
      asFloat,
      (value, writer) => writer.float(Number(value)),
      reader => floatText(reader.float()),
    ),
  ],
  [
    'double',
    floating(
      'double',
      value => value,
      (value, writer) => writer.double(Number(value)),
      reader => doubleText(reader.double()),
    ),
  ],
  ['bool', bool],
  ['string', stringScalar(true)],
  ['bytes', bytes],
])

/**
 * An enum by the names of its values. Unknown numbers are read as numbers.
 * @param closed whether only its own numbers may be written, as in proto2.
 */
export function enumScalar(
  fullName: string,
  values: Readonly<Record<string, number>>,
  closed: boolean,
): Scalar {
  const numbers = new Map(Object.entries(values))
  const texts = new Map<number, string>()
  // Of aliases the first name is shown.
  for (const [name, number] of numbers) if (!texts.has(number)) texts.set(number, JSON.stringify(name))
  const [first = 0] = numbers.values()
  const text = (number: number) => texts.get(number) ?? `${number}`
  return {
    wireType: wireTypes.varint,
    defaultText: text(numbers.size === 0 || texts.has(0) ? 0 : first),
    isDefault: isZero,
    write: writeVarint,
    read(reader, budget) {
      const shownAs = text(reader.low32())
      budget.spend(shownAs.length)
      return shownAs
    },
    parse(json) {
      const named = typeof json === 'string' ? numbers.get(json) : undefined
      const value = named ?? Number(wholeNumberOf(json))
      if (value === (value | 0) && (!closed || texts.has(value))) return value
      throw badValue(`Invalid enum value: ${shown(json)} for enum type: ${fullName}`)
    },
  }
}

/** `google.protobuf.NullValue` is JSON null. */
export const nullValueScalar: Scalar = {
  wireType: wireTypes.varint,
  defaultText: 'null',
  isDefault: isZero,
  write: writeVarint,
  read(reader) {
    reader.low32()
    return 'null'
  },
  parse(json) {
    if (json === null || json === 'NULL_VALUE' || json === 0) return 0
    throw badValue(`Invalid enum value: ${shown(json)} for enum type: google.protobuf.NullValue`)
  },
}
