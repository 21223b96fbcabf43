import {
  RegistryError,
  type RegistryReference,
  type RegistrySchema,
  type SubjectVersion,
} from '../ports/schema-registry.ts'

/** The body that names a schema. AVRO is the API's default, and registries before 5.5 know no other. */
export function registryJson({ type, text, references }: RegistrySchema): string {
  return JSON.stringify({
    schema: text,
    ...(type === 'AVRO' ? {} : { schemaType: type }),
    ...(references.length === 0 ? {} : { references }),
  })
}

/** @throws RegistryError when the answer is no schema. */
export function parseSchema(answer: Record<string, unknown>): RegistrySchema {
  const { schema, schemaType } = answer
  if (typeof schema !== 'string') throw new RegistryError('unavailable', 'the Schema Registry gave no schema')
  return {
    type: typeof schemaType === 'string' ? schemaType : 'AVRO',
    text: schema,
    references: Array.isArray(answer['references']) ? answer['references'].map(parseReference) : [],
  }
}

function parseReference(answer: unknown): RegistryReference {
  if (
    typeof answer === 'object' &&
    answer !== null &&
    'name' in answer &&
    'subject' in answer &&
    'version' in answer
  ) {
    const { name, subject, version } = answer
    if (typeof name === 'string' && typeof subject === 'string' && typeof version === 'number') {
      return { name, subject, version }
    }
  }
  throw new RegistryError('unavailable', 'the Schema Registry gave a reference that is none')
}

/**
 * @param asked the schema of a look-up, for registries that leave it out of the answer.
 * @throws RegistryError when the answer is no version of a subject.
 */
export function parseSubjectVersion(answer: Record<string, unknown>, asked?: RegistrySchema): SubjectVersion {
  const { subject, version, id } = answer
  if (typeof subject !== 'string' || typeof version !== 'number' || typeof id !== 'number') {
    throw new RegistryError('unavailable', 'the Schema Registry gave no version of a subject')
  }
  return { subject, version, id, schema: asked ?? parseSchema(answer) }
}

/** The registry's refusal, with the text that Confluent's clients make of it. */
export function parseRefusal(status: number, text: string): RegistryError {
  let message = `HTTP ${status}`
  let errorCode = status
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null) {
      if ('message' in body && typeof body.message === 'string') message = body.message
      if ('error_code' in body && typeof body.error_code === 'number') errorCode = body.error_code
    }
  } catch {
    // A proxy or balancer in front of the registry answered, in its own words: the status has to do.
  }
  const kind = status >= 500 || status === 408 || status === 429 ? 'unavailable' : 'answered'
  return new RegistryError(kind, `${message.slice(0, 2000)}; error code: ${errorCode}`, { status, errorCode })
}
