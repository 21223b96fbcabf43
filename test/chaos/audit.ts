import { CommitLevels } from './commit-levels.ts'
import {
  type ConsumerJournal,
  type ObservedCommits,
  type ProducerJournal,
  partitionKey,
  placeKey,
  type RecordPlace,
  type SeenRecord,
} from './journal.ts'

const REPEATS_TOLD = 10

/** What a run ends with: the clients' journals, and what an independent reader found in Kafka. */
export interface AuditInput {
  readonly producers: readonly ProducerJournal[]
  readonly consumers: readonly ConsumerJournal[]
  /** Every record of the run's topics. */
  readonly stored: readonly SeenRecord[]
  /** What was committed during the run. */
  readonly observed: readonly ObservedCommits[]
  /** What is committed in the end, after the last client has gone. */
  readonly committed: ReadonlyMap<string, readonly RecordPlace[]>
  /** The topics that a group reads. */
  readonly topicsOf: ReadonlyMap<string, readonly string[]>
  /** When the last fault was over. */
  readonly faultsEndedAt: number
  /** Whether a consumer may be told that its instance is gone: in `recreate` mode. */
  readonly mayBeGone: boolean
}

export type ViolationKind =
  | 'acknowledged record missing'
  | 'record written twice'
  | 'committed record delivered again'
  | 'record never delivered'
  | 'wrong record delivered'
  | 'commit lost'
  | 'consumer not working'
  | 'consumer lost'
  | 'unexpected answer'

export interface Violation {
  readonly kind: ViolationKind
  readonly text: string
}

export interface AuditResult {
  readonly violations: readonly Violation[]
  readonly acknowledged: number
  readonly stored: number
  readonly delivered: number
  /** Deliveries of a record beyond the first in its group; none of them was committed before. */
  readonly repeated: number
  /** The first of them, to look into. */
  readonly repeats: readonly string[]
  readonly commits: number
  readonly commitBacks: number
}

/**
 * Holds what clients were told against what is in Kafka:
 * - every acknowledged record is where its producer was told; no record is there twice;
 * - every record was delivered to each group that reads its topic, as it was written;
 * - no record was delivered by a read that began after its commit was known: acknowledged to a client, or seen in Kafka.
 *   Uncommitted records may come again (at least once), and so may those that a client itself committed back over;
 * - what was known to be committed is committed in the end;
 * - every consumer read after the faults, and in `takeover` mode none was told that it is gone.
 */
export function audit(input: AuditInput): AuditResult {
  const stored = new Map(input.stored.map(record => [placeKey(record), record]))
  const groups = Map.groupBy(input.consumers, ({ group }) => group)
  const violations = [...producerViolations(input, stored), ...consumerViolations(input)]
  let [repeated, commitBacks] = [0, 0]
  const repeats: string[] = []
  for (const [group, members] of groups) {
    const { found, ...counts } = auditGroup(group, members, input, stored)
    violations.push(...found)
    repeated += counts.repeated
    repeats.push(...counts.repeats)
    commitBacks += counts.commitBacks
  }
  const count = (of: (journal: ConsumerJournal) => number) =>
    input.consumers.reduce((sum, journal) => sum + of(journal), 0)
  return {
    violations,
    acknowledged: input.producers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0),
    stored: input.stored.length,
    delivered: count(({ reads }) => reads.reduce((sum, { records }) => sum + records.length, 0)),
    repeated,
    repeats,
    commits: count(({ commits }) => commits.filter(({ acknowledged }) => acknowledged).length),
    commitBacks,
  }
}

/** The groups' records that none of their members has received yet: what a run waits for at its end. */
export function undelivered(
  input: Pick<AuditInput, 'consumers' | 'stored' | 'topicsOf'>,
): { readonly group: string; readonly record: SeenRecord }[] {
  const groups = Map.groupBy(input.consumers, ({ group }) => group)
  return [...groups].flatMap(([group, members]) => {
    const received = new Set(
      members.flatMap(({ reads }) => reads.flatMap(({ records }) => records.map(placeKey))),
    )
    return storedFor(group, input)
      .filter(record => !received.has(placeKey(record)))
      .map(record => ({ group, record }))
  })
}

