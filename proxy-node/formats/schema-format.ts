import {
  type CompiledSchema,
  type EmbeddedJson,
  type Format,
  type FormatName,
  type SchemaType,
  UndecodableRecord,
} from './format.ts'
import { frame, payloadOf, schemaNameOf } from './wire-format.ts'

export interface SchemaFormatOptions {
  /**
   * True: a null with a schema is a Kafka null whatever the schema says, as before 8.0 (contract v2 §6.4, setting
   * `null.request.body.always.publishes.empty.record`).
   */
  readonly nullPublishesEmptyRecord: boolean
}

/**
 * A format whose keys and values are framed with the id of their schema: what Avro, JSON Schema and Protobuf have in
 * common (contract v2 §6.3, §6.4). What differs is in the codec of each compiled schema.
 */
export function createSchemaFormat(
  name: FormatName,
  schemaType: SchemaType,
  options: SchemaFormatOptions,
): Format {
  return {
    name,
    schemaType,
    encode(json, schema) {
      const given = json === null || json.value === null ? null : json
      if (schema === null) return withoutSchema(name, given)
      if (given === null && options.nullPublishesEmptyRecord) return null
      const payload = schema.codec.encode(given)
      return payload === null ? null : frame(schema.id, payload)
    },
    schemaIdOf: (bytes, header) => (bytes === null ? null : schemaNameOf(bytes, header ?? null)),
    decode(bytes, schema, header) {
      if (bytes === null) return 'null'
      return codecFor(schemaType, schema).decode(payloadOf(bytes, header ?? null))
    },
  }
}

/** The service refuses values without a schema before it encodes (42201, 42202); nulls need none. */
function withoutSchema(name: FormatName, given: EmbeddedJson | null): null {
  if (given !== null) throw new TypeError(`a value of the format ${name} needs a schema`)
  return null
}

function codecFor(type: SchemaType, schema: CompiledSchema | null): CompiledSchema['codec'] {
  if (schema?.type === type) return schema.codec
  if (schema === null) throw new TypeError('framed bytes need the schema that they name')
  throw new UndecodableRecord(`the record's schema ${schema.id} is of type ${schema.type}, not ${type}`)
}
