import { createAvroCompiler } from './avro.ts'
import { CpuGuard } from './cpu-guard.ts'
import type { SchemaCompiler, SchemaLimits, SchemaType } from './format.ts'
import { createJsonSchemaCompiler } from './json-schema.ts'
import { createProtobufCompiler } from './protobuf.ts'

/** The compilers of all schema types, with one allowance of processor time for all that clients make them do. */
export function createSchemaCompilers(limits: SchemaLimits): Readonly<Record<SchemaType, SchemaCompiler>> {
  const guard = new CpuGuard(limits.cpuMsMax)
  return {
    AVRO: createAvroCompiler(limits, guard),
    JSON: createJsonSchemaCompiler(limits, guard),
    PROTOBUF: createProtobufCompiler(limits, guard),
  }
}
