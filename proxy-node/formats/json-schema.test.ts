import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { parseProduce } from '../../shared/rest/v2-shapes.ts'
import { jsonSchemaAndValues } from '../../test/support/json-schema-samples.ts'
import { checkProperty } from '../../test/support/property.ts'
import { CpuGuard, type WorkGuard } from './cpu-guard.ts'
import { SchemaRefused, UndecodableRecord } from './format.ts'
import { createJsonSchemaCompiler } from './json-schema.ts'
import { defaultSchemaLimits } from './schema-limits.ts'

// A thousand schemas are compiled, on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000 })

const compiler = createJsonSchemaCompiler(defaultSchemaLimits, new CpuGuard(defaultSchemaLimits.cpuMsMax))
const draft = (name: string) => ({ $schema: `http://json-schema.org/${name}/schema#` })
const draft2020 = { $schema: 'https://json-schema.org/draft/2020-12/schema' }

function codecOf(schema: unknown, references: Record<string, unknown> = {}) {
  const codec = compiler.compile({
    text: JSON.stringify(schema),
    references: Object.entries(references).map(([name, referred]) => ({
      name,
      text: JSON.stringify(referred),
    })),
  })
  codec.prepareEncode()
  return codec
}

function encoded(codec: ReturnType<typeof codecOf>, value: unknown): string {
  return String(codec.encode({ value, text: JSON.stringify(value) }))
}

function badRequest(detail: unknown) {
  return expect.objectContaining({ status: 400, errorCode: 400, message: detail })
}

describe('JSON Schema values', () => {
  test('what fits is stored as it is, what does not is refused', async () => {
    await checkProperty(
      'JSON Schema round trip',
      fc.property(jsonSchemaAndValues, ({ schema, value, other }) => {
        const codec = codecOf(schema)
        const stored = codec.encode({ value, text: JSON.stringify(value) })
        expect(codec.decode(stored ?? Buffer.alloc(0))).toBe(JSON.stringify(value))
        if (other !== undefined) expect(() => encoded(codec, other)).toThrow(badRequest(expect.any(String)))
      }),
    )
  })

  test('numbers keep their text', () => {
    const text = '{"b":1.10,"2":12345678901234567890,"1":1e3}'
    expect(
      codecOf({ type: 'object' })
        .encode({ value: JSON.parse(text), text })
        ?.toString(),
    ).toBe(text)
  })

  test('null is stored as the text null where the schema allows it', () => {
    expect(
      codecOf({ type: ['null', 'integer'] })
        .encode(null)
        ?.toString(),
    ).toBe('null')
    expect(() => codecOf({ type: 'integer' }).encode(null)).toThrow(
      badRequest('Bad Request: #: expected type: Integer, found: null'),
    )
  })

  test.each([
    [{ type: 'integer' }, 'a', '#: expected type: Integer, found: String'],
    [
      { properties: { 'a/b': { type: 'string' } } },
      { 'a/b': [] },
      '#/a~1b: expected type: String, found: JSONArray',
    ],
    [{ required: ['toString'] }, {}, '#: required key [toString] not found'],
    [{ additionalProperties: false }, { x: 1 }, '#: extraneous key [x] is not permitted'],
    [{ enum: ['a'] }, 'b', '#: b is not a valid enum value'],
    [{ maximum: 1 }, 2, '#: must be <= 1'],
    [{ multipleOf: 0.01 }, 0.015, '#: is not a multiple of 0.01'],
    [
      { uniqueItems: true },
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
      '#: array items are not unique',
    ],
    [false, 1, '#: boolean schema is false'],
  ])('%j refuses %j', (schema, value, detail) => {
    expect(() => encoded(codecOf(schema), value)).toThrow(badRequest(`Bad Request: ${detail}`))
  })

  test.each([19.99, 0, -0.07, 1e300])('%d is a multiple of 0.01', value => {
    expect(encoded(codecOf({ multipleOf: 0.01 }), value)).toBe(JSON.stringify(value))
  })

  test.each([
    [1e300, 1e-300, true],
    [3e300, 7e-300, false],
    [2e-300, 1e300, false],
    [0, 1e300, true],
    [1e60, 2 ** 50, true],
    [1e60, 3, false],
    [-6e200, 1.5e100, true],
  ])('%d as a multiple of %d: %s', (value, multipleOf, fits) => {
    const codec = codecOf({ multipleOf })
    if (fits) expect(encoded(codec, value)).toBe(JSON.stringify(value))
    else expect(() => encoded(codec, value)).toThrow(badRequest(expect.stringContaining('multiple')))
  })

  test('on reading, the stored text is shown as it is, valid or not', () => {
    const codec = codecOf({ type: 'integer' })
    expect(codec.decode(Buffer.from('{"a": 1}'))).toBe('{"a": 1}')
    expect(() => codec.decode(Buffer.from('{'))).toThrow(UndecodableRecord)
  })

  test('an error does not echo a huge value', () => {
    expect(() => encoded(codecOf({ enum: [1] }), 'x'.repeat(100_000))).toThrow(
      badRequest(expect.stringMatching(/^.{900,1200}$/)),
    )
  })
})

