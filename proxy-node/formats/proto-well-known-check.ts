import protobuf from 'protobufjs'
import { SchemaRefused } from './format.ts'
import { bundledImports } from './proto-imports.ts'
import { type FieldModel, isMessage, type MessageModel, ProtoModels } from './proto-model.ts'
import { wellKnownEncoders } from './proto-well-known-encode.ts'

const files = ['any', 'duration', 'field_mask', 'struct', 'timestamp', 'wrappers']

/**
 * A schema may bring a well-known type itself. Its JSON form goes by its name, and is made of the fields that the real
 * one has: a Struct with others would give JSON that is none, or fields that the record does not have.
 * @throws SchemaRefused for a type of such a name with other fields.
 */
export function checkWellKnown(models: Iterable<MessageModel>): void {
  for (const model of models) {
    if (!wellKnownEncoders.has(model.fullName)) continue
    genuine ??= genuineModels()
    const real = genuine.get(model.fullName)
    if (!real || !hasFieldsOf(real, model))
      throw new SchemaRefused(`${model.fullName} has other fields than the well-known type`)
  }
}

let genuine: ReadonlyMap<string, MessageModel> | undefined

function genuineModels(): ReadonlyMap<string, MessageModel> {
  const root = new protobuf.Root()
  const imports = bundledImports(files.map(name => `google/protobuf/${name}.proto`))
  for (const nested of imports.values()) root.addJSON(nested)
  root.resolveAll()
  const models = new ProtoModels()
  return new Map([...wellKnownEncoders.keys()].map(name => [name, models.of(root.lookupType(name))]))
}

function hasFieldsOf(real: MessageModel, model: MessageModel): boolean {
  return (
    real.fields.length === model.fields.length &&
    real.fields.every((field, index) => isSameField(field, model.fields[index] as FieldModel))
  )
}

function isSameField(left: FieldModel, right: FieldModel): boolean {
  const sameValue =
    isMessage(left.value) && isMessage(right.value)
      ? left.value.fullName === right.value.fullName
      : left.value === right.value
  return sameValue && left.number === right.number && left.shape === right.shape && left.key === right.key
}
