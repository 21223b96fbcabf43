import { binaryFormat } from './binary.ts'
import type { Format, FormatName } from './format.ts'
import { jsonFormat } from './json.ts'
import { createSchemaFormat, type SchemaFormatOptions } from './schema-format.ts'

export type Formats = Readonly<Record<FormatName, Format>>

/** All embedded formats by name. Schemas are compiled elsewhere: see `createSchemaCompilers`. */
export function createFormats(options: SchemaFormatOptions = { nullPublishesEmptyRecord: false }): Formats {
  return {
    binary: binaryFormat,
    json: jsonFormat,
    avro: createSchemaFormat('avro', 'AVRO', options),
    jsonschema: createSchemaFormat('jsonschema', 'JSON', options),
    protobuf: createSchemaFormat('protobuf', 'PROTOBUF', options),
  }
}
