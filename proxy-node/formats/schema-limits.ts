import type { SchemaLimits } from './format.ts'

/** The limits' defaults; each has a setting. */
export const defaultSchemaLimits: SchemaLimits = {
  schemaDepthMax: 128,
  recordDepthMax: 500,
  renderedCharsMax: 8 * 1024 * 1024,
  cpuMsMax: 1000,
}
