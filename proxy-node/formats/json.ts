import type { Format } from './format.ts'
import { storedJsonText } from './json-text.ts'

/**
 * Keys and values as plain JSON (contract v2 §6.2), stored and shown as their source text without blank space:
 * numbers keep their spelling and objects their key order, so that equal keys have equal bytes, and
 * with them equal partitions. JSON null is Kafka's null, for keys too.
 */
export const jsonFormat: Format = {
  name: 'json',
  schemaType: null,
  encode: json => (json === null || json.value === null ? null : Buffer.from(json.text, 'utf8')),
  schemaIdOf: () => null,
  decode: bytes => (bytes === null ? 'null' : storedJsonText(bytes)),
}
