import { describe, expect, test } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import type { TopicMetadata, TopicPartition } from '../ports/kafka-cluster.ts'
import type {
  CommittedOffset,
  GroupMember,
  MayJoin,
  MembershipOptions,
  OffsetAnswer,
} from '../ports/kafka-consumer.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import { Changes } from './changes.ts'
import { Commits } from './commits.ts'
import type { ConsumerSettings } from './consumer-settings.ts'
import { PatternMatcher } from './pattern-matcher.ts'
import { PositionResolver } from './position-resolver.ts'
import { Positions } from './positions.ts'
import { Subscription } from './subscription.ts'
import { compileTopicPattern } from './topic-pattern.ts'

const t0 = { topic: 't', partition: 0 }
const generation = (number: number): GroupMember => ({
  memberId: 'm',
  groupInstanceId: 'i',
  generation: number,
})
const metadata = (name: string, internal = false): TopicMetadata => ({
  name,
  id: '',
  internal,
  partitions: [{ partition: 0, leader: 0, leaderEpoch: 0, replicas: [], inSyncReplicas: [] }],
})

/** A membership that does what the test says, when it says it. */
class ScriptedMembership {
  readonly options: MembershipOptions
  member: GroupMember | undefined
  assignment: readonly TopicPartition[] = []
  problem: Error | undefined
  topics: readonly string[]
  left = false
  stopped = false

  constructor(options: MembershipOptions) {
    this.options = options
    this.topics = options.topics
  }
  setTopics(topics: readonly string[]): void {
    this.topics = topics
  }
  async settled(): Promise<void> {}
  async leave(): Promise<void> {
    this.left = true
  }
  async stop(): Promise<void> {
    this.stopped = true
  }
}

function subscribing(commit: (offsets: readonly CommittedOffset[]) => Promise<void> = async () => undefined) {
  const memberships: ScriptedMembership[] = []
  const events: string[] = []
  const committed: CommittedOffset[][] = []
  const positions = new Positions()
  const changes = new Changes()
  const closed = new AbortController().signal
  const topics = new Map<string, TopicMetadata | KafkaError>([
    ['t', metadata('t')],
    ['u', metadata('u')],
    ['__internal', metadata('__internal', true)],
  ])
  const asked = { about: (_name: string): Promise<void> => Promise.resolve() }
  const cluster = {
    cachedTopic: () => undefined,
    topic: async (name: string) => {
      await asked.about(name)
      const found = topics.get(name)
      if (found instanceof KafkaError) throw found
      return found
    },
    topicWith: ({ topic }: TopicPartition) => cluster.topic(topic),
    topics: async (): Promise<readonly TopicMetadata[]> =>
      [...topics.values()].flatMap(found => (found instanceof KafkaError ? [] : [found])),
  }
  const shared = {
    group: 'g',
    cluster,
    positions,
    changes,
    closed,
    clock: systemClock,
    log: silentLogger,
    mayServe: async () => true,
    mayRejoin: async (): Promise<MayJoin> => 'unknown',
    metrics: { count: () => undefined },
  }
  const consumers = {
    join: (options: MembershipOptions) => {
      const membership = new ScriptedMembership(options)
      memberships.push(membership)
      return membership
    },
    committed: async () => [],
    askOffsets: async (
      partitions: readonly TopicPartition[],
      _at: unknown,
      { onAnswer }: { onAnswer: (answers: readonly OffsetAnswer[]) => void },
    ) => onAnswer(partitions.map(partition => ({ ...partition, offset: 0n, error: undefined }))),
    commit: (_group: string, _member: GroupMember | undefined, offsets: readonly CommittedOffset[]) => {
      committed.push([...offsets])
      return commit(offsets)
    },
  }
  const commits = new Commits({
    ...shared,
    consumers,
    gone: () => new Error('gone'),
    onFenced: () => events.push('fenced by a commit'),
    commitTimeoutMs: 1000,
  })
  const resolver = new PositionResolver({
    ...shared,
    consumers,
    policy: { from: 'earliest' },
    isolation: 'read_uncommitted',
    onResolved: () => undefined,
  })
  const settings: Partial<ConsumerSettings> = {
    autoCreateTopics: true,
    subscriptionWaitMs: 20,
    rebalanceTimeoutMs: 50,
    instanceCloseTimeoutMs: 50,
  }
  const patterns = new PatternMatcher(systemClock)
  const subscription = new Subscription({
    ...shared,
    consumers,
    groupInstanceId: 'i',
    autoCommit: true,
    resolver,
    patterns,
    commits,
    settings: settings as ConsumerSettings,
    onMemberId: () => events.push(`member ${subscription.memberId}`),
    onFenced: () => events.push('fenced'),
  })
  return { subscription, memberships, positions, resolver, events, committed, topics, asked, patterns }
}

async function settledPositions({ positions, resolver }: ReturnType<typeof subscribing>): Promise<void> {
  while (resolver.busy) await new Promise(resolve => setImmediate(resolve))
  expect(positions.unresolved()).toEqual([])
}

