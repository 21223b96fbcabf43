import { beforeEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { ScriptedRegistry } from '../../test/support/scripted-registry.ts'
import { UndecodableRecord } from '../formats/format.ts'
import { createSchemaCompilers } from '../formats/schema-compilers.ts'
import { defaultSchemaLimits } from '../formats/schema-limits.ts'
import { RegistryError } from '../ports/schema-registry.ts'
import { SchemaCodecs } from './schema-codecs.ts'
import { Schemas } from './schemas.ts'
import type { SubjectNameStrategy } from './subject-names.ts'

// Real registries are asked in test/integration/schema-*.test.ts; here is what they would refuse to hold.

let registry: ScriptedRegistry

beforeEach(() => {
  registry = new ScriptedRegistry()
})

function open(
  changes: Partial<
    Record<'textCharsMax' | 'referencesMax' | 'referenceDepthMax' | 'entriesMax' | 'charsMax', number>
  > = {},
  strategy: SubjectNameStrategy = 'topic',
) {
  const limits = {
    textCharsMax: 10_000,
    referencesMax: 5,
    referenceDepthMax: 3,
    entriesMax: 100,
    charsMax: 1_000_000,
    ...changes,
  }
  const codecs = new SchemaCodecs(createSchemaCompilers(defaultSchemaLimits), limits, { clock: systemClock })
  return new Schemas(
    {
      keyStrategy: strategy,
      valueStrategy: strategy,
      schemasPerSubjectMax: 10,
      entriesMax: limits.entriesMax,
      charsMax: limits.charsMax,
    },
    { registry, codecs, clock: systemClock },
  )
}

const record = (name: string, ...types: string[]) =>
  JSON.stringify({ type: 'record', name, fields: types.map((type, index) => ({ name: `f${index}`, type })) })
const reference = (name: string) => ({ name, subject: name, version: 1 })
const request = (text: string | null, id: number | null = null) =>
  ({ topic: 't', side: 'value', type: 'AVRO', text, id }) as const

describe('references', () => {
  test('each is fetched once, also where two ways lead to it', async () => {
    registry.add('D', record('D', 'int'))
    registry.add('B', record('B', 'D'), [reference('D')])
    registry.add('C', record('C', 'D'), [reference('D')])
    registry.byId.set(7, {
      type: 'AVRO',
      text: record('A', 'B', 'C'),
      references: [reference('B'), reference('C')],
    })
    const { codec } = await open().load(7)
    expect(codec.decode(Buffer.of(2, 4))).toBe('{"f0":{"f0":{"f0":1}},"f1":{"f0":{"f0":2}}}')
    expect(registry.calls.filter(call => call === 'version D 1')).toHaveLength(1)
  })

  test.each([
    ['to itself', () => registry.add('A', record('A', 'A'), [reference('A')]), 'in a circle'],
    [
      'in a circle',
      () => {
        registry.add('A', record('A', 'B'), [reference('B')])
        registry.add('B', record('B', 'A'), [reference('A')])
      },
      'in a circle',
    ],
    [
      'too deep',
      () => {
        registry.add('A', record('A', 'B'), [reference('B')])
        registry.add('B', record('B', 'C'), [reference('C')])
        registry.add('C', record('C', 'D'), [reference('D')])
        registry.add('D', record('D', 'int'))
      },
      'nested deeper than 3',
    ],
    [
      'too many',
      () => {
        const names = ['B', 'C', 'D', 'E', 'F']
        for (const name of names) registry.add(name, record(name, 'int'))
        registry.add('A', record('A', ...names), names.map(reference))
      },
      'more than 5 others',
    ],
    [
      'too long in all',
      () => registry.add('A', `${record('A', 'int')}${' '.repeat(10_000)}`),
      'longer than 10000',
    ],
    ['of another type', () => registry.add('A', 'syntax = "proto3";', [], 'PROTOBUF'), 'of type PROTOBUF'],
  ])('%s: the record is undecodable', async (_, add, detail) => {
    add()
    registry.byId.set(7, { type: 'AVRO', text: record('Top', 'A'), references: [reference('A')] })
    await expect(open().load(7)).rejects.toThrow(UndecodableRecord)
    await expect(open().load(7)).rejects.toThrow(detail)
  })

  test.each([
    [
      'AVRO',
      [
        ['D', record('D', 'C')],
        ['B', record('B', 'C')],
        ['C', record('C', 'int')],
        ['C', record('C', 'string')],
      ],
      record('A', 'B', 'D'),
      Buffer.of(2, 4),
      '{"f0":{"f0":{"f0":1}},"f1":{"f0":{"f0":2}}}',
    ],
    [
      'PROTOBUF',
      [
        ['D', 'syntax = "proto3"; import "C"; message D { C c = 1; }'],
        ['B', 'syntax = "proto3"; import "C"; message B { C c = 1; }'],
        ['C', 'syntax = "proto3"; message C { int32 i = 1; }'],
        ['C', 'syntax = "proto3"; message C { string i = 1; }'],
      ],
      'syntax = "proto3"; import "B"; import "D"; message A { B b = 1; D d = 2; }',
      Buffer.of(0, 10, 4, 10, 2, 8, 1, 18, 4, 10, 2, 8, 2),
      '{"b":{"c":{"i":1}},"d":{"c":{"i":2}}}',
    ],
  ])(
    '%s: of two versions under one name, the one that is met first counts',
    async (type, texts, text, bytes, json) => {
      for (const [subject = '', referred = ''] of texts) {
        const version = { B: 1, D: 2 }[subject]
        registry.add(
          subject,
          referred,
          version === undefined ? [] : [{ name: 'C', subject: 'C', version }],
          type,
        )
      }
      registry.byId.set(7, { type, text, references: [reference('B'), reference('D')] })
      expect((await open().load(7)).codec.decode(bytes)).toBe(json)
      expect(registry.calls).not.toContain('version C 2')
    },
  )

  test('the first counts also when the second is met under it', async () => {
    registry.add('C', record('C', 'int'), [{ name: 'C', subject: 'C', version: 2 }])
    registry.add('C', record('C', 'string'))
    registry.byId.set(7, { type: 'AVRO', text: record('A', 'C'), references: [reference('C')] })
    expect((await open().load(7)).codec.decode(Buffer.of(2))).toBe('{"f0":{"f0":1}}')
  })

  test('one that is not there makes the record undecodable', async () => {
    registry.byId.set(7, { type: 'AVRO', text: record('Top', 'A'), references: [reference('A')] })
    await expect(open().load(7)).rejects.toThrow(
      'Error retrieving schema for id 7: not found; error code: 40403',
    )
  })
})

describe('limits', () => {
  test('text beyond the limit is 42205, before the registry is asked', async () => {
    const text = record('R', 'int') + ' '.repeat(10_000)
    await expect(open().resolve(request(text))).rejects.toMatchObject({ status: 422, errorCode: 42205 })
    expect(registry.calls).toEqual([])
  })

  test('the error shows the start of the text only', async () => {
    await expect(open().resolve(request('{'.repeat(5000)))).rejects.toMatchObject({
      message: expect.stringMatching(/^[\s\S]{1000,1300}$/),
    })
  })

  test('an error shows the start of a subject only', async () => {
    const schemas = open({}, 'record')
    const text = record('R'.repeat(5000), 'int')
    vi.spyOn(registry, 'versions').mockRejectedValue(new RegistryError('unavailable', 'gone'))
    await expect(schemas.resolve(request(text))).rejects.toMatchObject({
      message: expect.stringMatching(/^[\s\S]{2000,2300}$/),
    })
  })

  test('the compiled schemas are bounded', async () => {
    const schemas = open({ entriesMax: 2 })
    for (const id of [1, 2, 3])
      registry.byId.set(id, { type: 'AVRO', text: record(`R${id}`), references: [] })
    for (const id of [1, 2, 3]) await schemas.load(id)
    expect([1, 2, 3].map(id => schemas.cached(id)?.id)).toEqual([undefined, 2, 3])
    const small = open({ charsMax: record('R1').length * 2 })
    for (const id of [1, 2, 3]) await small.load(id)
    expect([1, 2, 3].map(id => small.cached(id)?.id)).toEqual([undefined, 2, 3])
  })
})

describe('finding schemas', () => {
  test('the same text or id is compiled once', async () => {
    const schemas = open()
    const first = await schemas.resolve(request(record('R', 'int')))
    const again = await schemas.resolve(request(record('R', 'int')))
    expect(again?.schema).toBe(first?.schema)
    expect(schemas.cached(first?.schema.id ?? 0)).toBe(first?.schema)
    expect(registry.calls.filter(call => call.startsWith('register'))).toEqual(['register t-value'])
  })

  test('a schema named by GUID in a record header is found', async () => {
    const guid = '01020304-0506-0708-090a-0b0c0d0e0f10'
    registry.byId.set(guid, { type: 'AVRO', text: '"int"', references: [] })
    const schemas = open()
    expect((await schemas.load(guid)).codec.decode(Buffer.of(4))).toBe('2')
    expect(schemas.cached(guid)).toBeDefined()
  })

  test('a schema type that nobody here knows', async () => {
    registry.byId.set(7, { type: 'XML', text: '<a/>', references: [] })
    await expect(open().load(7)).rejects.toThrow('unknown schema type XML')
  })

  test('neither text nor id is no schema', async () => {
    expect(await open().resolve(request(null))).toBeNull()
  })
})
