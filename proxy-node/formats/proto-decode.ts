import { type FieldModel, isMessage, type MessageModel } from './proto-model.ts'
import { type ProtoBudget, ProtoReader, wireTypes } from './proto-reader.ts'
import type { Scalar } from './proto-scalars.ts'

/** What decoding a value needs besides its model. */
export interface ProtoDecoding {
  readonly budget: ProtoBudget
  /** Message types by full name, for google.protobuf.Any. */
  readonly messages: ReadonlyMap<string, MessageModel>
  /** Types whose ProtoJSON form is not an object of their fields, by full name. */
  readonly wellKnown: ReadonlyMap<string, ProtoDecoder>
}

export type ProtoDecoder = (model: MessageModel, bytes: Buffer, decoding: ProtoDecoding) => string

/**
 * What has been read of one field: the text of its value, the items of a list, the entries of a map, or the bytes of an
 * embedded message, which is decoded at the end, since several parts of it are one message.
 */
type Slot = string | string[] | Map<string, string> | Buffer[] | undefined

/** What has been read of one message. */
interface Slots {
  /** By the fields' indexes. */
  readonly values: Slot[]
  /** By the oneofs' indexes, the index of the field that came last. */
  chosen: number[] | undefined
}

/**
 * Renders one message in its ProtoJSON form (contract v2 §6.7): JSON names, fields in the order of their numbers, 64-bit
 * numbers as strings, fields with a default value shown, those with presence only if they are set.
 * @throws UndecodableRecord
 */
export function decodeMessage(model: MessageModel, bytes: Buffer, decoding: ProtoDecoding): string {
  decoding.budget.enter()
  const wellKnown = decoding.wellKnown.get(model.fullName)
  const text =
    wellKnown === undefined ? `{${decodeFields(model, bytes, decoding)}}` : wellKnown(model, bytes, decoding)
  decoding.budget.leave()
  return text
}

/** The fields of a message, without the braces around them. */
export function decodeFields(model: MessageModel, bytes: Buffer, decoding: ProtoDecoding): string {
  decoding.budget.spend(model.ownChars)
  const { values } = readSlots(model, bytes, decoding)
  let text = ''
  for (const field of model.fields) {
    const value = slotText(field, values[field.index], decoding)
    if (value === undefined) continue
    text += text === '' ? field.label : `,${field.label}`
    text += value
  }
  return text
}

function readSlots(model: MessageModel, bytes: Buffer, decoding: ProtoDecoding): Slots {
  const slots: Slots = { values: new Array(model.fields.length), chosen: undefined }
  const reader = new ProtoReader(bytes)
  while (!reader.atEnd) {
    const tag = reader.tag()
    const field = model.byNumber.get(tag >>> 3)
    if (field === undefined || !readField(field, tag & 7, slots, reader, decoding))
      reader.skip(tag, decoding.budget)
  }
  return slots
}

/** Reads one occurrence of a field; false when its wire type is not the field's, so that it is unknown. */
function readField(
  field: FieldModel,
  wireType: number,
  slots: Slots,
  reader: ProtoReader,
  decoding: ProtoDecoding,
): boolean {
  if (field.shape === 'map') {
    if (wireType !== wireTypes.length) return false
    readEntry(field, slots, reader.delimited(), decoding)
    return true
  }
  const { value } = field
  if (isMessage(value)) {
    const part = embedded(field, wireType, reader, decoding.budget)
    if (part === undefined) return false
    if (field.shape === 'repeated') listOf(slots, field.index).push(decodeMessage(value, part, decoding))
    else addPart(field, slots, part)
    return true
  }
  return field.shape === 'repeated'
    ? readItems(field, value, wireType, slots, reader, decoding.budget)
    : readSingle(field, value, wireType, slots, reader, decoding.budget)
}

function readSingle(
  field: FieldModel,
  value: Scalar,
  wireType: number,
  slots: Slots,
  reader: ProtoReader,
  budget: ProtoBudget,
): boolean {
  if (wireType !== value.wireType) return false
  clearRival(field, slots)
  slots.values[field.index] = value.read(reader, budget)
  return true
}

