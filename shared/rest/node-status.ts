/** What a proxy node says of itself, to operators and to gateways that ask for them; the JSON itself. */
export interface NodeStatus {
  readonly id: string
  readonly incarnation: string
  /** `drained`: it holds nothing any more, or `drain.timeout.ms` has passed. */
  readonly state: 'active' | 'draining' | 'drained'
  /** Whether its member record is in the routing table, as far as it knows. */
  readonly registered: boolean
  /** Consumer instances held, and the most that it takes. */
  readonly instances: number
  readonly instances_max: number
}

const states: readonly unknown[] = ['active', 'draining', 'drained'] satisfies NodeStatus['state'][]

/** Reads the text of a NodeStatus; undefined for anything else. */
export function parseNodeStatus(text: string): NodeStatus | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  return isNodeStatus(value) ? value : undefined
}

function isNodeStatus(value: unknown): value is NodeStatus {
  if (typeof value !== 'object' || value === null) return false
  const fields = new Map<string, unknown>(Object.entries(value))
  return (
    typeof fields.get('id') === 'string' &&
    typeof fields.get('incarnation') === 'string' &&
    states.includes(fields.get('state')) &&
    typeof fields.get('registered') === 'boolean' &&
    typeof fields.get('instances') === 'number' &&
    typeof fields.get('instances_max') === 'number'
  )
}
