import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkProperty } from '../../test/support/property.ts'
import type { GroupMemberTopics } from './assignor.ts'
import { assignors, assignRanges, assignRoundRobin } from './assignors.ts'

const member = (memberId: string, topics: string[], groupInstanceId?: string): GroupMemberTopics => ({
  memberId,
  groupInstanceId,
  topics: new Set(topics),
  owned: [],
  generation: -1,
  userData: null,
})

const text = (shares: ReadonlyMap<string, readonly { topic: string; partition: number }[]>) =>
  Object.fromEntries(
    [...shares].map(([id, list]) => [
      id,
      list.map(({ topic, partition }) => `${topic}${partition}`).join(' '),
    ]),
  )

describe('range', () => {
  test('the first members get one more partition of each topic', () => {
    const members = [member('b', ['t', 'u']), member('a', ['t', 'u'])]
    const shares = assignRanges(
      members,
      new Map([
        ['t', 3],
        ['u', 3],
      ]),
    )
    expect(text(shares)).toEqual({ a: 't0 t1 u0 u1', b: 't2 u2' })
  })

  test('members only share the topics that they want', () => {
    const members = [member('a', ['t']), member('b', ['t', 'u']), member('c', ['t'])]
    const shares = assignRanges(
      members,
      new Map([
        ['t', 2],
        ['u', 2],
      ]),
    )
    expect(text(shares)).toEqual({ a: 't0', b: 't1 u0 u1', c: '' })
  })

  test('static members come first, in the order of their group.instance.id', () => {
    const members = [member('a', ['t']), member('z', ['t'], 'i2'), member('y', ['t'], 'i1')]
    expect(text(assignRanges(members, new Map([['t', 3]])))).toEqual({ a: 't2', y: 't0', z: 't1' })
  })

  test('a topic that does not exist is left out', () => {
    expect(text(assignRanges([member('a', ['gone', 't'])], new Map([['t', 1]])))).toEqual({ a: 't0' })
  })
})

describe('round-robin', () => {
  test('partitions go round, topics in alphabetical order', () => {
    const members = [member('b', ['t', 'u']), member('a', ['t', 'u'])]
    const shares = assignRoundRobin(
      members,
      new Map([
        ['u', 3],
        ['t', 3],
      ]),
    )
    expect(text(shares)).toEqual({ a: 't0 t2 u1', b: 't1 u0 u2' })
  })

  test('a member that does not want the topic is passed over', () => {
    // The example of Java's RoundRobinAssignor: C0 {t0}, C1 {t0, t1}, C2 {t0, t1, t2}.
    const members = [member('C0', ['t0']), member('C1', ['t0', 't1']), member('C2', ['t0', 't1', 't2'])]
    const counts = new Map([
      ['t0', 1],
      ['t1', 2],
      ['t2', 3],
    ])
    expect(text(assignRoundRobin(members, counts))).toEqual({ C0: 't00', C1: 't10', C2: 't11 t20 t21 t22' })
  })

  test('a topic that nobody wants does not hold it up', () => {
    expect(
      text(
        assignRoundRobin(
          [member('a', ['t'])],
          new Map([
            ['s', 1],
            ['t', 1],
          ]),
        ),
      ),
    ).toEqual({ a: 't0' })
  })
})

describe.each([...assignors])('%s', (_name, assign) => {
  test('every partition that someone wants goes to exactly one member that wants its topic', async () => {
    const topics = ['t', 'u', 'v']
    const arbitraryMember = fc.record({
      memberId: fc.uuid(),
      groupInstanceId: fc.option(fc.uuid(), { nil: undefined }),
      topics: fc.subarray(topics).map(list => new Set(list)),
      owned: fc.constant([]),
      generation: fc.constant(-1),
      userData: fc.constant(null),
    })
    const members = fc.uniqueArray(arbitraryMember, {
      selector: ({ memberId }) => memberId,
      minLength: 1,
      maxLength: 8,
    })
    const counts = fc
      .subarray(topics)
      .chain(list =>
        fc
          .tuple(...list.map(name => fc.nat(9).map(count => [name, count] as const)))
          .map(entries => new Map(entries)),
      )
    await checkProperty(
      'assignments',
      fc.property(members, counts, (group, partitionCounts) => {
        const shares = assign(group, partitionCounts)
        expect([...shares.keys()].sort()).toEqual(group.map(({ memberId }) => memberId).sort())
        const given = [...shares].flatMap(([id, list]) => {
          const owner = group.find(({ memberId }) => memberId === id)
          expect(list.every(({ topic }) => owner?.topics.has(topic))).toBe(true)
          return list.map(({ topic, partition }) => `${topic}/${partition}`)
        })
        const wanted = [...partitionCounts].flatMap(([topic, count]) =>
          group.some(owner => owner.topics.has(topic))
            ? Array.from({ length: count }, (_, partition) => `${topic}/${partition}`)
            : [],
        )
        expect(given.sort()).toEqual(wanted.sort())
      }),
    )
  })
})
