import type { CommitEntry, ObservedCommits, RecordPlace, SeenRecord } from './journal.ts'
import { partitionKey } from './journal.ts'

/** That everything before `offset` was committed: known for sure once `endedAt` has passed. */
interface CommitFact {
  readonly startedAt: number
  readonly endedAt: number
  readonly offset: number
  readonly source: string
}

/** A client's own commit to a place before what was known to be committed: from there on records may come again. */
interface CommitBack {
  readonly startedAt: number
  readonly endedAt: number
  readonly offset: number
}

/** The facts of one partition, in the order in which they became known. */
interface Level {
  readonly facts: CommitFact[]
  /** `highest[i]` is the fact with the largest offset among the first i + 1. */
  readonly highest: CommitFact[]
  readonly backs: CommitBack[]
}

/**
 * What is known to be committed in one group, and since when. A commit counts from its acknowledgement on, or from the
 * moment when an independent reader saw it: so a commit that was answered with an error counts if it was applied.
 */
export class CommitLevels {
  readonly #levels: ReadonlyMap<string, Level>

  constructor(commits: readonly CommitEntry[], observed: readonly ObservedCommits[]) {
    const facts = new Map<string, CommitFact[]>()
    const add = (place: RecordPlace, fact: CommitFact) => {
      const key = partitionKey(place)
      const list = facts.get(key) ?? []
      list.push(fact)
      facts.set(key, list)
    }
    for (const { startedAt, endedAt, offsets, acknowledged, consumer } of commits)
      if (acknowledged)
        for (const place of offsets)
          add(place, { startedAt, endedAt, offset: place.offset, source: `acknowledged to ${consumer}` })
    for (const { startedAt, endedAt, offsets } of observed)
      for (const place of offsets)
        add(place, { startedAt, endedAt, offset: place.offset, source: 'seen in Kafka' })
    this.#levels = new Map([...facts].map(([key, list]) => [key, levelOf(list)]))
    for (const commit of commits) this.#noteBack(commit)
  }

  /** How often clients committed back; each makes the audit of what follows in its partition laxer. */
  get commitBacks(): number {
    return [...this.#levels.values()].reduce((sum, { backs }) => sum + backs.length, 0)
  }

  /**
   * Why a record must not have been handed out by a read that began then; undefined if it may have been. Reads that
   * were under way when the commit was acknowledged may still answer what they had fetched.
   */
  violation(record: SeenRecord, read: { readonly startedAt: number; readonly endedAt: number }) {
    const level = this.#levels.get(partitionKey(record))
    const highest = level && factBefore(level, read.startedAt)
    if (level === undefined || highest === undefined || highest.offset <= record.offset) return undefined
    // The latest one that covers the record: a commit back counts only if it was not over before that.
    const fact = level.facts.findLast(
      ({ endedAt, offset }) => endedAt < read.startedAt && offset > record.offset,
    )
    if (fact === undefined) return undefined
    const back = level.backs.some(
      ({ startedAt, endedAt, offset }) =>
        offset <= record.offset && startedAt < read.endedAt && endedAt > fact.startedAt,
    )
    return back ? undefined : `${fact.offset} was committed (${fact.source}) at ${seconds(fact.endedAt)}`
  }

  /** Partitions in which less is committed in the end than was known to be committed before. */
  regressions(last: readonly RecordPlace[]): string[] {
    const now = new Map(last.map(place => [partitionKey(place), place.offset]))
    return [...this.#levels].flatMap(([key, { facts, backs }]) => {
      const offset = now.get(key) ?? 0
      const fact = facts.findLast(known => known.offset > offset)
      if (fact === undefined) return []
      const back = backs.some(({ offset: to, endedAt }) => to <= offset && endedAt > fact.startedAt)
      return back
        ? []
        : [`${key}: ${offset} in the end, ${fact.offset} (${fact.source}) at ${seconds(fact.endedAt)}`]
    })
  }

  #noteBack({ startedAt, endedAt, offsets }: CommitEntry): void {
    for (const place of offsets) {
      const level = this.#levels.get(partitionKey(place))
      const fact = level && factBefore(level, startedAt)
      if (fact !== undefined && place.offset < fact.offset)
        level?.backs.push({ startedAt, endedAt, offset: place.offset })
    }
  }
}

function levelOf(list: CommitFact[]): Level {
  const facts = list.toSorted((left, right) => left.endedAt - right.endedAt)
  const highest: CommitFact[] = []
  for (const fact of facts) {
    const before = highest.at(-1)
    // Of equal ones the first.
    highest.push(before !== undefined && before.offset >= fact.offset ? before : fact)
  }
  return { facts, highest, backs: [] }
}

/** The highest of the facts that were known before `time`. */
function factBefore({ facts, highest }: Level, time: number): CommitFact | undefined {
  let [low, high] = [0, facts.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((facts[middle]?.endedAt ?? Number.POSITIVE_INFINITY) < time) low = middle + 1
    else high = middle
  }
  return low === 0 ? undefined : highest[low - 1]
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`
