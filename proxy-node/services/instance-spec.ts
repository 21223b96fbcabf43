import { type InstanceRef, parseInstanceKey } from '../../shared/ids.ts'
import type { Placement } from '../../shared/routing/routing-table.ts'
import type { TopicPartition } from '../ports/kafka-cluster.ts'
import type { InstanceSettings, ResetPolicy } from './instance-settings.ts'
import { type RecordedPosition, renderPositions } from './recorded-positions.ts'
import type { SubscriptionState } from './subscription.ts'

/** What the routing table keeps of an instance, so that another node can remove its member or recreate it. */
export interface InstanceSpec {
  readonly ref: InstanceRef
  readonly settings: InstanceSettings
  readonly state: SubscriptionState
  /** Of a manual assignment. */
  readonly partitions: readonly TopicPartition[]
  /** The broker's id of the member; empty while the first join is unanswered. */
  readonly memberId: string
  /** Empty without a membership. */
  readonly groupInstanceId: string
  /** What a successor needs besides; undefined where nobody takes instances over. */
  readonly resume: ResumeSpec | undefined
}

/** Where a successor goes on. */
export interface ResumeSpec {
  /** The topics that the member's assignment was made for; undefined before its first assignment. */
  readonly joinedTopics: readonly string[] | undefined
  readonly positions: readonly RecordedPosition[]
  /** The last read, if nobody has confirmed it and the instance was handed over. */
  readonly read: UnconfirmedRead | undefined
}

/** A read that went out through a gateway, which may still say what became of it. */
export interface UnconfirmedRead {
  readonly id: string
  /** The gateway's run and connection that it went through; undefined for a client that came directly. */
  readonly gatewayRun: string | undefined
  readonly delivered: boolean
}

/** The member of a Kafka group that an instance had. */
export interface DeadMember {
  readonly group: string
  readonly memberId: string
  readonly groupInstanceId: string
}

/** Larger specs leave the subscription out: the table must stay small, and such an instance is not transferable. */
const specBytesMax = 16 * 1024

/** What a spec says instead of a subscription that is too large for it. */
export const tooLargeMark = 'too-large'

/** A spec with the key that it is recorded under, which tells the instance's names. */
export type RecordedSpec = Pick<Placement, 'key' | 'spec'>

/**
 * Renders a spec. It is short, since the table holds one for each instance: what the placement's key or another field
 * says already is left out. A text in brackets is the part of a name that its usual rest follows or comes before.
 */
export function renderSpec(spec: InstanceSpec): string {
  const { ref, settings, memberId, groupInstanceId } = spec
  const base = {
    v: 2,
    s: settingsText(settings),
    ...(groupInstanceId === ''
      ? {}
      : { m: withoutStart(memberId, `${groupInstanceId}-`), gi: withoutEnd(groupInstanceId, ref.instance) }),
  }
  const full = JSON.stringify({ ...base, ...subscriptionOf(spec), ...resumeOf(spec) })
  if (Buffer.byteLength(full) <= specBytesMax) return full
  return JSON.stringify({ ...base, t: tooLargeMark })
}

/** Format, reset policy (the duration in ms stands for itself), auto-commit, bytes and time-out of a fetch. */
function settingsText({
  format,
  autoOffsetReset,
  autoCommit,
  fetchMinBytes,
  requestTimeoutMs,
}: InstanceSettings) {
  return [format, resetText(autoOffsetReset), autoCommit ? 1 : 0, fetchMinBytes, requestTimeoutMs]
}

const resetText = (policy: ResetPolicy) => (policy.from === 'duration' ? policy.durationMs : policy.from)

/** The broker makes the member id of a static member from its `group.instance.id`. */
function withoutStart(text: string, start: string): string | [string] {
  return text.startsWith(start) ? [text.slice(start.length)] : text
}

/** Most names can stand in a `group.instance.id` as they are. */
function withoutEnd(text: string, end: string): string | [string] {
  return text.endsWith(end) ? [text.slice(0, text.length - end.length)] : text
}

/** What `withoutStart` and `withoutEnd` left, with the rest by `complete`. Undefined for what is neither. */
function completed(value: unknown, complete: (part: string) => string): string | undefined {
  if (typeof value === 'string') return value
  return Array.isArray(value) && typeof value[0] === 'string' ? complete(value[0]) : undefined
}

function subscriptionOf({ state, partitions }: InstanceSpec): object {
  switch (state.kind) {
    case 'none':
      return {}
    case 'topics':
      return { topics: state.topics }
    case 'pattern':
      return { pattern: state.pattern.text }
    case 'assigned':
      return { assigned: partitions.map(({ topic, partition }) => [topic, partition]) }
  }
}

function resumeOf({ resume, state }: InstanceSpec): object {
  if (resume === undefined) return {}
  const { joinedTopics, positions, read } = resume
  const asSubscribed = state.kind === 'topics' && joinedTopics?.join('/') === state.topics.join('/')
  return {
    // Most of the time it is what was subscribed to, which is there already.
    ...(joinedTopics === undefined ? {} : { j: asSubscribed ? 1 : joinedTopics }),
    ...(positions.length === 0 ? {} : { p: renderPositions(positions) }),
    ...(read === undefined ? {} : { r: [read.id, read.gatewayRun ?? '', read.delivered ? 1 : 0] }),
  }
}

/**
 * The group member that a recorded instance had, if any: it is removed before a successor joins anew, so that
 * neither the successor nor the group waits for the session time-out. Specs come from the table and may be
 * anything: what does not parse names no member.
 */
export function deadMemberOf({ key, spec }: RecordedSpec): DeadMember | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(spec)
  } catch {
    return undefined
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const { m, gi } = parsed as { m?: unknown; gi?: unknown }
  const { group, instance } = parseInstanceKey(key) ?? {}
  const groupInstanceId = completed(gi, prefix => `${prefix}${instance}`)
  const memberId = completed(m, rest => `${groupInstanceId}-${rest}`)
  if (group === undefined || memberId === undefined || !groupInstanceId) return undefined
  return { group, memberId, groupInstanceId }
}
