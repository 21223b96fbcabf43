import { RestError } from '../../shared/errors/rest-error.ts'
import { excerpt } from './excerpt.ts'
import type { EmbeddedJson, Format } from './format.ts'

/** Keys and values as base64 text (contract v2 §6.1). */
export const binaryFormat: Format = {
  name: 'binary',
  schemaType: null,
  encode: json => (json === null || json.value === null ? null : encodeBase64(json)),
  schemaIdOf: () => null,
  decode: bytes => (bytes === null ? 'null' : `"${bytes.toString('base64')}"`),
}

/**
 * The standard alphabet only, `=` missing or in excess tolerated, bits left over ignored: exactly what the
 * original takes (contract v2 §6.1). Node's own decoder would also take the URL-safe alphabet and skip blanks.
 */
function encodeBase64(json: EmbeddedJson): Buffer {
  const text = json.value
  if (typeof text !== 'string') throw new RestError('notBase64String', excerpt(json.text))
  const end = unpaddedLength(text)
  // One character alone holds 6 bits: not a byte.
  if (end % 4 === 1 || foreign.test(end === text.length ? text : text.slice(0, end))) {
    throw new RestError('badBase64', excerpt(json.text))
  }
  return Buffer.from(text, 'base64')
}

const foreign = /[^A-Za-z0-9+/]/

function unpaddedLength(text: string): number {
  let end = text.length
  while (end > 0 && text[end - 1] === '=') end--
  return end
}
