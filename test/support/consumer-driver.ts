import { kafkaSettings } from '../../proxy-node/kafka-settings.ts'
import { type OpenKafka, openKafka } from '../../proxy-node/open-kafka.ts'
import type { TopicPartition } from '../../proxy-node/ports/kafka-cluster.ts'
import type {
  FetchedPartition,
  FetchedRecord,
  GroupMember,
  GroupMembership,
  Isolation,
  MembershipOptions,
} from '../../proxy-node/ports/kafka-consumer.ts'
import { systemClock } from '../../shared/clock.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { loadSettings } from '../../shared/settings/load.ts'
import { until } from './until.ts'

/** The consumer drivers as a proxy node has them, on the brokers at `addresses`. Stop them in `afterAll`. */
export function openDriver(
  addresses: string | readonly string[],
  settings: Readonly<Record<string, string>> = {},
): OpenKafka {
  const bootstrap = [addresses].flat().map(address => {
    const [host = '', port] = address.split(':')
    return { host, port: Number(port) }
  })
  const file = new Map(Object.entries({ 'membership.topics.watch.interval.ms': '300', ...settings }))
  return openKafka(loadSettings(kafkaSettings, file, {}).settings, {
    bootstrap,
    clientId: 'test',
    security: {},
    metadataMaxAgeMs: 300_000,
    clock: systemClock,
    random: Math.random,
    log: silentLogger,
  })
}

/** A group member that notes what it is told. */
export class TestMember {
  readonly membership: GroupMembership
  readonly events: string[] = []
  /** As `t0 t1`, sorted; empty while not stable. */
  get partitions(): string {
    return namesOf(this.membership.assignment)
  }

  member: GroupMember | undefined
  memberId = ''
  fenced = false
  mayJoin = true
  onRevoked: (partitions: readonly TopicPartition[]) => Promise<void> = () => Promise.resolve()

  constructor(
    driver: OpenKafka,
    options: Pick<MembershipOptions, 'group' | 'groupInstanceId' | 'topics'> & Partial<MembershipOptions>,
  ) {
    this.membership = driver.consumers.join({
      memberId: '',
      // The broker's smallest session; short, so that tests of silent members end.
      sessionTimeoutMs: 6000,
      heartbeatIntervalMs: 300,
      rebalanceTimeoutMs: 5000,
      mayJoin: () => Promise.resolve(this.mayJoin ? 'yes' : 'no'),
      onRevoked: async partitions => {
        this.events.push(`revoked ${namesOf(partitions)}`)
        await this.onRevoked(partitions)
      },
      onAssigned: (partitions, member) => {
        this.member = member
        this.events.push(`assigned ${namesOf(partitions)}`)
      },
      onMemberId: memberId => {
        this.memberId = memberId
      },
      onFenced: () => {
        this.fenced = true
        this.events.push('fenced')
      },
      ...options,
    })
  }

  /** Waits until this member's assignment is as wanted. */
  untilPartitions(wanted: string): Promise<unknown> {
    return until(`${wanted || 'nothing'} is assigned, and not ${this.events.at(-1)}`, () => {
      return this.membership.member !== undefined && this.partitions === wanted
    })
  }
}

function namesOf(partitions: readonly TopicPartition[]): string {
  return partitions
    .map(({ topic, partition }) => `${topic}/${partition}`)
    .sort()
    .join(' ')
}

/** `t/0 t/1 …`, as `TestMember.partitions` says it. */
export function all(topic: string, count: number): string {
  return namesOf(Array.from({ length: count }, (_, partition) => ({ topic, partition })))
}

/** One fetch of one partition. */
export async function fetchOne(
  { consumers }: OpenKafka,
  position: TopicPartition & { offset: bigint },
  options: { isolation?: Isolation; maxBytes?: number; maxWaitMs?: number; signal?: AbortSignal } = {},
): Promise<FetchedPartition> {
  const { signal } = options
  const fetched = await consumers.fetch({
    positions: [position],
    maxBytes: options.maxBytes ?? 1_000_000,
    minBytes: 1,
    maxWaitMs: options.maxWaitMs ?? 500,
    isolation: options.isolation ?? 'read_uncommitted',
    ...(signal ? { signal } : {}),
  })
  const [only] = fetched
  if (!only) throw new Error('the fetch brought nothing, not even an answer for the partition')
  return only
}

/** Reads a partition from an offset on until its position is at `end`; throws a partition's error. */
export async function readTo(
  driver: OpenKafka,
  start: TopicPartition & { offset: bigint },
  end: bigint,
  options: { isolation?: Isolation; maxBytes?: number } = {},
): Promise<FetchedRecord[]> {
  const records: FetchedRecord[] = []
  let { offset } = start
  await until(`${start.topic} is read to ${end}`, async () => {
    while (offset < end) {
      const fetched = await fetchOne(driver, { ...start, offset }, options)
      if (fetched.error) throw fetched.error
      records.push(...fetched.records)
      if (fetched.nextOffset === offset) return false
      offset = fetched.nextOffset
    }
    return true
  })
  return records
}