describe('JSON Schema drafts', () => {
  test('draft 4: exclusive limits are flags, and later keywords mean nothing', () => {
    const codec = codecOf({
      ...draft('draft-04'),
      id: 'http://example.com/a',
      properties: { id: { type: 'integer' }, n: { minimum: 1, exclusiveMinimum: true }, c: { const: 1 } },
    })
    expect(encoded(codec, { id: 1, n: 2, c: 5 })).toBe('{"id":1,"n":2,"c":5}')
    expect(() => encoded(codec, { n: 1 })).toThrow(badRequest('Bad Request: #/n: must be > 1'))
    expect(() => encoded(codec, { id: 'a' })).toThrow(badRequest(expect.stringContaining('#/id')))
  })

  test.each([
    [draft('draft-06'), { exclusiveMinimum: 1 }, 1],
    [draft('draft-07'), JSON.parse('{"if":{"type":"string"},"then":{"const":"a"}}'), 'b'],
    [
      { $schema: 'https://json-schema.org/draft/2019-09/schema' },
      { dependentRequired: { a: ['b'] } },
      { a: 1 },
    ],
    [draft2020, { prefixItems: [{ type: 'string' }] }, [1]],
    [draft2020, { $dynamicRef: '#a', $defs: { x: { $dynamicAnchor: 'a', type: 'string' } } }, 1],
    [{}, JSON.parse('{"then":{"const":"a"},"if":true}'), 'b'],
  ])('%j %j refuses %j', (named, schema, value) => {
    expect(() => encoded(codecOf({ ...named, ...schema }), value)).toThrow(badRequest(expect.any(String)))
  })

  test.each([
    ['at the top', { $async: true, properties: { a: { type: 'integer' } } }, {}],
    ['below', { properties: { a: { $async: true, type: 'integer' } } }, {}],
    ['of another kind', { $async: 'yes', properties: { a: { type: 'integer' } } }, {}],
    [
      'referred to',
      { $ref: 'b.json' },
      { 'b.json': { $async: true, properties: { a: { type: 'integer' } } } },
    ],
  ])(
    '$async, a word of ajv, lets nothing through and leaves no promise behind: %s',
    async (_, schema, references) => {
      const rejected: unknown[] = []
      const note = (reason: unknown) => rejected.push(reason)
      process.on('unhandledRejection', note)
      try {
        const codec = codecOf(schema, references)
        expect(encoded(codec, { a: 1 })).toBe('{"a":1}')
        expect(() => encoded(codec, { a: 'x' })).toThrow(badRequest(expect.stringContaining('#/a')))
        await new Promise(resolve => setImmediate(resolve))
        expect(rejected).toEqual([])
      } finally {
        process.off('unhandledRejection', note)
      }
    },
  )

  test('a property may be called $async', () => {
    const codec = codecOf({ properties: { $async: { type: 'integer' } } })
    expect(encoded(codec, { $async: 1 })).toBe('{"$async":1}')
    expect(() => encoded(codec, { $async: 'x' })).toThrow(badRequest(expect.stringContaining('async')))
  })

  test.each([
    [{ type: 'integer' }, '1234567890123456789'],
    [{ type: 'number' }, '-9007199254740993'],
    [{ enum: [Number('1234567890123456789')] }, '1234567890123456789'],
    [{ items: { type: 'integer' }, uniqueItems: true }, '[1234567890123456789,1]'],
  ])('whole numbers beyond 2^53 are numbers, and keep their digits: %j %s', (schema, text) => {
    const body = new TextEncoder().encode(`{"records":[{"value":${text}}]}`)
    const [record] = parseProduce(body, 'produce.arg2', { depthMax: 9, recordsMax: 1 }).records
    expect(String(codecOf(schema).encode(record?.value ?? null))).toBe(text)
    const refused = codecOf({ items: { type: 'string' }, type: ['array', 'string'] })
    expect(() => refused.encode(record?.value ?? null)).toThrow(badRequest(expect.any(String)))
  })

  test.each([
    ['id, as in draft 4', { id: 'urn:jsonschema:x', properties: { a: { id: 5, type: 'integer' } } }],
    ['nullable, as in OpenAPI', { nullable: true, properties: { a: { nullable: true, type: 'integer' } } }],
    ['properties that are called so', { properties: { id: { nullable: false }, nullable: true } }],
  ])('without a meaning in later drafts: %s', (_, schema) => {
    const codec = codecOf({ ...schema, additionalProperties: false })
    const names = Object.keys(schema.properties)
    for (const name of names) expect(encoded(codec, { [name]: 1 })).toBe(`{"${name}":1}`)
    expect(() => encoded(codec, { b: 1 })).toThrow(badRequest(expect.stringContaining('extraneous key')))
    if (names[0] === 'a')
      expect(() => encoded(codec, { a: null })).toThrow(badRequest(expect.stringContaining('#/a')))
  })

  test.each([
    ['an older one refers to a newer', {}, { ...draft2020, prefixItems: [{ type: 'string' }], items: false }],
    ['a newer one refers to an older', draft2020, { items: [{ type: 'string' }], additionalItems: false }],
    [
      'of 2019-09 likewise',
      draft2020,
      {
        $schema: 'https://json-schema.org/draft/2019-09/schema',
        items: [{ type: 'string' }],
        additionalItems: false,
      },
    ],
  ])('two drafts in one schema: %s', (_, named, referred) => {
    const codec = codecOf(
      { ...named, properties: { list: { $ref: 'list.json' } } },
      { 'list.json': referred },
    )
    expect(encoded(codec, { list: ['a'] })).toBe('{"list":["a"]}')
    expect(() => encoded(codec, { list: [1] })).toThrow(badRequest(expect.stringContaining('#/list/0')))
    expect(() => encoded(codec, { list: ['a', 'b'] })).toThrow(badRequest(expect.stringContaining('#/list')))
  })

  test('formats are checked up to draft 7, and describe from 2019-09 on', () => {
    expect(() => encoded(codecOf({ format: 'date' }), '2023-02-29')).toThrow(badRequest(expect.any(String)))
    expect(encoded(codecOf({ ...draft2020, format: 'date' }), '2023-02-29')).toBe('"2023-02-29"')
    expect(encoded(codecOf({ format: 'of my own' }), 'x')).toBe('"x"')
  })

  test.each([
    ['draft-04', 'date', 'x'],
    ['draft-04', 'uri', 'a/b#c'],
    ['draft-04', 'json-pointer', 'x'],
    ['draft-06', 'time', 'x'],
    ['draft-06', 'relative-json-pointer', 'x'],
    ['draft-07', 'regex', '('],
  ])('%s does not check the format %s', (named, format, value) => {
    expect(encoded(codecOf({ ...draft(named), format }), value)).toBe(JSON.stringify(value))
  })

  test.each([
    ['date-time', '2024-02-29T23:59:60.5+02:00', '2024-02-29 23:59:60Z'],
    ['time', '00:00:00Z', '24:00:00Z'],
    ['email', 'a@b', 'a@b@c'],
    ['hostname', 'a-b.example', '-a.example'],
    ['ipv4', '127.0.0.1', '256.0.0.1'],
    ['ipv6', '::1', '1::2::3'],
    ['uri', 'urn:a', 'no uri'],
    ['uri', 'a:b', 'a/b'],
    ['uri-reference', 'a/b#c', 'a b'],
    ['json-pointer', '', 'a'],
    ['json-pointer', '/a~1b//c d', '/a~2'],
    ['relative-json-pointer', '0#', '01'],
    ['relative-json-pointer', '12/a', '1a'],
  ])('format %s takes %s and not %s', (format, good, bad) => {
    expect(encoded(codecOf({ format }), good)).toBe(JSON.stringify(good))
    expect(() => encoded(codecOf({ format }), bad)).toThrow(badRequest(expect.any(String)))
  })
})

