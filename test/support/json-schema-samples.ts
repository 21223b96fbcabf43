import fc from 'fast-check'

interface Shape {
  readonly schema: Record<string, unknown>
  readonly value: fc.Arbitrary<unknown>
  /** A value that the schema refuses. */
  readonly other: unknown
}

const text = fc.string({ unit: 'binary', maxLength: 20 })

const leaf: fc.Arbitrary<Shape> = fc.constantFrom<Shape>(
  { schema: { type: 'integer' }, value: fc.integer(), other: 0.5 },
  { schema: { type: 'number' }, value: fc.double({ noNaN: true, noDefaultInfinity: true }), other: 'x' },
  { schema: { type: 'string' }, value: text, other: 1 },
  { schema: { type: 'string', maxLength: 4 }, value: fc.string({ maxLength: 4 }), other: 'fives' },
  { schema: { type: 'string', pattern: '^(a|b)+$' }, value: fc.stringMatching(/^(a|b)+$/), other: 'abc' },
  { schema: { type: 'boolean' }, value: fc.boolean(), other: null },
  { schema: { type: 'null' }, value: fc.constant(null), other: false },
  { schema: { enum: ['a', 1, null, [1]] }, value: fc.constantFrom('a', 1, null, [1]), other: 2 },
  {
    schema: { type: 'integer', multipleOf: 3 },
    value: fc.integer().map(value => value - (value % 3)),
    other: 4,
  },
  { schema: { $ref: '#/definitions/short' }, value: fc.string({ maxLength: 2 }), other: 'long' },
)

const { shape } = fc.letrec<{ shape: Shape }>(tie => ({
  shape: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    tie('shape').map(({ schema, value, other }) => ({
      schema: { type: 'array', items: schema },
      value: fc.array(value, { maxLength: 4 }),
      other: [other],
    })),
    fc.array(tie('shape'), { minLength: 1, maxLength: 4 }).map(objectOf),
    fc.tuple(tie('shape'), tie('shape')).map(([one, two]) => ({
      schema: { anyOf: [one.schema, two.schema] },
      value: fc.oneof(one.value, two.value),
      other: undefined,
    })),
  ),
}))

function objectOf(shapes: readonly Shape[]): Shape {
  const names = shapes.map((_, index) => `p${index}`)
  const values = Object.fromEntries(shapes.map(({ value }, index) => [`p${index}`, value]))
  return {
    schema: {
      type: 'object',
      properties: Object.fromEntries(shapes.map(({ schema }, index) => [`p${index}`, schema])),
      required: names,
      additionalProperties: false,
    },
    value: fc.record(values, { noNullPrototype: true }),
    other: {},
  }
}

/** A JSON Schema, a value that it takes, and one that it refuses; undefined where none is known. */
export const jsonSchemaAndValues: fc.Arbitrary<{ schema: unknown; value: unknown; other: unknown }> =
  shape.chain(({ schema, value, other }) =>
    value.map(made => ({
      schema: { ...schema, definitions: { short: { type: 'string', maxLength: 2 } } },
      value: made,
      other,
    })),
  )