/** A length-delimited message, or a group; whichever the writer used. */
function embedded(
  field: FieldModel,
  wireType: number,
  reader: ProtoReader,
  budget: ProtoBudget,
): Buffer | undefined {
  if (wireType === wireTypes.length) return reader.delimited()
  if (wireType !== wireTypes.startGroup) return undefined
  const group = reader.group(field.number, budget)
  budget.reread(group.length)
  return group
}

function addPart(field: FieldModel, slots: Slots, part: Buffer): void {
  clearRival(field, slots)
  const parts = slots.values[field.index]
  if (Array.isArray(parts)) (parts as Buffer[]).push(part)
  else slots.values[field.index] = [part]
}

/** Of a oneof, what comes last counts. */
function clearRival(field: FieldModel, slots: Slots): void {
  if (field.oneof === null) return
  slots.chosen ??= []
  const rival = slots.chosen[field.oneof]
  if (rival !== undefined && rival !== field.index) slots.values[rival] = undefined
  slots.chosen[field.oneof] = field.index
}

/** Items come one by one or packed, whatever the schema says. */
function readItems(
  field: FieldModel,
  value: Scalar,
  wireType: number,
  slots: Slots,
  reader: ProtoReader,
  budget: ProtoBudget,
): boolean {
  const items = listOf(slots, field.index)
  if (wireType === value.wireType) {
    items.push(value.read(reader, budget))
    return true
  }
  if (wireType !== wireTypes.length) return false
  const packed = new ProtoReader(reader.delimited())
  while (!packed.atEnd) items.push(value.read(packed, budget))
  return true
}

function listOf(slots: Slots, index: number): string[] {
  const list = slots.values[index] as string[] | undefined
  if (list !== undefined) return list
  const created: string[] = []
  slots.values[index] = created
  return created
}

/** One entry of a map; a key or value that is not there is its type's default. */
function readEntry(field: FieldModel, slots: Slots, bytes: Buffer, decoding: ProtoDecoding): void {
  const { key, value } = field
  if (key === null) return
  let keyText = key.defaultText
  let valueText: string | undefined
  const reader = new ProtoReader(bytes)
  while (!reader.atEnd) {
    const tag = reader.tag()
    if (tag === 8 + key.wireType) keyText = key.read(reader, decoding.budget)
    else if (tag !== 16 + (isMessage(value) ? wireTypes.length : value.wireType))
      reader.skip(tag, decoding.budget)
    else
      valueText = isMessage(value)
        ? decodeMessage(value, reader.delimited(), decoding)
        : value.read(reader, decoding.budget)
  }
  valueText ??= isMessage(value)
    ? decodeMessage(value, Buffer.alloc(0), decoding)
    : chargedDefault(value, decoding.budget)
  let entries = slots.values[field.index] as Map<string, string> | undefined
  if (entries === undefined) {
    entries = new Map()
    slots.values[field.index] = entries
  }
  entries.set(keyText.startsWith('"') ? keyText : `"${keyText}"`, valueText)
}

/** The default of an enum is a name of the schema's, and no byte may stand for it. */
function chargedDefault({ defaultText }: Scalar, budget: ProtoBudget): string {
  budget.spend(defaultText.length)
  return defaultText
}

function slotText(field: FieldModel, slot: Slot, decoding: ProtoDecoding): string | undefined {
  const { value, shape } = field
  if (shape === 'repeated') return `[${(slot as string[] | undefined) ?? ''}]`
  if (shape === 'map') return `{${entriesText(slot as Map<string, string> | undefined)}}`
  if (!isMessage(value))
    return (slot as string | undefined) ?? (field.presence ? undefined : value.defaultText)
  const parts = slot as Buffer[] | undefined
  return parts === undefined ? undefined : decodeMessage(value, joined(parts, decoding.budget), decoding)
}

function joined(parts: readonly Buffer[], budget: ProtoBudget): Buffer {
  const [first] = parts
  if (parts.length === 1 && first !== undefined) return first
  const whole = Buffer.concat(parts)
  budget.reread(whole.length)
  return whole
}

function entriesText(entries: Map<string, string> | undefined): string {
  let text = ''
  for (const [key, value] of entries ?? []) text += text === '' ? `${key}:${value}` : `,${key}:${value}`
  return text
}
