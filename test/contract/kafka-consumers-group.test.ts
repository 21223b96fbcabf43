import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { OpenKafka } from '../../proxy-node/open-kafka.ts'
import type { MembershipOptions } from '../../proxy-node/ports/kafka-consumer.ts'
import { all, fetchOne, openDriver, TestMember } from '../support/consumer-driver.ts'
import { JavaMember } from '../support/java-member.ts'
import { addPartitions, createTopic, deleteTopic } from '../support/kafka-topics.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

/** Two drivers, as two proxy nodes have them. */
let driver: OpenKafka
let other: OpenKafka
const members: TestMember[] = []
const javaMembers: JavaMember[] = []

beforeAll(() => {
  driver = openDriver(kafkaAddress())
  other = openDriver(kafkaAddress())
})

afterEach(async () => {
  await Promise.all(members.splice(0).map(({ membership }) => membership.leave()))
  await Promise.all(javaMembers.splice(0).map(member => member.stop()))
})

afterAll(async () => {
  await driver.stop()
  await other.stop()
})

async function newTopic(partitions: number): Promise<string> {
  const topic = uniqueName('t')
  await createTopic(kafkaAddress(), topic, { partitions })
  return topic
}

function join(
  group: string,
  groupInstanceId: string,
  topics: string[],
  options: Partial<MembershipOptions> & { driver?: OpenKafka } = {},
): TestMember {
  const member = new TestMember(options.driver ?? driver, {
    group,
    groupInstanceId,
    topics,
    // No test waits for one of ours to expire, and a busy machine must not let one.
    sessionTimeoutMs: 20_000,
    ...options,
  })
  members.push(member)
  return member
}

async function joinJava(...[options]: [Parameters<typeof JavaMember.start>[1]]): Promise<JavaMember> {
  const member = await JavaMember.start(kafkaAddress(), options)
  javaMembers.push(member)
  return member
}

const part = (topic: string, ...partitions: number[]) =>
  partitions.map(partition => `${topic}/${partition}`).join(' ')

describe('members of ours', () => {
  test('one has all; two and three share; who leaves is replaced at once', async () => {
    const topic = await newTopic(6)
    const group = uniqueName('g')
    const a = join(group, 'a', [topic])
    await a.untilPartitions(all(topic, 6))
    const b = join(group, 'b', [topic], { driver: other })
    await a.untilPartitions(part(topic, 0, 1, 2))
    await b.untilPartitions(part(topic, 3, 4, 5))
    const c = join(group, 'c', [topic])
    await a.untilPartitions(part(topic, 0, 1))
    await b.untilPartitions(part(topic, 2, 3))
    await c.untilPartitions(part(topic, 4, 5))
    // The leader too: b leads from then on.
    await a.membership.leave()
    await b.untilPartitions(part(topic, 0, 1, 2))
    await c.untilPartitions(part(topic, 3, 4, 5))
    expect(a.events).toEqual([
      `assigned ${all(topic, 6)}`,
      `revoked ${all(topic, 6)}`,
      `assigned ${part(topic, 0, 1, 2)}`,
      `revoked ${part(topic, 0, 1, 2)}`,
      `assigned ${part(topic, 0, 1)}`,
    ])
  })

  test('a revocation may commit before the others go on', async () => {
    const topic = await newTopic(2)
    const group = uniqueName('g')
    const a = join(group, 'a', [topic])
    await a.untilPartitions(all(topic, 2))
    a.onRevoked = async () => {
      const { member } = a.membership
      const offsets = [0, 1].map(partition => ({ topic, partition, offset: 42n, metadata: '' }))
      await driver.consumers.commit(group, member, offsets)
    }
    const b = join(group, 'b', [topic], { driver: other })
    await b.untilPartitions(part(topic, 1))
    expect(await other.consumers.committed(group, [{ topic, partition: 1 }])).toMatchObject([{ offset: 42n }])
  })

  test('other topics: the member gets theirs, and the old ones go to the others', async () => {
    const [t1, t2] = [await newTopic(2), await newTopic(2)]
    const group = uniqueName('g')
    const a = join(group, 'a', [t1])
    const b = join(group, 'b', [t1], { driver: other })
    await a.untilPartitions(part(t1, 0))
    await b.untilPartitions(part(t1, 1))
    b.membership.setTopics([t2])
    await b.untilPartitions(all(t2, 2))
    await a.untilPartitions(all(t1, 2))
  })

  test('membership needs no reads: it outlives its session time-out', async () => {
    const topic = await newTopic(1)
    const a = join(uniqueName('g'), 'a', [topic], { sessionTimeoutMs: 6000 })
    await a.untilPartitions(all(topic, 1))
    const { generation } = a.membership.member ?? {}
    await new Promise(resolve => setTimeout(resolve, 7000))
    expect(a.membership.member?.generation).toBe(generation)
    expect(a.events).toEqual([`assigned ${all(topic, 1)}`])
  })
})

