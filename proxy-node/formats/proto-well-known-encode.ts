import { isJsonObject } from './exact-json.ts'
import {
  encodeDelimited,
  encodeFields,
  encodeMessage,
  type ProtoEncoder,
  type ProtoEncoding,
  writeTag,
} from './proto-encode.ts'
import { isMessage, type MessageModel } from './proto-model.ts'
import { wireTypes } from './proto-reader.ts'
import { badValue, scalars, shown } from './proto-scalars.ts'
import { type ProtoTime, parseDuration, parseTimestamp } from './proto-times.ts'

const wrappers = {
  DoubleValue: 'double',
  FloatValue: 'float',
  Int64Value: 'int64',
  UInt64Value: 'uint64',
  Int32Value: 'int32',
  UInt32Value: 'uint32',
  BoolValue: 'bool',
  StringValue: 'string',
  BytesValue: 'bytes',
} as const

/** Types whose ProtoJSON form is not an object of their fields, by full name. */
export const wellKnownEncoders: ReadonlyMap<string, ProtoEncoder> = new Map<string, ProtoEncoder>([
  ['google.protobuf.Timestamp', (_, json, { writer }) => encodeTime(parseTimestamp(json), writer)],
  ['google.protobuf.Duration', (_, json, { writer }) => encodeTime(parseDuration(json), writer)],
  ['google.protobuf.FieldMask', encodeFieldMask],
  ['google.protobuf.Struct', encodeStruct],
  ['google.protobuf.ListValue', encodeList],
  ['google.protobuf.Value', encodeValue],
  ['google.protobuf.Any', encodeAny],
  ...Object.entries(wrappers).map(([name, kind]): [string, ProtoEncoder] => {
    return [`google.protobuf.${name}`, (_, json, encoding) => encodeScalar(1, kind, json, encoding)]
  }),
])

/** The name of the scalar that a wrapper holds; undefined for any other type. */
export function wrappedScalar(fullName: string): string | undefined {
  const name = fullName.replace(/^google\.protobuf\./, '')
  return fullName !== name && Object.hasOwn(wrappers, name)
    ? wrappers[name as keyof typeof wrappers]
    : undefined
}

/** Writes a field without presence. */
function encodeScalar(number: number, kind: string, json: unknown, { writer }: ProtoEncoding): void {
  const scalar = scalars.get(kind)
  if (scalar === undefined) throw new TypeError(`no scalar ${kind}`)
  const value = scalar.parse(json)
  if (scalar.isDefault(value)) return
  writeTag(number, scalar.wireType, writer)
  scalar.write(value, writer)
}

function encodeTime({ seconds, nanos }: ProtoTime, writer: ProtoEncoding['writer']): void {
  for (const [number, value] of [
    [1, seconds],
    [2, nanos],
  ] as const) {
    if (value === 0) continue
    writeTag(number, wireTypes.varint, writer)
    if (value > 0) writer.varint(value)
    else writer.wideVarint(BigInt(value))
  }
}

function encodeFieldMask(_model: MessageModel, json: unknown, encoding: ProtoEncoding): void {
  if (typeof json !== 'string') throw badValue(`Not a field mask: ${shown(json)}`)
  for (const path of json.split(',').filter(part => part !== '')) {
    const snake = path.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
    writeTag(1, wireTypes.length, encoding.writer)
    scalars.get('string')?.write(snake, encoding.writer)
  }
}

/** Struct is a message of one map from names to Values. */
function encodeStruct(model: MessageModel, json: unknown, encoding: ProtoEncoding): void {
  encodeFields(model, { fields: isJsonObject(json) ? json : notA('Struct', json) }, encoding)
}

function encodeList(model: MessageModel, json: unknown, encoding: ProtoEncoding): void {
  encodeFields(model, { values: Array.isArray(json) ? json : notA('ListValue', json) }, encoding)
}

/** Value is a oneof: null 1, number 2, string 3, bool 4, struct 5, list 6. It is written even when it is a default. */
function encodeValue(model: MessageModel, json: unknown, encoding: ProtoEncoding): void {
  const { writer } = encoding
  if (json === null) {
    writeTag(1, wireTypes.varint, writer)
    writer.byte(0)
  } else if (typeof json === 'number' || typeof json === 'bigint') {
    writeTag(2, wireTypes.fixed64, writer)
    writer.double(Number(json))
  } else if (typeof json === 'string') {
    writeTag(3, wireTypes.length, writer)
    scalars.get('string')?.write(json, writer)
  } else if (typeof json === 'boolean') {
    writeTag(4, wireTypes.varint, writer)
    writer.byte(json ? 1 : 0)
  } else {
    const number = Array.isArray(json) ? 6 : 5
    const value = model.byNumber.get(number)?.value
    if (value !== undefined && isMessage(value)) encodeDelimited(number, value, json, encoding)
  }
}

/** `{"@type": url, …}`; a type with a form of its own has it under "value". */
function encodeAny(_model: MessageModel, json: unknown, encoding: ProtoEncoding): void {
  if (!isJsonObject(json)) throw notA('Any', json)
  if (Object.keys(json).length === 0) return
  const url = json['@type']
  if (typeof url !== 'string') throw badValue('Missing type url when parsing: {…}')
  const model = encoding.messages.get(url.slice(url.lastIndexOf('/') + 1))
  if (model === undefined) throw badValue(`Cannot resolve type: ${url}`)
  const { writer } = encoding
  writeTag(1, wireTypes.length, writer)
  scalars.get('string')?.write(url, writer)
  writeTag(2, wireTypes.length, writer)
  const start = writer.beginLength()
  if (wellKnownEncoders.has(model.fullName)) encodeMessage(model, json['value'] ?? null, encoding)
  else encodeFields(model, json, encoding, '@type')
  writer.endLength(start)
}

function notA(type: string, json: unknown): never {
  throw badValue(`Expect a ${type} but got: ${shown(json)}`)
}
