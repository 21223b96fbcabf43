import avsc from 'avsc'
import protobuf from 'protobufjs'
import { expect, test } from 'vitest'
import { AvroDecoderCompiler } from './avro-decode.ts'
import { AvroEncoderCompiler } from './avro-encode.ts'
import { ProtoModels } from './proto-model.ts'

// A schema of a few lines can name an enum of a thousand symbols in a thousand fields.

test('an Avro enum is compiled once, however many fields name it', () => {
  const type = avsc.Type.forSchema({
    type: 'record',
    name: 'R',
    fields: [
      { name: 'a', type: { type: 'enum', name: 'E', symbols: ['A', 'B'] } },
      { name: 'b', type: 'E' },
      { name: 'c', type: { type: 'enum', name: 'F', symbols: ['C'] } },
    ],
  }) as InstanceType<typeof avsc.types.RecordType>
  const types = type.fields.map(field => field.type)
  for (const compiler of [new AvroEncoderCompiler(), new AvroDecoderCompiler()]) {
    const [a, b, c] = types.map(each => compiler.compile(each))
    expect([a === b, a === c]).toEqual([true, false])
  }
})

test('so is one of Protobuf', () => {
  const text =
    'syntax = "proto3"; enum E { A = 0; } enum F { C = 0; } message M { E a = 1; E b = 2; F c = 3; }'
  const { root } = protobuf.parse(text)
  root.resolveAll()
  const [a, b, c] = new ProtoModels().of(root.lookupType('M')).fields.map(({ value }) => value)
  expect([a === b, a === c]).toEqual([true, false])
})
