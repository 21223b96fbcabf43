import { ByteWriter } from './byte-writer.ts'
import type { WorkGuard } from './cpu-guard.ts'
import { exactValue } from './exact-json.ts'
import {
  type SchemaCodec,
  type SchemaCompiler,
  type SchemaLimits,
  SchemaRefused,
  type SchemaSource,
  schemaRefusal,
  UndecodableRecord,
} from './format.ts'
import { firstMessageIndexes, readMessageIndexes } from './message-indexes.ts'
import { decodeMessage, type ProtoDecoding } from './proto-decode.ts'
import { encodeMessage } from './proto-encode.ts'
import { type MessageModel, ProtoModels } from './proto-model.ts'
import { type MessageTree, type ParsedProto, parseProto } from './proto-parse.ts'
import { ProtoBudget } from './proto-reader.ts'
import { checkWellKnown } from './proto-well-known-check.ts'
import { wellKnownDecoders } from './proto-well-known-decode.ts'
import { wellKnownEncoders } from './proto-well-known-encode.ts'

/**
 * Protobuf schemas of the registry (contract v2 §6.3, §6.7). protobufjs parses them; the codecs are ours, since ProtoJSON
 * asks for exact 64-bit numbers, presence and the well-known types' own forms.
 */
export function createProtobufCompiler(limits: SchemaLimits, guard: WorkGuard): SchemaCompiler {
  return {
    type: 'PROTOBUF',
    canonical: text => text,
    compile: source => compileProtobuf(source, limits, guard),
  }
}

function compileProtobuf(source: SchemaSource, limits: SchemaLimits, guard: WorkGuard): SchemaCodec {
  const { trees, messages } = compiled(source, guard)
  const [first] = trees
  if (first === undefined) throw new SchemaRefused('the schema has no message')
  const writer = new ByteWriter()
  const encoding = { writer, messages, wellKnown: wellKnownEncoders }
  return {
    recordName: first.model.fullName,
    prepareEncode: () => undefined,
    encode(json) {
      writer.reset()
      writer.byte(firstMessageIndexes)
      encodeMessage(first.model, json === null ? null : exactValue(json), encoding)
      return writer.written()
    },
    decode(payload) {
      const { path, end } = readMessageIndexes(payload)
      const decoding: ProtoDecoding = {
        budget: new ProtoBudget(limits, payload.length),
        messages,
        wellKnown: wellKnownDecoders,
      }
      return decodeMessage(modelAt(trees, path), payload.subarray(end), decoding)
    },
  }
}

interface ModelTree {
  readonly model: MessageModel
  readonly nested: readonly ModelTree[]
}

/** @throws SchemaRefused */
function compiled(source: SchemaSource, guard: WorkGuard) {
  try {
    return guard.run(() => modelsOf(parseProto(source)))
  } catch (cause) {
    throw schemaRefusal(cause)
  }
}

function modelsOf({ messages, types }: ParsedProto) {
  const models = new ProtoModels()
  const tree = ({ type, nested }: MessageTree): ModelTree => ({
    model: models.of(type),
    nested: nested.map(tree),
  })
  const all = types.map(type => models.of(type))
  checkWellKnown(all)
  return { trees: messages.map(tree), messages: new Map(all.map(model => [model.fullName, model])) }
}

function modelAt(trees: readonly ModelTree[], path: readonly number[]): MessageModel {
  let level = trees
  let found: ModelTree | undefined
  for (const index of path) {
    found = level[index]
    if (found === undefined)
      throw new UndecodableRecord(`the schema has no message at index ${path.join(', ')}`)
    level = found.nested
  }
  if (found === undefined) throw new UndecodableRecord('the record names no message')
  return found.model
}
