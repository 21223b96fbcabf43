import { createRandom } from '../../shared/random.ts'

export type FaultKind =
  | 'kill node'
  | 'kill gateway'
  | 'kill two nodes'
  | 'pause node below lease'
  | 'pause node beyond lease'
  | 'pause gateway'
  | 'restart Redis with its data'
  | 'restart Redis empty'
  | 'pause Redis'
  | 'rolling restart of nodes'
  | 'rolling restart of gateways'
  | 'restart Kafka'

/** One fault of a run. It begins at `atMs`, or when the one before is over if that takes longer. */
export interface Fault {
  readonly atMs: number
  readonly kind: FaultKind
  /**
   * Which node or gateway is hit first: by its number, or the node with the most consumer instances at that time. New
   * instances go to any node, and old ones stay: one that was restarted last holds hardly any.
   */
  readonly target: number | 'fullest'
  /** How long the process is down or frozen, on purpose. */
  readonly holdMs: number
}

interface FaultRow {
  readonly kind: FaultKind
  readonly hold: readonly [min: number, max: number]
  /** What it takes beside its hold, roughly: starts of processes. */
  readonly extraMs: number
  /** The pause after it that it needs at least, so that what it loses by design is made good before the next. */
  readonly quietMs?: number
}

/** Leases are 5 s. */
const rows: readonly FaultRow[] = [
  { kind: 'kill node', hold: [200, 12_000], extraMs: 1500 },
  { kind: 'kill gateway', hold: [200, 4000], extraMs: 1000 },
  { kind: 'pause node below lease', hold: [500, 3500], extraMs: 0 },
  { kind: 'pause node beyond lease', hold: [6500, 12_000], extraMs: 0 },
  { kind: 'restart Redis with its data', hold: [100, 6000], extraMs: 200 },
  { kind: 'rolling restart of nodes', hold: [0, 1500], extraMs: 18_000 },
  { kind: 'kill node', hold: [200, 12_000], extraMs: 1500 },
  // Placements that were only in the table are asserted anew by their nodes within seconds; a node that dies before has lost them.
  { kind: 'restart Redis empty', hold: [100, 6000], extraMs: 200, quietMs: 8000 },
  { kind: 'pause gateway', hold: [500, 6000], extraMs: 0 },
  { kind: 'pause Redis', hold: [500, 9000], extraMs: 0 },
  { kind: 'rolling restart of gateways', hold: [0, 1500], extraMs: 4000 },
  { kind: 'kill two nodes', hold: [200, 8000], extraMs: 3000 },
]
const kafkaRow: FaultRow = { kind: 'restart Kafka', hold: [100, 3000], extraMs: 12_000, quietMs: 8000 }
/** A broker restart takes everything away for a while: at most one in this time. */
const kafkaEveryMs = 240_000
const firstMs = 5000
const FULLEST_SHARE = 0.6
const quietEndMs = 12_000

/**
 * The faults of a run: a function of seed and length alone. Kinds come in shuffled rounds, so that each appears in a
 * run of some minutes. After most there is quiet for a while; some follow at once.
 */
export function faultSchedule(seed: number, minutes: number): Fault[] {
  const random = createRandom(seed)
  const between = ([min, max]: readonly [number, number]) => Math.round(min + random() * (max - min))
  const endMs = minutes * 60_000 - quietEndMs
  const faults: Fault[] = []
  let kafkaAtMs = kafkaEveryMs / 2
  let round: FaultRow[] = []
  for (let atMs = firstMs; atMs < endMs; ) {
    if (round.length === 0) round = shuffled(rows, random)
    const kafkaIsDue = atMs >= kafkaAtMs
    const row = kafkaIsDue ? kafkaRow : (round.pop() ?? kafkaRow)
    if (kafkaIsDue) kafkaAtMs = atMs + kafkaEveryMs
    const holdMs = between(row.hold)
    const target = random() < FULLEST_SHARE ? ('fullest' as const) : Math.floor(random() * 1000)
    faults.push({ atMs, kind: row.kind, target, holdMs })
    const pauseMs = random() < 0.3 ? between([0, 1000]) : between([4000, 10_000])
    atMs += holdMs + row.extraMs + Math.max(pauseMs, row.quietMs ?? 0)
  }
  return faults
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map(item => ({ item, rank: random() }))
    .sort((left, right) => left.rank - right.rank)
    .map(({ item }) => item)
}
