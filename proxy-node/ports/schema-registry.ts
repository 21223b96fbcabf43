/**
 * A Schema Registry as this system sees it, in the vocabulary of Confluent's API. Ids are immutable: what was once
 * read under an id never changes. All calls throw RegistryError.
 */
export interface SchemaRegistry {
  /** `GET /schemas/ids/{id}` */
  schemaById(id: number, signal?: AbortSignal): Promise<RegistrySchema>
  /** `GET /schemas/guids/{guid}`, since Confluent 8.0; the GUID is a lower-case UUID. */
  schemaByGuid(guid: string, signal?: AbortSignal): Promise<RegistrySchema>
  /** `GET /subjects/{subject}/versions/{version}` */
  schemaVersion(subject: string, version: number | 'latest', signal?: AbortSignal): Promise<SubjectVersion>
  /** `POST /subjects/{subject}`: under which id and version a subject has this schema, if it has it. */
  lookup(subject: string, schema: RegistrySchema, signal?: AbortSignal): Promise<SubjectVersion>
  /** `POST /subjects/{subject}/versions`: registers it; a schema that the subject has keeps its id. */
  register(subject: string, schema: RegistrySchema, signal?: AbortSignal): Promise<{ readonly id: number }>
  /** `GET /subjects/{subject}/versions`; empty for an unknown subject. */
  versions(subject: string, signal?: AbortSignal): Promise<readonly number[]>
  stop(): Promise<void>
}

export interface RegistrySchema {
  /** `AVRO`, `JSON`, `PROTOBUF`, or a type that this system does not know. */
  readonly type: string
  readonly text: string
  readonly references: readonly RegistryReference[]
}

/** A text's reference to another schema, in the registry's terms. */
export interface RegistryReference {
  /** What the text calls it: an Avro full name, a JSON Schema `$ref`, a Protobuf import path. */
  readonly name: string
  readonly subject: string
  readonly version: number
}

export interface SubjectVersion {
  readonly subject: string
  readonly version: number
  readonly id: number
  readonly schema: RegistrySchema
}

/**
 * `answered`: the registry said no, with a status and its error code. `unavailable`: it could not be asked, or not
 * in time; the same call may succeed later. `overloaded`: too many calls wait already, this one was not made.
 */
export type RegistryErrorKind = 'answered' | 'unavailable' | 'overloaded'

export class RegistryError extends Error {
  readonly kind: RegistryErrorKind
  /** The HTTP status and the registry's `error_code`; null when it did not answer. */
  readonly status: number | null
  readonly errorCode: number | null

  constructor(
    kind: RegistryErrorKind,
    text: string,
    options: { status?: number; errorCode?: number; cause?: unknown } = {},
  ) {
    super(text, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'RegistryError'
    this.kind = kind
    this.status = options.status ?? null
    this.errorCode = options.errorCode ?? null
  }
}
