import { mediaTypes } from '../../shared/rest/media-type.ts'
import type { Route } from '../../shared/rest/routes.ts'

const formats: Readonly<Record<string, string>> = {
  [mediaTypes.v2]: 'binary',
  [mediaTypes.binary]: 'binary',
  [mediaTypes.json]: 'json',
  [mediaTypes.avro]: 'avro',
  [mediaTypes.jsonschema]: 'json-schema',
  [mediaTypes.protobuf]: 'protobuf',
}

/**
 * The endpoint's own name, which has the format where there is one endpoint for each, and its class's (contract v2 §5.5):
 * what access lists and rate costs go by.
 * @param mediaType of the body for produce, else of the answer.
 */
export function endpointNames(
  { id, media }: Route,
  mediaType: string | undefined,
): readonly [string, string] {
  const format = formats[mediaType ?? ''] ?? 'binary'
  const [group = id] = id.split('.')
  if (media === 'produce') return [`api.v2.${id}.${format}`, `api.v2.${id}.*`]
  const own = media === 'records' ? `${id}-${format}` : id
  return [`api.v2.${own}`, `api.v2.${group}.*`]
}
