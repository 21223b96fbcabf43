import { UnrenderableRecord } from './format.ts'
import { decodeFields, decodeMessage, type ProtoDecoder, type ProtoDecoding } from './proto-decode.ts'
import { isMessage, type MessageModel } from './proto-model.ts'
import { ProtoReader, wireTypes } from './proto-reader.ts'
import { scalars } from './proto-scalars.ts'
import { durationJson, type ProtoTime, timestampJson } from './proto-times.ts'
import { wellKnownEncoders, wrappedScalar } from './proto-well-known-encode.ts'

const decoders: Readonly<Record<string, ProtoDecoder>> = {
  'google.protobuf.Timestamp': (_, bytes, decoding) => timestampJson(readTime(bytes, decoding)),
  'google.protobuf.Duration': (_, bytes, decoding) => durationJson(readTime(bytes, decoding)),
  'google.protobuf.FieldMask': decodeFieldMask,
  'google.protobuf.Struct': (model, bytes, decoding) => innerValue(decodeFields(model, bytes, decoding)),
  'google.protobuf.ListValue': (model, bytes, decoding) => innerValue(decodeFields(model, bytes, decoding)),
  'google.protobuf.Value': decodeValue,
  'google.protobuf.Any': decodeAny,
}

/** Types whose ProtoJSON form is not an object of their fields, by full name. */
export const wellKnownDecoders: ReadonlyMap<string, ProtoDecoder> = new Map(
  [...wellKnownEncoders.keys()].map(name => [name, decoders[name] ?? decodeWrapper]),
)

/** Struct and ListValue have one field, which is always shown: the text after its name is the whole. */
function innerValue(fields: string): string {
  return fields.slice(fields.indexOf(':') + 1)
}

function decodeWrapper(model: MessageModel, bytes: Buffer, decoding: ProtoDecoding): string {
  const scalar = scalars.get(wrappedScalar(model.fullName) ?? '')
  if (scalar === undefined) throw new TypeError(`no wrapper ${model.fullName}`)
  let text = scalar.defaultText
  const reader = new ProtoReader(bytes)
  while (!reader.atEnd) {
    const tag = reader.tag()
    if (tag === 8 + scalar.wireType) text = scalar.read(reader, decoding.budget)
    else reader.skip(tag, decoding.budget)
  }
  return text
}

function readTime(bytes: Buffer, decoding: ProtoDecoding): ProtoTime {
  let seconds = 0
  let nanos = 0
  const reader = new ProtoReader(bytes)
  while (!reader.atEnd) {
    const tag = reader.tag()
    if (tag === 8) seconds = Number(BigInt.asIntN(64, BigInt(reader.varint())))
    else if (tag === 16) nanos = reader.low32()
    else reader.skip(tag, decoding.budget)
  }
  return { seconds, nanos }
}

function decodeFieldMask(_model: MessageModel, bytes: Buffer, decoding: ProtoDecoding): string {
  const paths: string[] = []
  const reader = new ProtoReader(bytes)
  while (!reader.atEnd) {
    const tag = reader.tag()
    if (tag === 8 + wireTypes.length) paths.push(reader.text(true))
    else reader.skip(tag, decoding.budget)
  }
  const camel = paths.map(path => path.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()))
  return JSON.stringify(camel.join(','))
}

/** Of the oneof's fields the last counts; each is shown as what it is. */
function decodeValue(model: MessageModel, bytes: Buffer, decoding: ProtoDecoding): string {
  let text = 'null'
  const reader = new ProtoReader(bytes)
  while (!reader.atEnd) {
    const tag = reader.tag()
    const value = model.byNumber.get(tag >>> 3)?.value
    if (value === undefined || (tag & 7) !== (isMessage(value) ? wireTypes.length : value.wireType)) {
      reader.skip(tag, decoding.budget)
    } else {
      text = isMessage(value)
        ? decodeMessage(value, reader.delimited(), decoding)
        : value.read(reader, decoding.budget)
    }
  }
  return text
}

function decodeAny(_model: MessageModel, bytes: Buffer, decoding: ProtoDecoding): string {
  let url = ''
  let content: Buffer = Buffer.alloc(0)
  const reader = new ProtoReader(bytes)
  while (!reader.atEnd) {
    const tag = reader.tag()
    if (tag === 8 + wireTypes.length) url = reader.text(true)
    else if (tag === 16 + wireTypes.length) content = reader.delimited()
    else reader.skip(tag, decoding.budget)
  }
  if (url === '') return '{}'
  const inner = decoding.messages.get(url.slice(url.lastIndexOf('/') + 1))
  if (inner === undefined)
    throw new UnrenderableRecord('Protobuf', `Cannot find type for url: ${url.slice(0, 200)}`)
  const start = `{"@type":${JSON.stringify(url)}`
  if (wellKnownDecoders.has(inner.fullName))
    return `${start},"value":${decodeMessage(inner, content, decoding)}}`
  decoding.budget.enter()
  const fields = decodeFields(inner, content, decoding)
  decoding.budget.leave()
  return fields === '' ? `${start}}` : `${start},${fields}}`
}