function storedFor(group: string, { stored, topicsOf }: Pick<AuditInput, 'stored' | 'topicsOf'>) {
  const topics = new Set(topicsOf.get(group))
  return stored.filter(({ topic }) => topics.has(topic))
}

function producerViolations(input: AuditInput, stored: ReadonlyMap<string, SeenRecord>): Violation[] {
  const found: Violation[] = []
  for (const { name, acknowledged, unexpected } of input.producers) {
    for (const record of acknowledged) {
      const at = stored.get(placeKey(record))
      if (at?.id !== record.id)
        found.push({
          kind: 'acknowledged record missing',
          text: `${record.id} of ${name} at ${placeKey(record)}: there is ${at?.id ?? 'nothing'}`,
        })
    }
    for (const text of unexpected) found.push({ kind: 'unexpected answer', text: `${name}: ${text}` })
  }
  for (const [id, copies] of Map.groupBy(input.stored, record => record.id))
    if (copies.length > 1)
      found.push({ kind: 'record written twice', text: `${id} at ${copies.map(placeKey).join(', ')}` })
  return found
}

function consumerViolations({ consumers, faultsEndedAt, mayBeGone }: AuditInput): Violation[] {
  const found: Violation[] = []
  for (const journal of consumers) {
    const { name, reads, gone, unexpected } = journal
    if (!reads.some(({ startedAt }) => startedAt >= faultsEndedAt))
      found.push({ kind: 'consumer not working', text: `${name} has read nothing since the last fault` })
    if (!mayBeGone)
      for (const at of gone)
        found.push({
          kind: 'consumer lost',
          text: `${name} was told that it is gone at ${seconds(at)}: ${storyBefore(journal, at)}`,
        })
    for (const text of unexpected) found.push({ kind: 'unexpected answer', text: `${name}: ${text}` })
  }
  return found
}

/** What it did last. */
function storyBefore({ attempts }: ConsumerJournal, at: number): string {
  return attempts
    .filter(({ endedAt }) => endedAt <= at)
    .slice(-4)
    .map(({ what, startedAt, status, error }) => `${what} ${seconds(startedAt)} ${status} ${error}`.trim())
    .join(', ')
}

function auditGroup(
  group: string,
  members: readonly ConsumerJournal[],
  input: AuditInput,
  stored: ReadonlyMap<string, SeenRecord>,
) {
  const found: Violation[] = []
  const commits = members.flatMap(member => member.commits)
  const levels = new CommitLevels(
    commits,
    input.observed.filter(entry => entry.group === group),
  )
  const received = new Map<string, string>()
  const repeats: string[] = []
  let deliveries = 0
  for (const read of members.flatMap(({ reads }) => reads)) {
    for (const record of read.records) {
      const key = placeKey(record)
      const to = `${read.consumer} at ${seconds(read.startedAt)}–${seconds(read.endedAt)}`
      const where = `${group}: ${key} to ${to}`
      const before = received.get(key)
      if (before !== undefined && repeats.length < REPEATS_TOLD) repeats.push(`${where}; before to ${before}`)
      received.set(key, to)
      deliveries += 1
      if (stored.get(key)?.id !== record.id)
        found.push({ kind: 'wrong record delivered', text: `${where}: ${record.id}` })
      const reason = levels.violation(record, read)
      if (reason !== undefined)
        found.push({ kind: 'committed record delivered again', text: `${where}; ${reason}` })
    }
  }
  for (const record of storedFor(group, input))
    if (!received.has(placeKey(record)))
      found.push({ kind: 'record never delivered', text: `${group}: ${placeKey(record)} (${record.id})` })
  for (const text of levels.regressions(input.committed.get(group) ?? []))
    found.push({ kind: 'commit lost', text: `${group}: ${text}` })
  return { found, repeated: deliveries - received.size, repeats, commitBacks: levels.commitBacks }
}

/** What to say of a long list: the first of each kind, and how many there are. */
export function violationLines(violations: readonly Violation[], each = 5): string[] {
  return [...Map.groupBy(violations, ({ kind }) => kind)].flatMap(([kind, some]) => [
    `${some.length} × ${kind}`,
    ...some.slice(0, each).map(({ text }) => `  ${text}`),
  ])
}

/** The partitions of places, sorted. */
export const partitionsOf = (places: readonly RecordPlace[]): string[] =>
  [...new Set(places.map(partitionKey))].sort()

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`
