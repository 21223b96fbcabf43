import { createRandom } from '../../shared/random.ts'
import { ChaosConsumer, type ConsumerPlan, type FailoverMode } from './consumer.ts'
import { ChaosProducer } from './producer.ts'

/** The topics of a run and their partitions. */
export const topics: Readonly<Record<string, number>> = { 'chaos-a': 12, 'chaos-b': 6 }

const subscribers = (
  group: string,
  count: number,
  reads: readonly string[],
  commits: ConsumerPlan['commits'],
): ConsumerPlan[] =>
  Array.from({ length: count }, (_, index) => ({
    name: `${group}-${index + 1}`,
    group,
    reads: { topics: reads },
    commits,
  }))

/** Consumers that share the partitions of `chaos-b` by hand. */
const assigned = (group: string, count: number, commits: ConsumerPlan['commits']): ConsumerPlan[] =>
  Array.from({ length: count }, (_, index) => ({
    name: `${group}-${index + 1}`,
    group,
    reads: {
      partitions: Array.from(
        { length: topics['chaos-b'] ?? 0 },
        (_, number) => ['chaos-b', number] as const,
      ).filter(([, number]) => number % count === index),
    },
    commits,
  }))

/** Thirty consumers: large and small groups, with and without auto-commit, some assigned by hand. */
export const consumerPlans: readonly ConsumerPlan[] = [
  ...subscribers('orders', 9, ['chaos-a'], 'explicit'),
  ...subscribers('mirror', 8, ['chaos-a', 'chaos-b'], 'auto'),
  ...subscribers('billing', 5, ['chaos-b'], 'explicit'),
  ...subscribers('alone', 1, ['chaos-a'], 'explicit'),
  ...subscribers('alone-auto', 1, ['chaos-b'], 'auto'),
  ...assigned('by-hand', 3, 'explicit'),
  ...assigned('by-hand-auto', 3, 'auto'),
]

/** The topics of each group. */
export const topicsOfGroups: ReadonlyMap<string, readonly string[]> = new Map(
  consumerPlans.map(({ group, reads }) => [group, 'topics' in reads ? reads.topics : ['chaos-b']]),
)

export interface ClientsOptions {
  readonly seed: number
  readonly mode: FailoverMode
  /** Where they send their requests: gateways, or a balancer. */
  readonly addresses: readonly string[]
  readonly recordsPerSecond: number
  /** Share of a consumer's requests for which it changes to another address. */
  readonly wanderShare: number
}

export interface Clients {
  readonly consumers: readonly ChaosConsumer[]
  readonly producers: readonly ChaosProducer[]
}

const PRODUCERS = 3
const REQUESTS_PER_SECOND = 5

/** The clients of a run, not started yet. */
export function createClients(options: ClientsOptions): Clients {
  const { seed, mode, addresses, recordsPerSecond, wanderShare } = options
  const consumers = consumerPlans.map(
    (plan, index) =>
      new ChaosConsumer({ plan, mode, addresses, wanderShare, random: createRandom(seed * 1000 + index) }),
  )
  const producers = Array.from(
    { length: PRODUCERS },
    (_, index) =>
      new ChaosProducer({
        name: `producer-${index + 1}`,
        topics: Object.keys(topics),
        addresses,
        random: createRandom(seed * 1000 + 500 + index),
        requestsPerSecond: REQUESTS_PER_SECOND,
        recordsEach: Math.max(1, Math.round(recordsPerSecond / PRODUCERS / REQUESTS_PER_SECOND)),
      }),
  )
  return { consumers, producers }
}
