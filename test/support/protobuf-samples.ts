import fc from 'fast-check'
import { floatText } from '../../proxy-node/formats/number-text.ts'

/** A type as a `.proto` file names it, the declarations that it needs, and its values as ProtoJSON shows them. */
interface Shape {
  readonly type: string
  readonly declarations: string
  readonly value: fc.Arbitrary<unknown>
}

const positiveZero = (value: number) => (Object.is(value, -0) ? 0 : value)
const real = { noNaN: true, noDefaultInfinity: true }
const int32 = fc.integer()
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String)

const scalars: Shape[] = Object.entries({
  int32,
  sint32: int32,
  sfixed32: int32,
  uint32,
  fixed32: uint32,
  int64,
  sint64: int64,
  sfixed64: int64,
  uint64,
  fixed64: uint64,
  bool: fc.boolean(),
  string: fc.string({ unit: 'binary', maxLength: 20 }),
  bytes: fc.uint8Array({ maxLength: 20 }).map(bytes => Buffer.from(bytes).toString('base64')),
  double: fc.double(real).map(positiveZero),
  float: fc.float(real).map(value => Number(floatText(positiveZero(value)))),
}).map(([type, value]) => ({ type, declarations: '', value }))

const scalar = fc.constantFrom(...scalars)

let names = 0

const enumeration = fc.integer({ min: 1, max: 5 }).map((count): Shape => {
  const type = `E${names++}`
  const values = Array.from({ length: count }, (_, index) => `${type}_${index}`)
  const lines = values.map((name, index) => `${name} = ${index};`)
  return { type, declarations: `enum ${type} { ${lines.join(' ')} }\n`, value: fc.constantFrom(...values) }
})

interface Field {
  readonly rule: 'single' | 'optional' | 'repeated' | 'map'
  readonly shape: Shape
}

/** Fields without presence always have a value, as they are always shown. */
function messageOf(fields: readonly Field[], isMessage: (shape: Shape) => boolean): Shape {
  const type = `M${names++}`
  const lines = fields.map(({ rule, shape }, index) => {
    const declared = { single: '', optional: 'optional ', repeated: 'repeated ', map: '' }[rule]
    return `  ${rule === 'map' ? `map<string, ${shape.type}>` : declared + shape.type} f${index} = ${index + 1};`
  })
  const required: string[] = []
  const values: Record<string, fc.Arbitrary<unknown>> = {}
  for (const [index, { rule, shape }] of fields.entries()) {
    const name = `f${index}`
    if (rule === 'repeated') values[name] = fc.array(shape.value, { maxLength: 4 })
    else if (rule === 'map') {
      const keys = fc.string({ maxLength: 5 }).map(key => `k${key}`)
      values[name] = fc.dictionary(keys, shape.value, { maxKeys: 3, noNullPrototype: true })
    } else values[name] = shape.value
    if (rule !== 'optional' && !(rule === 'single' && isMessage(shape))) required.push(name)
  }
  return {
    type,
    declarations: `${fields.map(({ shape }) => shape.declarations).join('')}message ${type} {\n${lines.join('\n')}\n}\n`,
    value: fc.record(values, { requiredKeys: required, noNullPrototype: true }),
  }
}

const isMessage = ({ type }: Shape) => /^M\d/.test(type)

const { message } = fc.letrec<{ message: Shape; shape: Shape }>(tie => ({
  shape: fc.oneof({ depthSize: 'small', withCrossShrink: true }, scalar, enumeration, tie('message')),
  message: fc
    .array(
      fc.record({
        rule: fc.constantFrom<Field['rule']>('single', 'optional', 'repeated', 'map'),
        shape: tie('shape'),
      }),
      {
        maxLength: 5,
      },
    )
    .map(fields => messageOf(fields, isMessage)),
}))

/** A `.proto` text, the name of its last message, and a value of that. */
export const protobufSchemaAndValue: fc.Arbitrary<{ text: string; type: string; value: unknown }> =
  message.chain(({ type, declarations, value }) =>
    value.map(made => ({ text: `syntax = "proto3";\n${declarations}`, type, value: made })),
  )