describe('Subscription', () => {
  test('a revoked partition is given up before its confirmed offset is committed', async () => {
    const gate = Promise.withResolvers<void>()
    const parts = subscribing(() => gate.promise)
    const { subscription, memberships, positions, committed } = parts
    await subscription.subscribe(['t'])
    const [membership] = memberships
    membership?.options.onAssigned([t0], generation(1))
    await settledPositions(parts)
    const [position] = positions.readable()
    if (position) positions.handOut(position, 5n)
    positions.confirm()
    const revoked = membership?.options.onRevoked([t0])
    // The commit is under way, and nothing more can be handed out.
    expect(positions.readable()).toEqual([])
    gate.resolve()
    await revoked
    expect(committed.flat()).toMatchObject([{ ...t0, offset: 5n }])
  })

  test('another list goes to the same membership; unsubscribing leaves it, and the next is a new one', async () => {
    const { subscription, memberships, positions } = subscribing()
    await subscription.subscribe(['t'])
    await subscription.subscribe(['u', 'not a name'])
    expect(memberships.map(({ topics }) => topics)).toEqual([['u']])
    await subscription.unsubscribe()
    expect([memberships[0]?.left, subscription.isMember, subscription.topics]).toEqual([true, false, []])
    await subscription.subscribe(['t'])
    expect(memberships).toHaveLength(2)
    // What the first still has to say means nothing to the second.
    memberships[0]?.options.onAssigned([t0], generation(9))
    memberships[0]?.options.onMemberId('old')
    memberships[0]?.options.onFenced()
    expect([positions.partitions, subscription.memberId]).toEqual([[], ''])
  })

  test('the identity that the broker gives is told, and being fenced too', async () => {
    const { subscription, memberships, events } = subscribing()
    await subscription.subscribe(['t'])
    memberships[0]?.options.onMemberId('m-7')
    memberships[0]?.options.onFenced()
    expect(events).toEqual(['member m-7', 'fenced'])
  })

  test('a subscribe joins if the instance may be served; a member that was dropped only while the identity is still ours', async () => {
    const { subscription, memberships } = subscribing()
    await subscription.subscribe(['t'])
    const [first] = memberships
    expect(await first?.options.mayJoin()).toBe('yes')
    first?.options.onMemberId('m-7')
    expect(await first?.options.mayJoin()).toBe('unknown')
    await subscription.unsubscribe()
    await subscription.subscribe(['t'])
    expect(await memberships[1]?.options.mayJoin()).toBe('yes')
    // It is leaving, and still knows that it was a member.
    expect(await first?.options.mayJoin()).toBe('unknown')
  })

  test('a member that an earlier holder had is not joined for on trust', async () => {
    const { subscription, memberships } = subscribing()
    subscription.resume({ kind: 'topics', topics: ['t'], joined: ['t'] }, 'm-1')
    expect(await memberships[0]?.options.mayJoin()).toBe('unknown')
  })

  test('a pattern follows the listing, and never sees internal topics', async () => {
    const { subscription, memberships } = subscribing()
    await subscription.subscribePattern(compileTopicPattern('.*'))
    expect(subscription.topics).toEqual(['t', 'u'])
    await subscription.topicsListed(['t', 'u', 'v'])
    expect(memberships[0]?.topics).toEqual(['t', 'u', 'v'])
  })

  test('a listing for a pattern that is not subscribed any more counts for nothing', async () => {
    const { subscription, memberships, patterns } = subscribing()
    await subscription.subscribePattern(compileTopicPattern('.'))
    const matched = Promise.withResolvers<string[]>()
    patterns.matching = () => matched.promise
    const listed = subscription.topicsListed(['t', 'u', 'v'])
    await subscription.unsubscribe()
    await subscription.subscribe(['u'])
    matched.resolve(['t', 'u', 'v'])
    await listed
    expect(subscription.topics).toEqual(['u'])
    expect(memberships.map(({ topics }) => topics)).toEqual([['t', 'u'], ['u']])
  })

  test.each([false, true])(
    'a listing that comes while its topics are looked up counts (member: %s)',
    async member => {
      const { subscription, memberships, asked } = subscribing()
      if (member) await subscription.subscribePattern(compileTopicPattern('t'))
      const pending = Promise.withResolvers<void>()
      const begun = Promise.withResolvers<void>()
      asked.about = () => {
        begun.resolve()
        return pending.promise
      }
      const subscribed = subscription.subscribePattern(compileTopicPattern('.'))
      await begun.promise
      await subscription.topicsListed(['t', 'u', 'v'])
      pending.resolve()
      await subscribed
      expect(memberships.map(({ topics }) => topics)).toEqual([['t', 'u', 'v']])
    },
  )

  test('a forbidden topic is the problem of reads, until it is allowed', async () => {
    const { subscription, topics } = subscribing()
    const forbidden = new KafkaError('TOPIC_AUTHORIZATION_FAILED', { code: 29, retriable: false, text: 'no' })
    topics.set('secret', forbidden)
    await subscription.subscribe(['t', 'secret'])
    expect(subscription.problem()).toBe(forbidden)
    topics.set('secret', metadata('secret'))
    await subscription.recheckTopics()
    expect(subscription.problem()).toBeUndefined()
  })

  test('what keeps a member from joining is a problem only if it does not pass by itself', async () => {
    const { subscription, memberships } = subscribing()
    await subscription.subscribe(['t'])
    const [membership] = memberships
    if (membership === undefined) throw new Error('it has not joined')
    membership.problem = new KafkaError('COORDINATOR_NOT_AVAILABLE', { code: 15, retriable: true, text: '' })
    expect(subscription.problem()).toBeUndefined()
    membership.problem = new KafkaError('INVALID_SESSION_TIMEOUT', { code: 26, retriable: false, text: 'x' })
    expect(subscription.problem()).toBe(membership.problem)
  })

  test('stopping does not leave the group: another goes on as this member', async () => {
    const { subscription, memberships } = subscribing()
    await subscription.subscribe(['t'])
    await subscription.stop()
    expect([memberships[0]?.left, memberships[0]?.stopped]).toEqual([false, true])
  })
})
