import type { ByteWriter } from './byte-writer.ts'
import { isJsonObject } from './exact-json.ts'
import { type FieldModel, isMessage, type MessageModel } from './proto-model.ts'
import { wireTypes } from './proto-reader.ts'
import { badValue, nullValueScalar, type Scalar, shown } from './proto-scalars.ts'

/** What encoding a value needs besides its model. */
export interface ProtoEncoding {
  readonly writer: ByteWriter
  /** Message types by full name, for google.protobuf.Any. */
  readonly messages: ReadonlyMap<string, MessageModel>
  /** Types whose ProtoJSON form is not an object of their fields, by full name. */
  readonly wellKnown: ReadonlyMap<string, ProtoEncoder>
}

export type ProtoEncoder = (model: MessageModel, json: unknown, encoding: ProtoEncoding) => void

/**
 * Writes one message from its ProtoJSON form (contract v2 §6.7; protobuf.dev, "ProtoJSON"): fields by their JSON or
 * proto names, unknown ones refused, in the order of their numbers, as Confluent's serializers write them. The error
 * texts are those of Java's JsonFormat.
 * @throws RestError badPayload
 */
export function encodeMessage(model: MessageModel, json: unknown, encoding: ProtoEncoding): void {
  const wellKnown = encoding.wellKnown.get(model.fullName)
  if (wellKnown !== undefined) {
    wellKnown(model, json, encoding)
    return
  }
  encodeFields(model, json, encoding)
}

/**
 * Writes the fields of a message that has no form of its own. It goes by what the JSON has, not by what the message
 * could have: a list of a hundred thousand `{}` of a type of ten thousand fields is a small request.
 * @param passedOver a key that is no field: the `@type` of google.protobuf.Any.
 */
export function encodeFields(
  model: MessageModel,
  json: unknown,
  encoding: ProtoEncoding,
  passedOver: string | null = null,
): void {
  if (!isJsonObject(json)) throw badValue(`Expect message object but got: ${shown(json)}`)
  const given = givenFields(model, json, passedOver)
  if (model.required.length > 0) checkRequired(model, given)
  if (given.some(({ field }) => field.oneof !== null)) checkOneofs(given)
  for (const { field, value } of given) encodeField(field, value, encoding)
}

interface GivenField {
  readonly field: FieldModel
  readonly value: unknown
}

/** The fields that are set, in the order of their numbers. */
function givenFields(
  model: MessageModel,
  json: Readonly<Record<string, unknown>>,
  passedOver: string | null,
): readonly GivenField[] {
  const given: GivenField[] = []
  let highest = -1
  let ordered = true
  for (const name of Object.keys(json)) {
    const field = model.byName.get(name)
    if (field === undefined) {
      if (name === passedOver) continue
      throw badValue(`Cannot find field: ${name} in message ${model.fullName}`)
    }
    const { jsonName } = field
    if (name !== jsonName && Object.hasOwn(json, jsonName)) {
      throw badValue(`Field ${field.fullName} has already been set.`)
    }
    const value = json[name]
    if (value === null && !takesNull(field.value)) continue
    ordered &&= field.index > highest
    highest = field.index
    given.push({ field, value })
  }
  return ordered ? given : given.sort((left, right) => left.field.index - right.field.index)
}

function checkRequired(model: MessageModel, given: readonly GivenField[]): void {
  const set = new Set(given.map(({ field }) => field))
  const missing = model.required.filter(field => !set.has(field)).map(({ name }) => name)
  if (missing.length > 0) throw badValue(`Message missing required fields: ${missing.join(', ')}`)
}

/** Of a oneof only one field may be set. */
function checkOneofs(given: readonly GivenField[]): void {
  const chosen = new Map<number, FieldModel>()
  for (const { field } of given) {
    if (field.oneof === null) continue
    const rival = chosen.get(field.oneof)
    if (rival !== undefined) {
      throw badValue(
        `Cannot set field ${rival.fullName} because another field ${field.fullName} belonging to the same oneof has already been set`,
      )
    }
    chosen.set(field.oneof, field)
  }
}

/** null is a value only of these; of all others it means "not set". */
function takesNull(value: Scalar | MessageModel): boolean {
  return isMessage(value) ? value.fullName === 'google.protobuf.Value' : value === nullValueScalar
}

function encodeField(field: FieldModel, json: unknown, encoding: ProtoEncoding): void {
  if (field.shape === 'single') encodeSingle(field, json, encoding)
  else if (field.shape === 'map') encodeMap(field, json, encoding)
  else encodeRepeated(field, json, encoding)
}

function encodeSingle(field: FieldModel, json: unknown, encoding: ProtoEncoding): void {
  if (isMessage(field.value)) {
    encodeEmbedded(field, field.value, json, encoding)
    return
  }
  const value = field.value.parse(json)
  if (!field.presence && field.value.isDefault(value)) return
  writeTag(field.number, field.value.wireType, encoding.writer)
  field.value.write(value, encoding.writer)
}

function encodeRepeated(field: FieldModel, json: unknown, encoding: ProtoEncoding): void {
  if (!Array.isArray(json)) throw badValue(`Expected an array for ${field.name} but found ${shown(json)}`)
  const { value } = field
  if (json.some(item => item === null) && !takesNull(value)) {
    throw badValue(`Repeated field elements cannot be null in field: ${field.fullName}`)
  }
  const { writer } = encoding
  if (isMessage(value)) {
    for (const item of json) encodeEmbedded(field, value, item, encoding)
  } else if (!field.packed) {
    for (const item of json) {
      writeTag(field.number, value.wireType, writer)
      value.write(value.parse(item), writer)
    }
  } else if (json.length > 0) {
    writeTag(field.number, wireTypes.length, writer)
    const start = writer.beginLength()
    for (const item of json) value.write(value.parse(item), writer)
    writer.endLength(start)
  }
}

/** A map is a repeated message of a key, number 1, and a value, number 2. */
function encodeMap(field: FieldModel, json: unknown, encoding: ProtoEncoding): void {
  const { key, value } = field
  if (!isJsonObject(json) || key === null) throw badValue(`Expect a map object but found: ${shown(json)}`)
  const { writer } = encoding
  for (const name of Object.keys(json)) {
    if (json[name] === null && !takesNull(value)) throw badValue('Map value cannot be null.')
    writeTag(field.number, wireTypes.length, writer)
    const start = writer.beginLength()
    writeTag(1, key.wireType, writer)
    key.write(key.parse(name), writer)
    if (isMessage(value)) {
      encodeDelimited(2, value, json[name], encoding)
    } else {
      writeTag(2, value.wireType, writer)
      value.write(value.parse(json[name]), writer)
    }
    writer.endLength(start)
  }
}

function encodeEmbedded(
  field: FieldModel,
  model: MessageModel,
  json: unknown,
  encoding: ProtoEncoding,
): void {
  if (!field.group) {
    encodeDelimited(field.number, model, json, encoding)
    return
  }
  writeTag(field.number, wireTypes.startGroup, encoding.writer)
  encodeMessage(model, json, encoding)
  writeTag(field.number, wireTypes.endGroup, encoding.writer)
}

/** Writes a message as a field with its length in front. */
export function encodeDelimited(
  number: number,
  model: MessageModel,
  json: unknown,
  encoding: ProtoEncoding,
): void {
  writeTag(number, wireTypes.length, encoding.writer)
  const start = encoding.writer.beginLength()
  encodeMessage(model, json, encoding)
  encoding.writer.endLength(start)
}

export function writeTag(number: number, wireType: number, writer: ByteWriter): void {
  writer.varint(number * 8 + wireType)
}
