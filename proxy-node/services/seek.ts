import { RestError } from '../../shared/errors/rest-error.ts'
import type { PartitionBody, PositionsBody, TimestampBody } from '../../shared/rest/v2-consumer-shapes.ts'
import type { KafkaCluster } from '../ports/kafka-cluster.ts'
import type { Isolation, KafkaConsumers } from '../ports/kafka-consumer.ts'
import { keyOf, type Positions } from './positions.ts'

export interface SeekDeps {
  readonly positions: Positions
  readonly consumers: Pick<KafkaConsumers, 'listOffsets'>
  readonly cluster: Pick<KafkaCluster, 'topicWith'>
  readonly isolation: Isolation
}

/**
 * Moves positions to offsets, then to times (contract v2 §2.13). Offsets are applied one by one: earlier ones stick
 * when a later one fails.
 * @throws RestError illegalState for a partition that is not assigned or that is named twice by time; kafkaRetriable
 *   for one that does not exist. KafkaError.
 */
export async function seekPositions(deps: SeekDeps, body: PositionsBody, signal: AbortSignal): Promise<void> {
  for (const { topic, partition, offset } of body.offsets) {
    checkAssigned(deps.positions, { topic, partition })
    deps.positions.seek({ topic, partition }, offset)
  }
  if (body.timestamps.length > 0) await seekTimestamps(deps, body.timestamps, signal)
}

/**
 * Moves positions to the beginning or the end, which is looked up before the next read; none named = all assigned.
 * @throws RestError illegalState for a partition that is not assigned; then none has moved.
 */
export function seekToEnds(
  positions: Positions,
  partitions: readonly PartitionBody[],
  target: 'earliest' | 'latest',
): void {
  for (const partition of partitions) checkAssigned(positions, partition)
  for (const partition of partitions.length === 0 ? positions.partitions : partitions)
    positions.seekTo(partition, target)
}

async function seekTimestamps(
  deps: SeekDeps,
  timestamps: readonly TimestampBody[],
  signal: AbortSignal,
): Promise<void> {
  const { positions, consumers, cluster, isolation } = deps
  const named = new Set<string>()
  for (const { topic, partition } of timestamps) {
    const key = keyOf({ topic, partition })
    if (named.has(key)) throw new RestError('illegalState', `Duplicate key ${topic}-${partition}`)
    named.add(key)
    const found = await cluster.topicWith({ topic, partition }, signal)
    // The original asks the brokers for 60 s and answers the same.
    if (found?.partitions[partition] === undefined)
      throw new RestError('kafkaRetriable', `The partition ${topic}-${partition} is not present in metadata.`)
  }
  const offsets = new Map<string, bigint>()
  for (const [timestampMs, asked] of Map.groupBy(timestamps, entry => entry.timestampMs)) {
    const partitions = asked.map(({ topic, partition }) => ({ topic, partition }))
    const found = await consumers.listOffsets(partitions, { timestampMs }, { isolation, signal })
    for (const entry of found) if (entry.offset !== undefined) offsets.set(keyOf(entry), entry.offset)
  }
  for (const { topic, partition } of timestamps) {
    const offset = offsets.get(keyOf({ topic, partition }))
    checkAssigned(positions, { topic, partition })
    if (offset !== undefined) positions.seek({ topic, partition }, offset)
    // Later than every record: the first one that is not older is the next to come. The original answers 500.
    else positions.seekTo({ topic, partition }, 'latest')
  }
}

function checkAssigned(positions: Positions, { topic, partition }: PartitionBody): void {
  if (positions.isAssigned({ topic, partition })) return
  throw new RestError('illegalState', `No current assignment for partition ${topic}-${partition}`)
}
