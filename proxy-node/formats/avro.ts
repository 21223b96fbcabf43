import avsc, { type Type } from 'avsc'
import { RestError } from '../../shared/errors/rest-error.ts'
import { AvroDecoderCompiler } from './avro-decode.ts'
import { AvroEncoderCompiler } from './avro-encode.ts'
import { AvroReader } from './avro-reader.ts'
import { avroSkeleton } from './avro-skeleton.ts'
import { AvroWriter } from './avro-writer.ts'
import type { WorkGuard } from './cpu-guard.ts'
import { exactValue, tokenName } from './exact-json.ts'
import {
  type EmbeddedJson,
  type SchemaCodec,
  type SchemaCompiler,
  type SchemaLimits,
  SchemaRefused,
  type SchemaSource,
  schemaRefusal,
} from './format.ts'
import { compactJson } from './json-text.ts'
import { latin1Text } from './latin1-text.ts'

type AvroSchema = Parameters<typeof avsc.Type.forSchema>[0]

/** Avro schemas of the registry (contract v2 §6.3–6.5). avsc parses them; the codecs are ours. */
export function createAvroCompiler(limits: SchemaLimits, guard: WorkGuard): SchemaCompiler {
  return {
    type: 'AVRO',
    compile: source => compileAvro(source, limits, guard),
    canonical: compactJson,
  }
}

function compileAvro(source: SchemaSource, limits: SchemaLimits, guard: WorkGuard): SchemaCodec {
  const { type, encode, decode } = compiled(source, limits, guard)
  if (type.typeName === 'bytes') return bareBytesCodec
  const writer = new AvroWriter()
  const nullable = isNullable(type)
  return {
    recordName: type.name ?? null,
    prepareEncode: () => undefined,
    encode(json) {
      // Java's encoder makes no bytes of a null that the schema allows: a Kafka null, which the original of 8.x then
      // trips over (contract v2 §6.4).
      if (json === null && nullable) return null
      writer.reset()
      encode(json === null ? null : exactValue(json), writer)
      return writer.written()
    },
    decode: payload => decode(new AvroReader(payload, limits)),
  }
}

/** A schema of nothing but `bytes`: the payload is the bytes themselves, without a length (contract v2 §6.3). */
const bareBytesCodec: SchemaCodec = {
  recordName: null,
  prepareEncode: () => undefined,
  encode(json: EmbeddedJson | null) {
    if (typeof json?.value === 'string') return Buffer.from(latin1Text(json.value), 'latin1')
    throw new RestError('badPayload', `Expected bytes. Got ${tokenName(json?.value)}`)
  },
  decode: payload => JSON.stringify(payload.toString('latin1')),
}

function isNullable(type: Type): boolean {
  if (type instanceof avsc.types.WrappedUnionType)
    return type.types.some(branch => branch.typeName === 'null')
  return type.typeName === 'null'
}

/** @throws SchemaRefused */
function compiled(source: SchemaSource, limits: SchemaLimits, guard: WorkGuard) {
  try {
    return guard.run(() => {
      const type = parsed(source, limits)
      const encode = new AvroEncoderCompiler().compile(type)
      return { type, encode, decode: new AvroDecoderCompiler().compileTop(type) }
    })
  } catch (cause) {
    throw schemaRefusal(cause)
  }
}

function parsed({ text, references }: SchemaSource, limits: SchemaLimits): Type {
  const registry: Record<string, Type> = Object.create(null)
  // One schema may be there under two names; its types can be defined only once.
  const texts = new Set(references.map(reference => reference.text))
  texts.delete(text)
  for (const referred of texts) typeOf(referred, registry, limits)
  return typeOf(text, registry, limits)
}

function typeOf(text: string, registry: Record<string, Type>, limits: SchemaLimits): Type {
  let schema: unknown
  try {
    schema = avroSkeleton(JSON.parse(text), limits.schemaDepthMax)
  } catch (cause) {
    if (cause instanceof SchemaRefused) throw cause
    throw new SchemaRefused('the schema is not JSON', { cause })
  }
  return avsc.Type.forSchema(schema as AvroSchema, {
    registry,
    wrapUnions: true,
    noAnonymousTypes: true,
    // As in Java: a bare name that the enclosing namespace does not have is one without a namespace.
    typeHook: (inner, { namespace, registry: defined = {} }) =>
      typeof inner === 'string' && namespace !== undefined && defined[`${namespace}.${inner}`] === undefined
        ? defined[inner]
        : undefined,
  })
}