describe('takeover', () => {
  test('the successor has the same partitions at once, in the same generation, and the old owner is fenced', async () => {
    const topic = await newTopic(4)
    const group = uniqueName('g')
    const [a, b] = [join(group, 'a', [topic]), join(group, 'b', [topic])]
    await a.untilPartitions(part(topic, 0, 1))
    await b.untilPartitions(part(topic, 2, 3))
    const { generation } = b.membership.member ?? {}
    const eventsBefore = [...a.events]
    const successor = join(group, 'b', [topic], { driver: other })
    await successor.untilPartitions(part(topic, 2, 3))
    expect(successor.membership.member?.generation).toBe(generation)
    await until('the old owner is fenced', () => b.fenced)
    expect(b.membership.member).toBeUndefined()
    expect(b.membership.assignment).toEqual([])
    expect(b.events.at(-1)).toBe('fenced')
    // Nobody else noticed, and the old owner does not steal its identity back.
    expect(a.events).toEqual(eventsBefore)
    const { memberId } = successor.membership.member ?? {}
    await new Promise(resolve => setTimeout(resolve, 1500))
    expect(successor.membership.member).toMatchObject({ memberId, generation })
    expect(successor.fenced).toBe(false)
  })

  test('of the leader: the successor leads and watches', async () => {
    const topic = await newTopic(2)
    const group = uniqueName('g')
    const a = join(group, 'a', [topic])
    await a.untilPartitions(all(topic, 2))
    const { generation } = a.membership.member ?? {}
    const successor = join(group, 'a', [topic], { driver: other })
    await successor.untilPartitions(all(topic, 2))
    expect(successor.membership.member?.generation).toBe(generation)
    await addPartitions(kafkaAddress(), topic, 3)
    other.cluster.outdated(topic)
    await successor.untilPartitions(all(topic, 3))
  })

  test('of a member that was stopped: no rebalance, and no wait for its session', async () => {
    const topic = await newTopic(2)
    const group = uniqueName('g')
    const [a, b] = [join(group, 'a', [topic]), join(group, 'b', [topic])]
    await a.untilPartitions(part(topic, 0))
    await b.untilPartitions(part(topic, 1))
    const { generation } = a.membership.member ?? {}
    await b.membership.stop()
    const successor = join(group, 'b', [topic], { driver: other })
    await successor.untilPartitions(part(topic, 1))
    expect(successor.membership.member?.generation).toBe(generation)
    expect(a.membership.member?.generation).toBe(generation)
  })

  test('of a join that is pending: the one that waits is fenced', async () => {
    const topic = await newTopic(2)
    const group = uniqueName('g')
    const a = join(group, 'a', [topic], { rebalanceTimeoutMs: 20_000 })
    await a.untilPartitions(all(topic, 2))
    // a holds the rebalance up until b's successor is there.
    const release = Promise.withResolvers<void>()
    a.onRevoked = () => release.promise
    const b = join(group, 'b', [topic])
    await until('the group rebalances', () => a.events.some(event => event.startsWith('revoked')))
    const successor = join(group, 'b', [topic], { driver: other })
    await until('b is fenced in its join', () => b.fenced)
    release.resolve()
    await successor.untilPartitions(part(topic, 1))
    expect(b.events).toEqual(['fenced'])
  })

  test('with another subscription: the old partitions are not handed out, the new ones are', async () => {
    const [t1, t2] = [await newTopic(2), await newTopic(2)]
    const group = uniqueName('g')
    const [a, b] = [join(group, 'a', [t1]), join(group, 'b', [t1])]
    await a.untilPartitions(part(t1, 0))
    await b.untilPartitions(part(t1, 1))
    const successor = join(group, 'b', [t2], { driver: other })
    await successor.untilPartitions(all(t2, 2))
    await a.untilPartitions(all(t1, 2))
    expect(successor.events).toEqual([`assigned ${all(t2, 2)}`])
  })

  test('the right to join is refused: nothing is sent, the member that lives stays', async () => {
    const topic = await newTopic(1)
    const group = uniqueName('g')
    const a = join(group, 'a', [topic])
    await a.untilPartitions(all(topic, 1))
    const late = join(group, 'a', [topic], { driver: other, mayJoin: () => Promise.resolve('no') })
    await until('it gives up', () => late.fenced)
    await new Promise(resolve => setTimeout(resolve, 1000))
    expect(a.fenced).toBe(false)
    await a.untilPartitions(all(topic, 1))
  })

  test('a member that follows goes on under its id without a rebalance', async () => {
    const topic = await newTopic(2)
    const group = uniqueName('g')
    const a = join(group, 'a', [topic])
    await a.untilPartitions(all(topic, 2))
    const b = join(group, 'b', [topic])
    await b.untilPartitions(part(topic, 1))
    const { member } = b.membership
    await b.membership.stop()
    const again = join(group, 'b', [topic], { memberId: b.memberId, mayJoin: () => Promise.resolve('no') })
    await again.untilPartitions(part(topic, 1))
    expect(again.membership.member).toEqual(member)
  })
})