describe('JSON Schema references', () => {
  const address = { type: 'object', required: ['street'], definitions: { zip: { type: 'string' } } }

  test.each([
    ['by name', {}, 'address.json', {}],
    ['by a name relative to the schema’s id', { $id: 'http://example.com/order.json' }, 'address.json', {}],
    ['by an absolute name', {}, 'http://example.com/address.json', {}],
    ['to a schema with another id', {}, 'address.json', { $id: 'http://elsewhere.example/a' }],
  ])('%s', (_, root, name, id) => {
    const schema = { ...root, properties: { at: { $ref: name }, zip: { $ref: `${name}#/definitions/zip` } } }
    const codec = codecOf(schema, { [name]: { ...id, ...address } })
    expect(encoded(codec, { at: { street: 'x' }, zip: '1' })).toBe('{"at":{"street":"x"},"zip":"1"}')
    expect(() => encoded(codec, { at: {} })).toThrow(badRequest(expect.stringContaining('#/at')))
    expect(() => encoded(codec, { zip: 1 })).toThrow(badRequest(expect.stringContaining('#/zip')))
  })

  test('references of references', () => {
    const codec = codecOf(
      { $ref: 'b.json' },
      { 'c.json': { type: 'integer' }, 'b.json': { $id: 'http://example.com/dir/b.json', $ref: 'c.json' } },
    )
    expect(encoded(codec, 1)).toBe('1')
    expect(() => encoded(codec, 'x')).toThrow(badRequest(expect.any(String)))
  })

  test.each([{}, draft('draft-04'), draft2020])('of a schema to itself (%j)', named => {
    const codec = codecOf({ ...named, properties: { next: { $ref: '#' } }, additionalProperties: false })
    expect(encoded(codec, { next: { next: {} } })).toBe('{"next":{"next":{}}}')
    expect(() => encoded(codec, { next: { x: 1 } })).toThrow(badRequest(expect.stringContaining('#/next')))
  })

  describe.each(['draft-04', 'draft-06', 'draft-07'])('keywords beside a $ref mean nothing to %s', name => {
    const text = { type: 'string' }

    test.each([
      ['a limit', { p: { $ref: '#/definitions/text', maxLength: 1 } }, 'abc', 1],
      ['another type', { p: { $ref: '#/definitions/text', type: 'integer', nullable: 1 } }, 'abc', 1],
      ['one that is wrong', { p: { $ref: '#/definitions/text', type: 'foo', minimum: 'x' } }, 'abc', 1],
      ['closed', { p: { $ref: '#/definitions/open', additionalProperties: false } }, { x: 'a' }, { x: 1 }],
      [
        'definitions of its own',
        { p: { $ref: '#/properties/p/definitions/a', definitions: { a: text } } },
        'a',
        1,
      ],
      [
        'what it points into',
        { p: { $ref: '#/properties/p/properties/a', properties: { a: text } } },
        'a',
        1,
      ],
    ])('%s', (_, properties, good, bad) => {
      const definitions = { text, open: { type: 'object', properties: { x: text } } }
      const codec = codecOf({ ...draft(name), definitions, properties })
      expect(encoded(codec, { p: good })).toBe(JSON.stringify({ p: good }))
      expect(() => encoded(codec, { p: bad })).toThrow(badRequest(expect.stringContaining('#/p')))
    })

    test('at the top', () => {
      const codec = codecOf({ ...draft(name), $ref: '#/a', type: 'object', required: ['x'], a: text })
      expect(encoded(codec, 'abc')).toBe('"abc"')
      expect(() => encoded(codec, { x: 1 })).toThrow(badRequest(expect.stringContaining('String')))
    })

    test('a property may be called $ref, and an enum may have what looks like one', () => {
      const value = { $ref: 'a', type: 'b' }
      const codec = codecOf({ ...draft(name), properties: { $ref: text, type: text }, enum: [value] })
      expect(encoded(codec, value)).toBe(JSON.stringify(value))
      expect(() => encoded(codec, { $ref: 1, type: 'b' })).toThrow(badRequest(expect.any(String)))
      expect(() => encoded(codec, { $ref: 'a' })).toThrow(badRequest(expect.any(String)))
    })

    test('also where a later draft refers to it', () => {
      const older = { ...draft(name), definitions: { text }, $ref: '#/definitions/text', maxLength: 1 }
      const codec = codecOf(
        { ...draft2020, properties: { p: { $ref: 'older.json' } } },
        { 'older.json': older },
      )
      expect(encoded(codec, { p: 'abc' })).toBe('{"p":"abc"}')
      expect(() => encoded(codec, { p: 1 })).toThrow(badRequest(expect.stringContaining('#/p')))
    })
  })

  test('keywords beside a $ref count from 2019-09 on', () => {
    const codec = codecOf({ ...draft2020, $ref: '#/$defs/a', maxLength: 1, $defs: { a: { type: 'string' } } })
    expect(() => encoded(codec, 'abc')).toThrow(badRequest(expect.any(String)))
  })

  test('to the draft itself', () => {
    expect(() => encoded(codecOf({ $ref: 'http://json-schema.org/draft-07/schema#' }), { type: 1 })).toThrow(
      badRequest(expect.any(String)),
    )
  })
})

