import { isJsonObject } from './exact-json.ts'
import { SchemaRefused } from './format.ts'

/** What of a named type, field list or collection the encoding of values depends on, and holds no schema. */
const plainKeys = ['type', 'name', 'namespace', 'size'] as const

/**
 * Leaves defaults, docs, aliases, orders and logical types out of a schema: neither side applies them (contract v2
 * §6.5), and avsc is stricter with them than the registry that has accepted them, for instance with the default of a
 * union's second branch or a default beyond 2^53. What remains is for avsc to check.
 * @throws SchemaRefused beyond `depthMax` levels, or where there is no schema at all.
 */
export function avroSkeleton(schema: unknown, depthMax: number): unknown {
  if (depthMax < 0) throw new SchemaRefused('the schema is nested too deep')
  const inner = (value: unknown) => avroSkeleton(value, depthMax - 1)
  if (typeof schema === 'string') return schema
  if (Array.isArray(schema)) return schema.map(inner)
  if (!isJsonObject(schema)) throw new SchemaRefused('a schema must be a string, an array or an object')
  // {"type": {"type": "record", …}} and {"type": ["null", …]} mean what is inside.
  if (typeof schema['type'] !== 'string') return inner(schema['type'])
  const skeleton: Record<string, unknown> = {}
  for (const key of plainKeys) {
    if (Object.hasOwn(schema, key)) skeleton[key] = schema[key]
  }
  // A full name stands for itself; avsc would put what is nested in it into the other namespace.
  if (typeof schema['name'] === 'string' && schema['name'].includes('.')) delete skeleton['namespace']
  if (Object.hasOwn(schema, 'symbols')) skeleton['symbols'] = markedSymbols(schema['symbols'])
  for (const key of ['items', 'values']) {
    if (Object.hasOwn(schema, key)) skeleton[key] = inner(schema[key])
  }
  if (Object.hasOwn(schema, 'fields')) skeleton['fields'] = fieldSkeletons(schema['fields'], inner)
  return skeleton
}

/** avsc refuses symbols that objects inherit, such as `constructor`; marked, none is. `symbolsOf` takes the mark off. */
function markedSymbols(symbols: unknown): unknown {
  return Array.isArray(symbols)
    ? symbols.map(symbol => (typeof symbol === 'string' ? `_${symbol}` : symbol))
    : symbols
}

/** The symbols of an enum that avsc made of a skeleton. */
export function symbolsOf(type: { readonly symbols: readonly string[] }): readonly string[] {
  return type.symbols.map(symbol => symbol.slice(1))
}

function fieldSkeletons(fields: unknown, inner: (schema: unknown) => unknown): unknown {
  if (!Array.isArray(fields)) throw new SchemaRefused("a record's fields must be an array")
  return fields.map(field => {
    if (!isJsonObject(field)) throw new SchemaRefused('a field must be an object')
    return { name: field['name'], type: inner(field['type']) }
  })
}