describe('removal', () => {
  test('a dead member is removed by both ids, and its partitions go to the others at once', async () => {
    const topic = await newTopic(2)
    const group = uniqueName('g')
    const [a, b] = [join(group, 'a', [topic]), join(group, 'b', [topic])]
    await a.untilPartitions(part(topic, 0))
    await b.untilPartitions(part(topic, 1))
    await b.membership.stop()
    const member = { memberId: b.memberId, groupInstanceId: 'b' }
    await other.consumers.removeMember(group, member)
    await a.untilPartitions(all(topic, 2))
    // Gone already, and never there: both mean done.
    await other.consumers.removeMember(group, member)
    await other.consumers.removeMember(uniqueName('g'), member)
  })

  test('of an id that was taken over does not hit the successor', async () => {
    const topic = await newTopic(1)
    const group = uniqueName('g')
    const a = join(group, 'a', [topic])
    await a.untilPartitions(all(topic, 1))
    const successor = join(group, 'a', [topic], { driver: other })
    await successor.untilPartitions(all(topic, 1))
    await driver.consumers.removeMember(group, { memberId: a.memberId, groupInstanceId: 'a' })
    await new Promise(resolve => setTimeout(resolve, 1000))
    expect(successor.fenced).toBe(false)
    expect(successor.partitions).toBe(all(topic, 1))
  })

  test('a member that is removed while it lives joins again only with the right to', async () => {
    const topic = await newTopic(1)
    const group = uniqueName('g')
    const a = join(group, 'a', [topic])
    await a.untilPartitions(all(topic, 1))
    const first = a.memberId
    await driver.consumers.removeMember(group, { memberId: first, groupInstanceId: 'a' })
    await until('it is a new member', () => a.memberId !== first && a.partitions === all(topic, 1))
    a.mayJoin = false
    await driver.consumers.removeMember(group, { memberId: a.memberId, groupInstanceId: 'a' })
    await until('it gives up', () => a.fenced)
  })

  test('leaving right after joining leaves nobody behind', async () => {
    const topic = await newTopic(1)
    const group = uniqueName('g')
    for (let round = 0; round < 5; round++) {
      const brief = join(group, `brief-${round}`, [topic])
      await Promise.resolve()
      await brief.membership.leave()
    }
    const a = join(group, 'a', [topic])
    await a.untilPartitions(all(topic, 1))
    expect(a.events).toEqual([`assigned ${all(topic, 1)}`])
  })
})

