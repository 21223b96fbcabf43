import type { TopicPartition } from '../ports/kafka-cluster.ts'
import { keyOf } from './positions.ts'

/** The offset that a group had committed for a partition: `none` without a commit, `unknown` if nobody has looked. */
export type CommittedThen = bigint | 'none' | 'unknown'

/** Where a holder was in a partition, for the one that takes its instance over. */
export interface RecordedPosition extends TopicPartition {
  /** The next offset to hand out, or where it is to be looked up. */
  readonly position: bigint | 'reset' | 'earliest' | 'latest'
  /** Where the read that its client has not confirmed began; undefined without one. Only known after a hand-over. */
  readonly start: bigint | undefined
  readonly committed: CommittedThen
  /** Whether auto-commit has nothing left to do for what is confirmed. */
  readonly clean: boolean
}

/**
 * Positions by topic, each `partition:position:committed`, then `:start` if there is one, then `c` if it is clean. A
 * committed offset that is the position is `=`: most are, and the table holds a text for each instance.
 */
export type PositionsText = Readonly<Record<string, readonly string[]>>

export function renderPositions(positions: readonly RecordedPosition[]): PositionsText {
  const byTopic: Record<string, string[]> = Object.create(null)
  for (const { topic, partition, position, start, committed, clean } of positions) {
    byTopic[topic] ??= []
    const committedText = committed === position ? '=' : committed
    const startText = start === undefined ? '' : `:${start}`
    byTopic[topic].push(`${partition}:${position}:${committedText}${startText}${clean ? 'c' : ''}`)
  }
  return byTopic
}

const offset = '\\d{1,19}'
const pattern = new RegExp(
  `^(\\d{1,10}):(${offset}|reset|earliest|latest):(${offset}|none|unknown|=)(?::(${offset}))?(c?)$`,
)

/** Reads positions back, by `keyOf` their partition. Undefined for what was not written by `renderPositions`. */
export function parsePositions(value: unknown): ReadonlyMap<string, RecordedPosition> | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const found = new Map<string, RecordedPosition>()
  for (const [topic, texts] of Object.entries(value)) {
    if (!Array.isArray(texts)) return undefined
    for (const text of texts) {
      const recorded = typeof text === 'string' ? parsePosition(topic, text) : undefined
      if (recorded === undefined) return undefined
      found.set(keyOf(recorded), recorded)
    }
  }
  return found
}

function parsePosition(topic: string, text: string): RecordedPosition | undefined {
  const [, partition, position, committedText, start, clean] = pattern.exec(text) ?? []
  const committed = committedText === '=' ? position : committedText
  if (partition === undefined || position === undefined || committed === undefined) return undefined
  if (committed === 'reset' || committed === 'earliest' || committed === 'latest') return undefined
  return {
    topic,
    partition: Number(partition),
    position:
      position === 'reset' || position === 'earliest' || position === 'latest' ? position : BigInt(position),
    committed: committed === 'none' || committed === 'unknown' ? committed : BigInt(committed),
    start: start ? BigInt(start) : undefined,
    clean: clean === 'c',
  }
}
