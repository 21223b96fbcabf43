import type { ErrorObject } from 'ajv'
import { isJsonObject } from './exact-json.ts'

/** A violation in the words of the original's validator, as far as it has them: `#/a: expected type: Integer, found: String`. */
export function violationText(error: ErrorObject, root: unknown): string {
  const where = `#${error.instancePath}`
  const params: Record<string, unknown> = error.params
  switch (error.keyword) {
    case 'type':
      return `${where}: expected type: ${typeWords(params['type'])}, found: ${foundWord(valueAt(error, root))}`
    case 'required':
      return `${where}: required key [${String(params['missingProperty'])}] not found`
    case 'additionalProperties':
      return `${where}: extraneous key [${String(params['additionalProperty'])}] is not permitted`
    case 'enum':
      return `${where}: ${shown(valueAt(error, root))} is not a valid enum value`
    default:
      return `${where}: ${error.message ?? `${error.keyword} is violated`}`
  }
}

const words: Readonly<Record<string, string>> = {
  string: 'String',
  number: 'Number',
  integer: 'Integer',
  boolean: 'Boolean',
  null: 'Null',
  array: 'JSONArray',
  object: 'JSONObject',
}

function typeWords(types: unknown): string {
  return [types]
    .flat()
    .map(type => words[String(type)] ?? String(type))
    .join(' or ')
}

function foundWord(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (Array.isArray(value)) return 'JSONArray'
  if (typeof value === 'number') return Number.isInteger(value) ? 'Integer' : 'BigDecimal'
  return words[typeof value] ?? typeof value
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** Follows the error's JSON pointer (RFC 6901). */
function valueAt(error: ErrorObject, root: unknown): unknown {
  let value = root
  for (const step of error.instancePath.split('/').slice(1)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~')
    if (Array.isArray(value)) value = value[Number(key)]
    else if (isJsonObject(value)) value = value[key]
  }
  return value
}