describe('topics that come and go', () => {
  test('a topic that does not exist stops nothing, and is assigned when it appears', async () => {
    const topic = await newTopic(2)
    const missing = uniqueName('later')
    const a = join(uniqueName('g'), 'a', [topic, missing])
    await a.untilPartitions(all(topic, 2))
    expect(a.membership.problem).toBeUndefined()
    await createTopic(kafkaAddress(), missing, { partitions: 1 })
    await a.untilPartitions(`${missing}/0 ${all(topic, 2)}`)
  })

  test('only missing topics: the member is stable with nothing', async () => {
    const a = join(uniqueName('g'), 'a', [uniqueName('none')])
    await a.untilPartitions('')
    expect(a.membership.member?.generation).toBe(1)
  })

  test('a topic that is deleted under the leader and a follower stops neither', async () => {
    const [kept, gone] = [await newTopic(2), await newTopic(2)]
    const group = uniqueName('g')
    const a = join(group, 'a', [kept, gone])
    const b = join(group, 'b', [kept, gone], { driver: other })
    await a.untilPartitions([part(gone, 0), part(kept, 0)].sort().join(' '))
    await b.untilPartitions([part(gone, 1), part(kept, 1)].sort().join(' '))
    await deleteTopic(kafkaAddress(), gone)
    // As reads do: the first one that fails on it tells the shared metadata.
    await until('a read shows that it is gone', async () => {
      const fetched = await fetchOne(driver, { topic: gone, partition: 0, offset: 0n }, { maxWaitMs: 50 })
      other.cluster.outdated(gone)
      return fetched.error
    })
    await a.untilPartitions(part(kept, 0))
    await b.untilPartitions(part(kept, 1))
    expect([a.membership.problem, b.membership.problem]).toEqual([undefined, undefined])
  })
})

describe('problems', () => {
  test('a session time-out that the broker refuses is told, and the member keeps trying', async () => {
    const topic = await newTopic(1)
    const a = join(uniqueName('g'), 'a', [topic], { sessionTimeoutMs: 10 })
    await until('the problem shows', () => a.membership.problem)
    expect(a.membership.problem).toMatchObject({ kind: 'INVALID_SESSION_TIMEOUT', retriable: false })
    expect(a.fenced).toBe(false)
  })

  test('a group of another protocol is told', async () => {
    const topic = await newTopic(1)
    const group = uniqueName('g')
    const java = await joinJava({ group, topics: [topic], assignors: ['OwnAssignor'] })
    await java.untilPartitions(all(topic, 1))
    const a = join(group, 'a', [topic])
    await until('the problem shows', () => a.membership.problem)
    expect(a.membership.problem).toMatchObject({ kind: 'INCONSISTENT_GROUP_PROTOCOL' })
    expect(java.partitions).toBe(all(topic, 1))
  })
})

