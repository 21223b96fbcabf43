import { type GoneReason, type Member, type Placement, specLengthMax } from './routing-table.ts'

/**
 * How members and placements are written in the table, and how they are read back: with bounds, since
 * whoever can write to the table must not be able to fill a gateway's memory or send requests anywhere. What does not
 * fit is undefined, and is left out by the reader.
 */

/** A name as it stands in the table: no spaces, no control characters. */
export const storedName = (name: string): string => encodeURIComponent(name)

const nameLengthMax = 1024
const memberLengthMax = 8192
/** Everything of a placement but its spec. */
const holdingLengthMax = 8192

/** `token expiresAt mode node incarnation spec`, one space between two; the spec is the rest. */
const placementPattern = /^(\d{1,16}) (\d{1,16}) ([rt]) (\S+) (\S+) ([\s\S]*)$/

/** Letters of the failover modes: a placement is stored a hundred thousand times. */
export const failoverLetters = { recreate: 'r', takeover: 't' } as const

/** A placement as the table holds it under its key. */
export function parsePlacement(key: string, text: string): Placement | undefined {
  if (key.length > nameLengthMax * 6 || text.length > specLengthMax + holdingLengthMax) return undefined
  const [, token, expiresAt, letter, node, incarnation, spec] = placementPattern.exec(text) ?? []
  const nodeName = decoded(node)
  const incarnationName = decoded(incarnation)
  if (!nodeName || !incarnationName || spec === undefined) return undefined
  if (!Number.isSafeInteger(Number(token)) || spec.length > specLengthMax) return undefined
  return {
    key,
    node: nodeName,
    incarnation: incarnationName,
    token: Number(token),
    expiresAt: Number(expiresAt),
    failover: letter === failoverLetters.takeover ? 'takeover' : 'recreate',
    spec,
  }
}

function decoded(name: string | undefined): string | undefined {
  if (name === undefined) return undefined
  try {
    const text = decodeURIComponent(name)
    return text.length <= nameLengthMax ? text : undefined
  } catch {
    return undefined
  }
}

/** Why an instance is gone, from its tombstone. */
export function parseGoneReason(text: string | undefined): GoneReason | undefined {
  return text === 'deleted' || text === 'expired' || text === 'owner-lost' ? text : undefined
}

export function renderMember(member: Member): string {
  const { id, incarnation, url, internalUrl, zone, state, instances, instancesMax, failover, signature } =
    member
  return JSON.stringify({
    id,
    incarnation,
    url,
    internalUrl,
    zone,
    state,
    instances,
    instancesMax,
    failover,
    signature,
  })
}

export function parseMember(text: string): Member | undefined {
  if (text.length > memberLengthMax) return undefined
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const fields = new Map<string, unknown>(Object.entries(parsed))
  const [id, incarnation, url, internalUrl, zone, signature] = [
    name(fields.get('id')),
    name(fields.get('incarnation')),
    memberUrl(fields.get('url')),
    memberUrl(fields.get('internalUrl')),
    name(fields.get('zone')),
    name(fields.get('signature')),
  ]
  const instances = count(fields.get('instances'))
  const instancesMax = count(fields.get('instancesMax'))
  const state = fields.get('state')
  if (!id || !incarnation || url === undefined || internalUrl === undefined) return undefined
  if (zone === undefined || signature === undefined) return undefined
  if (instances === undefined || instancesMax === undefined) return undefined
  const failover = fields.get('failover')
  if (failover !== 'recreate' && failover !== 'takeover') return undefined
  if (state !== 'active' && state !== 'draining') return undefined
  return { id, incarnation, url, internalUrl, zone, state, instances, instancesMax, failover, signature }
}

const name = (value: unknown): string | undefined =>
  typeof value === 'string' && value.length <= nameLengthMax ? value : undefined

const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined

/** `http(s)://host:port`, nothing else: a path or user info would change where requests or secrets go. */
export function memberUrl(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > nameLengthMax) return undefined
  return /^https?:\/\/(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(value) && URL.canParse(value)
    ? value
    : undefined
}
