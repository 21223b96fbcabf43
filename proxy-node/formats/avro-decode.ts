import avsc, { type Type } from 'avsc'
import { branchLabel } from './avro-encode.ts'
import type { AvroReader } from './avro-reader.ts'
import { symbolsOf } from './avro-skeleton.ts'
import { UndecodableRecord } from './format.ts'
import { doubleText, floatText } from './number-text.ts'

/** Reads one value and renders it as JSON text. */
export type AvroDecoder = (reader: AvroReader) => string

/**
 * Compiles decoders from Avro's binary encoding straight to the text of its JSON encoding, as the writer's schema says
 * (contract v2 §6.5): unions are tagged, bytes are ISO-8859-1 text, logical types show as their base types.
 */
export class AvroDecoderCompiler {
  readonly #named = new Map<string, AvroDecoder>()

  compile(type: Type): AvroDecoder {
    const { types } = avsc
    if (type instanceof types.RecordType) return this.#record(type)
    if (type instanceof types.WrappedUnionType) return this.#union(type.types, taggedBranch)
    if (type instanceof types.ArrayType) return arrayDecoder(this.compile(type.itemsType))
    if (type instanceof types.MapType) return mapDecoder(this.compile(type.valuesType))
    if (type instanceof types.EnumType) return this.#enum(type)
    if (type instanceof types.FixedType) {
      const { size } = type
      return reader => JSON.stringify(reader.fixed(size))
    }
    const primitive = primitives[type.typeName]
    if (primitive === undefined) throw new TypeError(`no Avro decoder for ${type.typeName}`)
    return primitive
  }

  /** A union at the top is rendered untagged: the original prints it with its branch's own schema. */
  compileTop(type: Type): AvroDecoder {
    if (!(type instanceof avsc.types.WrappedUnionType)) return this.compile(type)
    return this.#union(type.types, branch => this.compile(branch))
  }

  /** Made once for each: a schema of a few lines can name an enum of many symbols in every field. */
  #enum(type: InstanceType<typeof avsc.types.EnumType>): AvroDecoder {
    const name = type.name ?? ''
    const decode = this.#named.get(name) ?? enumDecoder(type)
    this.#named.set(name, decode)
    return decode
  }

  #record(type: InstanceType<typeof avsc.types.RecordType>): AvroDecoder {
    const name = type.name ?? ''
    const known = this.#named.get(name)
    if (known !== undefined) return known
    const labels: string[] = []
    const decoders: AvroDecoder[] = []
    let ownChars = 2
    const decode: AvroDecoder = reader => {
      reader.enter()
      reader.spend(ownChars)
      let text = '{'
      for (let index = 0; index < labels.length; index++) {
        text += labels[index] as string
        text += (decoders[index] as AvroDecoder)(reader)
      }
      reader.leave()
      return `${text}}`
    }
    this.#named.set(name, decode)
    for (const field of type.fields) {
      const label = `${labels.length === 0 ? '' : ','}${JSON.stringify(field.name)}:`
      ownChars += label.length
      labels.push(label)
      decoders.push(this.compile(field.type))
    }
    return decode
  }

  #union(types: readonly Type[], branchDecoder: (type: Type, compiler: this) => AvroDecoder): AvroDecoder {
    const branches = types.map(type => branchDecoder(type, this))
    return reader => {
      const branch = branches[reader.int()]
      if (branch === undefined)
        throw new UndecodableRecord('the record names a branch that its union does not have')
      return branch(reader)
    }
  }
}

function taggedBranch(type: Type, compiler: AvroDecoderCompiler): AvroDecoder {
  if (type.typeName === 'null') return () => 'null'
  const decode = compiler.compile(type)
  const start = `{${JSON.stringify(branchLabel(type))}:`
  return reader => {
    reader.spend(start.length)
    return `${start}${decode(reader)}}`
  }
}

const primitives: Readonly<Record<string, AvroDecoder>> = {
  null: () => 'null',
  boolean: reader => (reader.boolean() ? 'true' : 'false'),
  int: reader => `${reader.int()}`,
  long: reader => `${reader.long()}`,
  float: reader => floatText(reader.float()),
  double: reader => doubleText(reader.double()),
  bytes: reader => JSON.stringify(reader.bytes()),
  string: reader => JSON.stringify(reader.string()),
}

function arrayDecoder(item: AvroDecoder): AvroDecoder {
  return reader => {
    reader.enter()
    let text = ''
    for (let count = reader.blockCount(); count > 0; count = reader.blockCount()) {
      for (let index = 0; index < count; index++) {
        const { position } = reader
        text += text === '' ? item(reader) : `,${item(reader)}`
        if (reader.position === position) reader.emptyItem()
      }
    }
    reader.leave()
    return `[${text}]`
  }
}

function mapDecoder(decode: AvroDecoder): AvroDecoder {
  return reader => {
    reader.enter()
    let text = ''
    for (let count = reader.blockCount(); count > 0; count = reader.blockCount()) {
      for (let index = 0; index < count; index++) {
        if (text !== '') text += ','
        text += `${JSON.stringify(reader.string())}:`
        text += decode(reader)
      }
    }
    reader.leave()
    return `{${text}}`
  }
}

function enumDecoder(type: InstanceType<typeof avsc.types.EnumType>): AvroDecoder {
  const texts = symbolsOf(type).map(symbol => JSON.stringify(symbol))
  return reader => {
    const text = texts[reader.int()]
    if (text === undefined)
      throw new UndecodableRecord('the record names a symbol that its enum does not have')
    reader.spend(text.length)
    return text
  }
}