describe('with Java members', () => {
  test.each([
    { name: 'range, Java’s default', assignors: ['RangeAssignor', 'CooperativeStickyAssignor'] },
    { name: 'round-robin', assignors: ['RoundRobinAssignor'] },
  ])('$name: we lead, Java follows; Java leads, we follow: the same division', async ({ assignors }) => {
    const [t1, t2] = [await newTopic(3), await newTopic(3)]
    const topics = [t1, t2]
    const divisions: (string | undefined)[][] = []
    for (const first of ['ours', 'java']) {
      const group = uniqueName('g')
      const joinOurs = async () => {
        const ours = join(group, 'a', topics)
        await ours.membership.settled(20_000)
        return ours
      }
      const joinTheirs = async () => {
        // Static members come first in either case, so the order is the same whoever leads.
        const java = await joinJava({ group, topics, assignors, instanceId: 'b' })
        await until('the Java member has partitions', () => java.partitions)
        return java
      }
      const ours = first === 'ours' ? await joinOurs() : undefined
      const java = await joinTheirs()
      const both = ours ?? (await joinOurs())
      await until('both have partitions, and together all', () => {
        const [mine, theirs] = [both.partitions.split(' '), java.partitions?.split(' ') ?? []]
        const together = [...mine, ...theirs].sort().join(' ')
        return mine.length < 6 && together === [all(t1, 3), all(t2, 3)].sort().join(' ')
      })
      divisions.push([both.partitions, java.partitions])
      await both.membership.leave()
      await java.stop()
    }
    expect(divisions[0]).toEqual(divisions[1])
  })

  test.each(['CooperativeStickyAssignor', 'StickyAssignor'])(
    'that know only %s: whoever leads, the partitions are divided, and what moves is let go first',
    async assignor => {
      const topic = await newTopic(6)
      for (const first of ['ours', 'java']) {
        const group = uniqueName('g')
        const joinOurs = (id: string) => join(group, id, [topic], { sessionTimeoutMs: 45_000 })
        const joinTheirs = () => joinJava({ group, topics: [topic], assignors: [assignor] })
        const ours = [...(first === 'ours' ? [joinOurs('a')] : [])]
        if (first === 'ours') await ours[0]?.untilPartitions(all(topic, 6))
        const java = await joinTheirs()
        if (first === 'java') await java.untilPartitions(all(topic, 6))
        if (first === 'java') ours.push(joinOurs('a'))
        const shares = () => [...ours.map(({ partitions }) => partitions), java.partitions ?? '']
        const divided = (size: number) => () => {
          const each = shares().map(text => text.split(' ').filter(Boolean))
          return each.every(list => list.length === size) && each.flat().sort().join(' ') === all(topic, 6)
        }
        await until('each has half', divided(3))
        ours.push(joinOurs('b'))
        await until('each has a third', divided(2))
        await ours.pop()?.membership.leave()
        await until('each has half again', divided(3))
        await java.stop()
        await ours[0]?.untilPartitions(all(topic, 6))
        await ours[0]?.membership.leave()
      }
    },
  )

  test('of the new group protocol (KIP-848), where the broker divides: we follow, and a successor fences', async () => {
    const topic = await newTopic(4)
    const group = uniqueName('g')
    const java = await joinJava({ group, topics: [topic], protocol: 'consumer' })
    await java.untilPartitions(all(topic, 4))
    const a = join(group, 'a', [topic], { sessionTimeoutMs: 45_000 })
    await until('each has its half', () => {
      const [mine, theirs] = [a.partitions.split(' '), java.partitions?.split(' ') ?? []]
      return mine.length === 2 && [...mine, ...theirs].sort().join(' ') === all(topic, 4)
    })
    const half = a.partitions
    const offsets = [{ topic, partition: Number(half.slice(-1)), offset: 3n, metadata: '' }]
    await driver.consumers.commit(group, a.membership.member, offsets)
    const successor = join(group, 'a', [topic], { driver: other, sessionTimeoutMs: 45_000 })
    await successor.untilPartitions(half)
    await until('the old owner is fenced', () => a.fenced)
    await successor.membership.leave()
    await java.untilPartitions(all(topic, 4))
  })

  test('a Java member that leaves, and one that dies, give their partitions to ours', async () => {
    const topic = await newTopic(2)
    const group = uniqueName('g')
    const a = join(group, 'a', [topic])
    const java = await joinJava({ group, topics: [topic] })
    await java.untilPartitions(part(topic, 1))
    await a.untilPartitions(part(topic, 0))
    await java.stop()
    await a.untilPartitions(all(topic, 2))
    const second = await joinJava({ group, topics: [topic] })
    await second.untilPartitions(part(topic, 1))
    await second.kill()
    await a.untilPartitions(all(topic, 2))
  })
})
