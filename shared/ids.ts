/**
 * Names and keys that both tiers must agree on. Made in one place, since `a:b` + `c` must not meet
 * `a` + `b:c`. Free of node:*, so that the gateway can run at the edge; randomness is Web Crypto's.
 */

/** Group and instance of a consumer instance, percent-decoded. */
export interface InstanceRef {
  readonly group: string
  readonly instance: string
}

/** The routing table's key of a consumer instance: both names percent-encoded, joined by `/`. */
export function instanceKey({ group, instance }: InstanceRef): string {
  return `${encodeURIComponent(group)}/${encodeURIComponent(instance)}`
}

/** The inverse of `instanceKey`; undefined for text that it never makes. */
export function parseInstanceKey(key: string): InstanceRef | undefined {
  const [group, instance, more] = key.split('/')
  if (group === undefined || instance === undefined || more !== undefined) return undefined
  try {
    return { group: decodeURIComponent(group), instance: decodeURIComponent(instance) }
  } catch {
    return undefined
  }
}

/**
 * Draws an instance name as the original does (contract v2 §2.9): `rest-consumer-`, the id of the process
 * that draws it when it has one, and a random UUID.
 */
export function drawInstanceName(processId: string): string {
  return `rest-consumer-${processId === '' ? '' : `${processId}-`}${crypto.randomUUID()}`
}

/** Longest instance name in bytes; Kafka bounds its own ids by the same number. */
export const instanceNameBytesMax = 249

/** Why an instance name is refused, or undefined. `.` and `..` would be folded away by HTTP clients. */
export function instanceNameProblem(name: string): string | undefined {
  if (name === '.' || name === '..') return 'must not be "." or ".."'
  if (new TextEncoder().encode(name).length > instanceNameBytesMax)
    return `must not be longer than ${instanceNameBytesMax} bytes`
  if (!name.isWellFormed()) return 'must be well-formed Unicode'
  return undefined
}

/**
 * One run of a node id; a new one at each start (and after a proven death). 96 random bits, in 16 characters, since
 * each placement names one.
 */
export function drawIncarnation(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12))
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
}

/**
 * The Kafka `group.instance.id` of a subscribed instance (KIP-345): a fixed prefix for the deployment, and the
 * name as it is when Kafka's characters and 249 bytes allow it, else its SHA-256 in hex.
 */
export async function groupInstanceId(prefix: string, name: string): Promise<string> {
  const plain = `${prefix}-n-${name}`
  if (/^[A-Za-z0-9._-]+$/.test(plain) && plain.length <= 249) return plain
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(name))
  const hex = [...new Uint8Array(digest)].map(byte => byte.toString(16).padStart(2, '0')).join('')
  return `${prefix}-h-${hex}`
}
