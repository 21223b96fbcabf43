import fc from 'fast-check'
import { floatText } from '../../proxy-node/formats/number-text.ts'

/** An Avro schema with the means to make values of it, in Avro's JSON encoding. */
interface Shape {
  readonly schema: unknown
  /** What tags it in a union. */
  readonly label: string
  readonly value: fc.Arbitrary<unknown>
}

const positiveZero = (value: number) => (Object.is(value, -0) ? 0 : value)
// A float is shown as the shortest text that names it, which as a double is another number.
const float = fc
  .float({ noNaN: true, noDefaultInfinity: true })
  .map(value => Number(floatText(positiveZero(value))))
const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map(positiveZero)
const text = fc.string({ unit: 'binary', maxLength: 40 })

/** Texts that stand for bytes. */
function bytesText(minLength: number, maxLength: number): fc.Arbitrary<string> {
  return fc.uint8Array({ minLength, maxLength }).map(bytes => Buffer.from(bytes).toString('latin1'))
}

const primitives: Shape[] = Object.entries({
  null: fc.constant(null),
  boolean: fc.boolean(),
  int: fc.integer(),
  // Beyond this avsc, which the results are compared with, loses the last digit.
  long: fc.maxSafeInteger().map(value => value % 2 ** 51),
  float,
  double,
  bytes: bytesText(0, 20),
  string: text,
}).map(([name, value]) => ({ schema: name, label: name, value }))

const primitive = fc.constantFrom(...primitives)

let names = 0

/** A named type; a schema may define each name once. */
function named(attributes: object, value: fc.Arbitrary<unknown>): Shape {
  const label = `ns.N${names++}`
  return { schema: { ...attributes, name: label }, label, value }
}

const enumeration = fc.integer({ min: 1, max: 5 }).map(count => {
  const symbols = Array.from({ length: count }, (_, index) => `S${index}`)
  return named({ type: 'enum', symbols }, fc.constantFrom(...symbols))
})

const fixed = fc
  .integer({ min: 0, max: 9 })
  .map(size => named({ type: 'fixed', size }, bytesText(size, size)))

function arrayOf({ schema, value }: Shape): Shape {
  return {
    schema: { type: 'array', items: schema },
    label: 'array',
    value: fc.array(value, { maxLength: 4 }),
  }
}

function mapOf({ schema, value }: Shape): Shape {
  const values = fc.dictionary(fc.string({ maxLength: 8 }), value, { maxKeys: 4, noNullPrototype: true })
  return { schema: { type: 'map', values: schema }, label: 'map', value: values }
}

function recordOf(shapes: readonly Shape[]): Shape {
  const fields = shapes.map(({ schema }, index) => ({ name: `f${index}`, type: schema }))
  const values = Object.fromEntries(shapes.map(({ value }, index) => [`f${index}`, value]))
  return named({ type: 'record', fields }, fc.record(values, { noNullPrototype: true }))
}

/** Each branch has another label: a union may have only one of each. */
function unionOf(branches: readonly Shape[]): Shape {
  const tagged = branches.map(({ label, value }) =>
    label === 'null' ? value : value.map(inner => ({ [label]: inner })),
  )
  return { schema: branches.map(({ schema }) => schema), label: 'union', value: fc.oneof(...tagged) }
}

const { shape } = fc.letrec<{ shape: Shape; branch: Shape }>(tie => ({
  // A union may not hold a union.
  branch: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    primitive,
    enumeration,
    fixed,
    tie('shape').map(arrayOf),
    tie('shape').map(mapOf),
    fc.array(tie('shape'), { maxLength: 5 }).map(recordOf),
  ),
  shape: fc.oneof(
    { weight: 4, arbitrary: tie('branch') },
    {
      weight: 1,
      arbitrary: fc
        .uniqueArray(tie('branch'), { minLength: 1, maxLength: 4, selector: ({ label }) => label })
        .map(unionOf),
    },
  ),
}))

/** An Avro schema and a value of it. */
export const avroSchemaAndValue: fc.Arbitrary<{ schema: unknown; value: unknown }> = shape.chain(made =>
  made.value.map(value => ({ schema: made.schema, value })),
)
