import { type SchemaReferenceSource, SchemaRefused } from '../formats/format.ts'
import type { RegistrySchema, SchemaRegistry } from '../ports/schema-registry.ts'

export interface ReferenceLimits {
  /** Characters of one schema text, and of all the texts that it refers to. */
  readonly textCharsMax: number
  /** Levels of references under one schema. */
  readonly referenceDepthMax: number
  /** Schemas that one schema may refer to, in all. */
  readonly referencesMax: number
}

interface Walk {
  readonly registry: SchemaRegistry
  readonly limits: ReferenceLimits
  readonly type: string
  readonly signal: AbortSignal | undefined
  /** The names met so far. A text can say a name only once, whichever versions stand behind it. */
  readonly names: Set<string>
  /** In the order in which they were finished. */
  readonly done: SchemaReferenceSource[]
  chars: number
}

/**
 * Fetches all that a schema refers to, those that others refer to first, each name once: where two ways lead to two
 * versions under one name, the first one met counts, depth first, as in Confluent's own clients.
 * @throws SchemaRefused for a cycle or beyond a limit, RegistryError when one cannot be fetched.
 */
export async function loadReferences(
  schema: RegistrySchema,
  registry: SchemaRegistry,
  limits: ReferenceLimits,
  signal?: AbortSignal,
): Promise<readonly SchemaReferenceSource[]> {
  if (schema.references.length === 0) return []
  const walk: Walk = {
    registry,
    limits,
    type: schema.type,
    signal,
    names: new Set(),
    done: [],
    chars: schema.text.length,
  }
  await visit(schema, [], walk)
  return walk.done
}

/** `path` is what led here: meeting one of it again is a cycle. */
async function visit(schema: RegistrySchema, path: readonly string[], walk: Walk): Promise<void> {
  const { limits } = walk
  if (schema.references.length > 0 && path.length >= limits.referenceDepthMax) {
    throw new SchemaRefused(`the schema's references are nested deeper than ${limits.referenceDepthMax}`)
  }
  for (const { name, subject, version } of schema.references) {
    const place = JSON.stringify([subject, version])
    if (path.includes(place)) throw new SchemaRefused(`the schema's references go in a circle at ${subject}`)
    if (walk.names.has(name)) continue
    walk.names.add(name)
    const { schema: referred } = await walk.registry.schemaVersion(subject, version, walk.signal)
    if (referred.type !== walk.type) {
      throw new SchemaRefused(`the schema of type ${walk.type} refers to ${subject} of type ${referred.type}`)
    }
    walk.chars += referred.text.length
    if (walk.chars > limits.textCharsMax) {
      throw new SchemaRefused(
        `the schema and its references are longer than ${limits.textCharsMax} characters`,
      )
    }
    await visit(referred, [...path, place], walk)
    if (walk.done.length >= limits.referencesMax) {
      throw new SchemaRefused(`the schema refers to more than ${limits.referencesMax} others`)
    }
    walk.done.push({ name, text: referred.text })
  }
}
