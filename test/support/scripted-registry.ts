import {
  RegistryError,
  type RegistryReference,
  type RegistrySchema,
  type SchemaRegistry,
} from '../../proxy-node/ports/schema-registry.ts'

/**
 * A registry in memory that holds whatever a test puts into it, also what a real one would refuse: references that go in
 * circles, schemas without end.
 */
export class ScriptedRegistry implements SchemaRegistry {
  readonly schemas = new Map<string, RegistrySchema>()
  readonly byId = new Map<number | string, RegistrySchema>()
  readonly calls: string[] = []

  /** Adds a version of a subject. */
  add(subject: string, text: string, references: readonly RegistryReference[] = [], type = 'AVRO'): void {
    const version = [...this.schemas.keys()].filter(key => key.startsWith(`${subject} `)).length + 1
    this.schemas.set(`${subject} ${version}`, { type, text, references })
  }

  async schemaById(id: number): Promise<RegistrySchema> {
    return this.#found(`id ${id}`, this.byId.get(id))
  }

  async schemaByGuid(guid: string): Promise<RegistrySchema> {
    return this.#found(`guid ${guid}`, this.byId.get(guid))
  }

  async schemaVersion(subject: string, version: number | 'latest') {
    const schema = this.#found(`version ${subject} ${version}`, this.schemas.get(`${subject} ${version}`))
    return { subject, version: Number(version), id: 1, schema }
  }

  async lookup(subject: string, schema: RegistrySchema) {
    const index = [...this.schemas].findIndex(
      ([key, { text }]) => key.startsWith(`${subject} `) && text === schema.text,
    )
    this.#found(`lookup ${subject}`, index < 0 ? undefined : schema)
    return { subject, version: index + 1, id: index + 1, schema }
  }

  async register(subject: string, schema: RegistrySchema) {
    this.calls.push(`register ${subject}`)
    this.add(subject, schema.text, schema.references, schema.type)
    return { id: this.schemas.size }
  }

  async versions(subject: string) {
    return [...this.schemas.keys()].filter(key => key.startsWith(`${subject} `)).map((_, index) => index + 1)
  }

  async stop(): Promise<void> {}

  #found(call: string, schema: RegistrySchema | undefined): RegistrySchema {
    this.calls.push(call)
    if (schema !== undefined) return schema
    throw new RegistryError('answered', 'not found; error code: 40403', { status: 404, errorCode: 40403 })
  }
}
