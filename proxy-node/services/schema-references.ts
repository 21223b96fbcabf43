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
  /** By name and version of a subject; a Map keeps the order in which they were finished. */
  readonly done: Map<string, SchemaReferenceSource>
  chars: number
}

/**
 * Fetches all that a schema refers to, those that others refer to first, each once.
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
    done: new Map(),
    chars: schema.text.length,
  }
  await visit(schema, [], walk)
  return [...walk.done.values()]
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
    const key = JSON.stringify([name, subject, version])
    if (walk.done.has(key)) continue
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
    if (walk.done.size >= limits.referencesMax) {
      throw new SchemaRefused(`the schema refers to more than ${limits.referencesMax} others`)
    }
    walk.done.set(key, { name, text: referred.text })
  }
}
