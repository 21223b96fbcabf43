/**
 * Media types of the v2 API and their negotiation (contract v2 §1). Pure, and free of node:*, since
 * both tiers may need it.
 */
export const mediaTypes = {
  v2: 'application/vnd.kafka.v2+json',
  binary: 'application/vnd.kafka.binary.v2+json',
  json: 'application/vnd.kafka.json.v2+json',
  avro: 'application/vnd.kafka.avro.v2+json',
  jsonschema: 'application/vnd.kafka.jsonschema.v2+json',
  protobuf: 'application/vnd.kafka.protobuf.v2+json',
} as const

/** One type that an endpoint can produce, with the server's own weight (JAX-RS `qs`). */
export interface Producible {
  readonly type: string
  readonly weight: number
}

export interface AcceptedType {
  readonly type: string
  readonly subtype: string
  readonly quality: number
  /** Parameters other than q, as written, to be echoed in the response type (contract v2 §1.3). */
  readonly parameters: string
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/**
 * Parses one `type/subtype; parameters` value, lower-casing the type.
 * @returns undefined when it is not a media type; contract v2 §1.4 answers 400 for that.
 */
export function parseMediaType(
  text: string,
): { type: string; subtype: string; parameters: string } | undefined {
  const [essence = '', ...rest] = text.split(';')
  const [type, subtype, more] = essence.trim().toLowerCase().split('/')
  if (more !== undefined || !type || !subtype || !token.test(type) || !token.test(subtype)) return undefined
  const parameters = rest.map(part => part.trim()).filter(part => part !== '')
  if (!parameters.every(part => /^[^\s=]+=("[^"]*"|[^\s"]*)$/.test(part))) return undefined
  return { type, subtype, parameters: parameters.join(';') }
}

/** The type without its parameters, lower-cased: what a request body's type is matched by. */
export function essenceOf(text: string): string | undefined {
  const parsed = parseMediaType(text)
  return parsed && `${parsed.type}/${parsed.subtype}`
}

/**
 * Parses an Accept header; items that are not media types are passed over, since a client's odd extra
 * item must not fail a request that another item satisfies.
 */
export function parseAccept(header: string | undefined): AcceptedType[] {
  if (header === undefined || header.trim() === '') return [anything]
  const accepted: AcceptedType[] = []
  for (const item of header.split(',')) {
    const parsed = parseMediaType(item)
    if (!parsed) continue
    let quality = 1
    const kept: string[] = []
    for (const parameter of parsed.parameters.split(';')) {
      const q = /^q=([0-9.]+)$/i.exec(parameter)
      if (q) quality = Math.min(1, Math.max(0, Number(q[1]) || 0))
      else if (parameter !== '') kept.push(parameter)
    }
    accepted.push({ type: parsed.type, subtype: parsed.subtype, quality, parameters: kept.join(';') })
  }
  return accepted
}

const anything: AcceptedType = { type: '*', subtype: '*', quality: 1, parameters: '' }

/**
 * Chooses the response type by the contract's order: client q, then server weight, then specificity, then
 * the client's order. q=0 does not exclude (contract v2 §1.3).
 * @returns the value for Content-Type, or undefined when nothing is acceptable (406).
 */
export function negotiate(
  accept: string | undefined,
  producible: readonly Producible[],
): { type: string; contentType: string } | undefined {
  let best: { rank: readonly number[]; type: string; contentType: string } | undefined
  const accepted = parseAccept(accept)
  for (const [index, item] of accepted.entries()) {
    for (const candidate of producible) {
      const specificity = matches(item, candidate.type)
      if (specificity === undefined) continue
      const rank = [item.quality, candidate.weight, specificity, -index]
      if (best && compare(rank, best.rank) <= 0) continue
      const contentType =
        specificity === 2 && item.parameters ? `${candidate.type};${item.parameters}` : candidate.type
      best = { rank, type: candidate.type, contentType }
    }
  }
  return best && { type: best.type, contentType: best.contentType }
}

/** 2 for the type itself, 1 for `application/*`, 0 for a full wildcard, undefined for no match. */
function matches(item: AcceptedType, candidate: string): number | undefined {
  if (`${item.type}/${item.subtype}` === candidate) return 2
  if (item.subtype !== '*') return undefined
  if (item.type === '*') return 0
  return candidate.startsWith(`${item.type}/`) ? 1 : undefined
}

function compare(left: readonly number[], right: readonly number[]): number {
  for (const [index, value] of left.entries()) {
    const difference = value - (right[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