describe('JSON Schema texts that are refused', () => {
  test.each([
    '{foo',
    '[]',
    '5',
    'null',
    '{"type":"foo"}',
    '{"$ref":"missing.json"}',
    '{"pattern":"("}',
    '{"pattern":"(?!a)"}',
    '{"pattern":"(a)\\\\1"}',
    '{"minimum":"1"}',
  ])('%s', text => {
    expect(() => compiler.compile({ text, references: [] }).prepareEncode()).toThrow(SchemaRefused)
  })

  test('one that cannot be written with can still be read with', () => {
    const codec = compiler.compile({ text: '{"pattern":"(?!a)"}', references: [] })
    expect(codec.decode(Buffer.from('"b"'))).toBe('"b"')
  })
})

describe('hostile JSON Schemas', () => {
  /** A codec that had all the time to be compiled, and has 50 ms to check a value; with no more than `allowanceMs` in all. */
  function guarded(schema: unknown, allowanceMs = 5000) {
    let guard: WorkGuard = new CpuGuard(60_000)
    const bounded: WorkGuard = { run: work => guard.run(work) }
    const text = JSON.stringify(schema)
    const codec = createJsonSchemaCompiler(defaultSchemaLimits, bounded).compile({ text, references: [] })
    codec.prepareEncode()
    guard = new CpuGuard(50, allowanceMs)
    return codec
  }

  /** Each level checks the next twice: 2^40 checks of one number. */
  function laughs(named: object): unknown {
    const levels = Array.from({ length: 40 }, (_, level) => {
      const next = { $ref: `#/definitions/d${level + 1}` }
      return [`d${level}`, { allOf: [next, next] }] as const
    })
    return {
      ...named,
      properties: { a: { $ref: '#/definitions/d0' } },
      definitions: Object.fromEntries([...levels, ['d40', { type: 'integer' }]]),
    }
  }

  test.each([draft('draft-04'), {}, { $schema: 'https://json-schema.org/draft/2019-09/schema' }, draft2020])(
    'a check without end is cut off (%j)',
    named => {
      expect(() => encoded(guarded(laughs(named)), { a: 1 })).toThrow(
        badRequest(expect.stringContaining('takes longer than 50 ms')),
      )
    },
  )

  test('a schema that is nothing but itself', () => {
    expect(() => encoded(guarded({ allOf: [{ $ref: '#' }] }), 1)).toThrow(
      badRequest(expect.stringContaining('without end')),
    )
  })

  test('patterns take linear time', () => {
    expect(() => encoded(codecOf({ pattern: '^(a+)+$' }), `${'a'.repeat(100_000)}!`)).toThrow(
      badRequest(expect.stringContaining('must match pattern')),
    )
  })

  test('a value that has to be held against a thousand patterns is cut off', () => {
    const anyOf = Array.from({ length: 1000 }, (_, index) => ({ pattern: `^(a|b|${index})+$` }))
    const words = new Array(10_000).fill(`${'ab'.repeat(50)}!`)
    expect(() => encoded(guarded({ items: { anyOf: [...anyOf, { type: 'string' }] } }), words)).toThrow(
      badRequest(expect.stringContaining('takes longer than 50 ms')),
    )
  })

  test('unique items are found in one pass', () => {
    const items = Array.from({ length: 20_000 }, (_, index) => ({ index }))
    expect(encoded(codecOf({ uniqueItems: true }), items)).toHaveLength(JSON.stringify(items).length)
  })

  /** How often the guard runs while the values are checked. */
  function guardedRuns(text: string, ...values: readonly unknown[]): number {
    let runs = 0
    const guard: WorkGuard = {
      run(work) {
        runs++
        return work()
      },
    }
    const codec = createJsonSchemaCompiler(defaultSchemaLimits, guard).compile({ text, references: [] })
    codec.prepareEncode()
    const before = runs
    for (const value of values) encoded(codec, value)
    return runs - before
  }

  test('unique items at each level of a deep value are compared under the guard', () => {
    let deep: unknown = 'x'.repeat(200_000)
    for (let level = 0; level < 100; level++) deep = [deep]
    const text = '{"\\u0075niqueItems":true,"items":{"$ref":"#"}}'
    expect(guardedRuns(text, [1, 2])).toBe(0)
    expect(guardedRuns(text, deep)).toBe(1)
  })

  /** Each of the names but the last calls the next twice. */
  function doubling(last: object, names = [...'abcdefghijklmn']): Record<string, unknown> {
    const levels = names.slice(1).map((next, level) => {
      const call = { $ref: `#/${next}` }
      return [names[level], { allOf: [call, call] }] as const
    })
    return { ...Object.fromEntries(levels), [names.at(-1) ?? '']: last, $ref: '#/a' }
  }

  test.each([{ pattern: '(b|c)*$' }, { pattern: 'z|$' }, { maxLength: 1_000_000 }])(
    'a long value that is looked at by call after call of %j is cut off',
    last => {
      expect(() => encoded(guarded(doubling(last)), 'b'.repeat(300_000))).toThrow(
        badRequest(expect.stringContaining('takes longer than 50 ms')),
      )
    },
  )

  test('what all calls look at together decides about the guard', () => {
    const calls = JSON.stringify(doubling({ maxLength: 1_000_000 }, [...'abcdefgh']))
    expect(guardedRuns(calls, 'b'.repeat(10))).toBe(0)
    expect(guardedRuns(calls, 'b'.repeat(3000))).toBe(1)
    // One call for each part is no more than the value is long, however many there are.
    const parts = '{"items":{"$ref":"#/definitions/name"},"definitions":{"name":{"maxLength":100}}}'
    expect(guardedRuns(parts, new Array(3000).fill('a name'))).toBe(0)
    const tree = '{"properties":{"name":{"type":"string"},"kids":{"type":"array","items":{"$ref":"#"}}}}'
    const grown = (depth: number): unknown => ({
      name: 'a name',
      kids: depth === 0 ? [] : [grown(depth - 1), grown(depth - 1), grown(depth - 1)],
    })
    expect(guardedRuns(tree, grown(5))).toBe(0)
    expect(guardedRuns(tree, grown(9))).toBe(1)
  })

  test('calls of a large schema run under the guard, however short the value is', () => {
    const call = { $ref: '#/x' }
    const calls = (count: number) =>
      JSON.stringify({
        anyOf: [...new Array(count).fill(call), { type: 'number' }],
        x: { anyOf: new Array(300).fill(false) },
      })
    expect(guardedRuns(calls(10), 1)).toBe(0)
    expect(guardedRuns(calls(400), 1)).toBe(1)
  })

  test('the first of many errors of schemas that are called is shown', () => {
    const schema = {
      anyOf: [{ $ref: '#/x' }, { $ref: '#/x' }, { type: 'string' }],
      x: { oneOf: [{ $ref: '#/y' }, { $ref: '#/y' }] },
      y: { anyOf: [{ minimum: 5 }, { maximum: 0 }] },
    }
    expect(encoded(codecOf({ not: schema, x: schema.x, y: schema.y }), 1)).toBe('1')
    expect(encoded(codecOf(schema), 'a')).toBe('"a"')
    expect(() => encoded(codecOf(schema), 1)).toThrow(badRequest('Bad Request: #: must be >= 5'))
  })

  test('multiples of a fraction are told under the guard where they are many', () => {
    const text = '{"items":{"multipleOf":1e-300}}'
    expect(guardedRuns(text, [1e300, 1])).toBe(0)
    expect(guardedRuns(text, new Array(80_000).fill(1e300))).toBe(1)
  })

  test('a schema nested without end is refused, not a stack overflow', () => {
    const text = `${'{"items":'.repeat(100_000)}true${'}'.repeat(100_000)}`
    expect(() => compiler.compile({ text, references: [] })).toThrow(SchemaRefused)
  })

  test('a schema that takes too long to compile is refused', () => {
    const properties = Object.fromEntries(
      Array.from({ length: 5000 }, (_, index) => [`p${index}`, { type: 'object', required: ['a'] }]),
    )
    const quick = createJsonSchemaCompiler(defaultSchemaLimits, new CpuGuard(5))
    const codec = quick.compile({ text: JSON.stringify({ properties }), references: [] })
    expect(() => codec.prepareEncode()).toThrow(SchemaRefused)
  })

  test('the allowance ends, and what has no need of the guard goes on', () => {
    const endless = guarded(laughs({}), 100)
    const outcomes = Array.from({ length: 20 }, () => {
      try {
        return encoded(endless, { a: 1 })
      } catch (error) {
        return error
      }
    })
    expect(outcomes).toContainEqual(expect.objectContaining({ status: 429, errorCode: 42915 }))
    expect(encoded(endless, { b: 1 })).toBe('{"b":1}')
  })
})
