import { type InstanceRef, parseInstanceKey } from '../../shared/ids.ts'
import type { TopicPartition } from '../ports/kafka-cluster.ts'
import { formatOf, type InstanceSettings, type ResetPolicy } from './instance-settings.ts'
import { deadMemberOf, type RecordedSpec, tooLargeMark, type UnconfirmedRead } from './instance-spec.ts'
import { parsePositions, type RecordedPosition } from './recorded-positions.ts'

/** An instance as its last holder recorded it: what another node recreates it from. */
export interface RecordedInstance {
  readonly ref: InstanceRef
  readonly settings: InstanceSettings
  readonly subscription: RecordedSubscription
  /** The broker's id of the last holder's member; empty without one. */
  readonly memberId: string
  readonly positions: ReadonlyMap<string, RecordedPosition>
  readonly read: UnconfirmedRead | undefined
}

export type RecordedSubscription =
  | { readonly kind: 'none' }
  | { readonly kind: 'topics'; readonly topics: readonly string[]; readonly joined: JoinedTopics }
  | { readonly kind: 'pattern'; readonly text: string; readonly joined: JoinedTopics }
  | { readonly kind: 'assigned'; readonly partitions: readonly TopicPartition[] }

/** The topics that the last holder's assignment was made for; undefined: it had none yet. */
type JoinedTopics = readonly string[] | undefined

/**
 * Reads what `renderSpec` wrote. Specs come from the table and may be anything.
 * @returns undefined for what is no spec, and for one that left its subscription out since it was too large: such an
 *   instance cannot be taken over.
 */
export function parseRecordedInstance(recorded: RecordedSpec): RecordedInstance | undefined {
  const spec = objectOf(recorded.spec)
  const ref = parseInstanceKey(recorded.key)
  if (ref === undefined || spec === undefined || spec['v'] !== 2 || spec['t'] === tooLargeMark)
    return undefined
  const memberId = spec['gi'] === undefined ? '' : deadMemberOf(recorded)?.memberId
  const settings = settingsOf(spec['s'])
  const subscription = subscriptionOf(spec)
  const positions = spec['p'] === undefined ? new Map<string, RecordedPosition>() : parsePositions(spec['p'])
  if (memberId === undefined) return undefined
  if (settings === undefined || subscription === undefined || positions === undefined) return undefined
  return { ref, settings, subscription, memberId, positions, read: readOf(spec['r']) }
}

function subscriptionOf(spec: Fields): RecordedSubscription | undefined {
  const { topics, pattern, assigned } = spec
  const joined = spec['j'] === 1 ? topics : spec['j']
  if (joined !== undefined && !isTexts(joined)) return undefined
  if (topics !== undefined) return isTexts(topics) ? { kind: 'topics', topics, joined } : undefined
  if (pattern !== undefined) return isText(pattern) ? { kind: 'pattern', text: pattern, joined } : undefined
  if (assigned === undefined) return { kind: 'none' }
  if (!Array.isArray(assigned)) return undefined
  const partitions: TopicPartition[] = []
  for (const entry of assigned) {
    const [topic, partition] = Array.isArray(entry) ? entry : []
    if (!isText(topic) || !isNumber(partition)) return undefined
    partitions.push({ topic, partition })
  }
  return { kind: 'assigned', partitions }
}

function settingsOf(value: unknown): InstanceSettings | undefined {
  if (!Array.isArray(value)) return undefined
  const [format, resetText, commits, fetchMinBytes, requestTimeoutMs] = value
  const autoOffsetReset = resetOf(resetText)
  if (!isText(format) || !isNumber(fetchMinBytes) || !isNumber(requestTimeoutMs)) return undefined
  if (autoOffsetReset === undefined || (commits !== 0 && commits !== 1)) return undefined
  try {
    const autoCommit = commits === 1
    return { format: formatOf(format), autoOffsetReset, autoCommit, fetchMinBytes, requestTimeoutMs }
  } catch {
    return undefined
  }
}

function resetOf(value: unknown): ResetPolicy | undefined {
  if (value === 'earliest' || value === 'latest' || value === 'none') return { from: value }
  return isNumber(value) ? { from: 'duration', durationMs: value } : undefined
}

/** A read that cannot be told of counts as none: its records are handed out again. */
function readOf(value: unknown): UnconfirmedRead | undefined {
  if (!Array.isArray(value)) return undefined
  const [id, gatewayRun, delivered] = value
  if (!isText(id) || !isText(gatewayRun)) return undefined
  return { id, gatewayRun: gatewayRun === '' ? undefined : gatewayRun, delivered: delivered === 1 }
}

type Fields = Readonly<Record<string, unknown>>

function objectOf(text: string): Fields | undefined {
  try {
    return fieldsOf(JSON.parse(text))
  } catch {
    return undefined
  }
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null ? { ...value } : undefined
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isText)
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}
