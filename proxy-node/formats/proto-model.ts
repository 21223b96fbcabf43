import protobuf, { type Enum, type Field, type Type } from 'protobufjs'
import { SchemaRefused } from './format.ts'
import { wireTypes } from './proto-reader.ts'
import { enumScalar, nullValueScalar, type Scalar, scalars, unverifiedString } from './proto-scalars.ts'

/** A message type, as the codecs need it. */
export interface MessageModel {
  /** Without a leading dot. */
  readonly fullName: string
  /** By field number, the order in which fields are written and shown. */
  readonly fields: readonly FieldModel[]
  readonly byNumber: ReadonlyMap<number, FieldModel>
  /** By their names in JSON and in the `.proto` text; JSON takes both. */
  readonly byName: ReadonlyMap<string, FieldModel>
  readonly required: readonly FieldModel[]
  /** Characters of the names and defaults of all fields. */
  readonly ownChars: number
}

export interface FieldModel {
  /** Index in the message's `fields`. */
  readonly index: number
  readonly number: number
  readonly name: string
  readonly jsonName: string
  /** `"jsonName":` */
  readonly label: string
  readonly fullName: string
  readonly shape: 'single' | 'repeated' | 'map'
  /** The type of the value, of the items, or of the map's values. */
  readonly value: Scalar | MessageModel
  /** The map's keys. */
  readonly key: Scalar | null
  readonly packed: boolean
  /** Written between group tags, not with a length. */
  readonly group: boolean
  /** Whether "not set" and "set to the default" differ. */
  readonly presence: boolean
  readonly required: boolean
  /** Index of its oneof in the message; null when it has none, or none to share it with. */
  readonly oneof: number | null
}

export function isMessage(value: Scalar | MessageModel): value is MessageModel {
  return 'fields' in value
}

type Mutable<Model> = { -readonly [Key in keyof Model]: Model[Key] }

/** Makes models of protobufjs's reflection, each type once, so that a type that contains itself ends. */
export class ProtoModels {
  readonly #models = new Map<Type, MessageModel>()
  readonly #enums = new Map<Enum, Scalar>()

  /** @throws SchemaRefused for a type that is not as it should be. */
  of(type: Type): MessageModel {
    const known = this.#models.get(type)
    if (known !== undefined) return known
    const model: Mutable<MessageModel> = {
      fullName: type.fullName.replace(/^\./, ''),
      fields: [],
      byNumber: new Map(),
      byName: new Map(),
      required: [],
      ownChars: 2,
    }
    this.#models.set(type, model)
    const declared = type.fieldsArray
      .map(field => field.resolve())
      // Extensions are passed over, as unknown fields are.
      .filter(field => field.declaringField === null)
      .sort((left, right) => left.id - right.id)
    const fields = declared.map((field, index) => this.#field(field, index, model.fullName))
    const byName = new Map(fields.map(field => [field.name, field]))
    for (const [index, { fieldsArray }] of type.oneofsArray.entries()) {
      // proto3's `optional` is a oneof of one field.
      if (fieldsArray.length < 2) continue
      for (const { name } of fieldsArray) {
        const field = byName.get(name)
        if (field !== undefined) field.oneof = index
      }
    }
    for (const field of fields) byName.set(field.jsonName, field)
    model.fields = fields
    model.byNumber = new Map(fields.map(field => [field.number, field]))
    model.byName = byName
    model.required = fields.filter(field => field.required)
    model.ownChars = fields.reduce((sum, { label, value }) => {
      return sum + label.length + 1 + (isMessage(value) ? 2 : value.defaultText.length)
    }, 2)
    return model
  }

  #field(field: Field, index: number, message: string): Mutable<FieldModel> {
    const jsonName = field.jsonName ?? field.name
    const value = this.#type(field)
    return {
      index,
      number: field.id,
      name: field.name,
      jsonName,
      label: `${JSON.stringify(jsonName)}:`,
      fullName: `${message}.${field.name}`,
      shape: field.map ? 'map' : field.repeated ? 'repeated' : 'single',
      value,
      key: field instanceof protobuf.MapField ? scalarOf(field, field.keyType) : null,
      // What has a length of its own is never packed; protobufjs says so only of messages.
      packed: field.packed && !isMessage(value) && value.wireType !== wireTypes.length,
      group: field.delimited,
      presence: field.hasPresence,
      required: field.required,
      oneof: null,
    }
  }

  #type(field: Field): Scalar | MessageModel {
    const { resolvedType } = field
    if (resolvedType instanceof protobuf.Type) return this.of(resolvedType)
    if (resolvedType instanceof protobuf.Enum) return this.#enum(resolvedType)
    return scalarOf(field, field.type)
  }

  /** Made once for each: a schema of a few lines can name an enum of many values in every field. */
  #enum(type: Enum): Scalar {
    const model = this.#enums.get(type) ?? enumModel(type)
    this.#enums.set(type, model)
    return model
  }
}

function enumModel(type: Enum): Scalar {
  const fullName = type.fullName.replace(/^\./, '')
  if (fullName === 'google.protobuf.NullValue') return nullValueScalar
  return enumScalar(fullName, type.values, featuresOf(type).enum_type === 'CLOSED')
}

/** What the syntax, the edition and options say of a field or type; protobufjs has no public name for it. */
function featuresOf(object: Field | Enum): Readonly<Record<string, string>> {
  return (object as unknown as { readonly _features: Readonly<Record<string, string>> })._features
}

function scalarOf(field: Field, type: string): Scalar {
  if (type === 'string' && featuresOf(field).utf8_validation === 'NONE') return unverifiedString
  const scalar = scalars.get(type)
  if (scalar === undefined) throw new SchemaRefused(`unknown type ${type}`)
  return scalar
}
