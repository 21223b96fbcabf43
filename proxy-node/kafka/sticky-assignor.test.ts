import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkProperty } from '../../test/support/property.ts'
import type { TopicPartition } from '../ports/kafka-cluster.ts'
import type { Assignor, GroupMemberTopics } from './assignor.ts'
import { assignCooperatively, assignSticky } from './sticky-assignor.ts'

const partitionsOf = (text: string): TopicPartition[] =>
  text
    .split(' ')
    .filter(word => word !== '')
    .map(word => ({ topic: word.slice(0, 1), partition: Number(word.slice(1)) }))

const textOf = (partitions: readonly TopicPartition[]) =>
  partitions.map(({ topic, partition }) => `${topic}${partition}`).join(' ')

/** A member that wants these topics and still has `owned`. */
function member(memberId: string, topics: string, owned = '', generation = 1): GroupMemberTopics {
  return {
    memberId,
    groupInstanceId: undefined,
    topics: new Set(topics),
    owned: partitionsOf(owned),
    generation,
    userData: null,
  }
}

/** The same as Java's StickyAssignor tells it. */
function stickyMember(memberId: string, topics: string, had: string, generation = 1): GroupMemberTopics {
  const byTopic = [...Map.groupBy(partitionsOf(had), ({ topic }) => topic)]
  const numbers = (...values: number[]) => {
    const bytes = Buffer.alloc(4 * values.length)
    for (const [index, value] of values.entries()) bytes.writeInt32BE(value, 4 * index)
    return bytes
  }
  const userData = Buffer.concat([
    numbers(byTopic.length),
    ...byTopic.flatMap(([topic, list]) => [
      Buffer.from([0, topic.length]),
      Buffer.from(topic),
      numbers(list.length, ...list.map(({ partition }) => partition)),
    ]),
    numbers(generation),
  ])
  return { ...member(memberId, topics), generation: -1, userData }
}

const assign = (assignor: Assignor, members: GroupMemberTopics[], counts: Record<string, number>) =>
  Object.fromEntries(
    [...assignor(members, new Map(Object.entries(counts)))].map(([id, share]) => [id, textOf(share)]),
  )

describe('sticky', () => {
  test('nothing moves without need', () => {
    const members = [stickyMember('a', 't', 't3 t0'), stickyMember('b', 't', 't1 t2')]
    expect(assign(assignSticky, members, { t: 4 })).toEqual({ a: 't0 t3', b: 't1 t2' })
  })

  test('one that joins is given its share, the others keep the rest', () => {
    const members = [stickyMember('a', 't', 't0 t1 t2'), stickyMember('b', 't', 't3 t4 t5'), member('c', 't')]
    expect(assign(assignSticky, members, { t: 6 })).toEqual({ a: 't1 t2', b: 't4 t5', c: 't0 t3' })
  })

  test('what nobody has goes to those who have least', () => {
    const members = [stickyMember('a', 't', 't0'), stickyMember('b', 't', 't1 t2')]
    expect(assign(assignSticky, members, { t: 4 })).toEqual({ a: 't0 t3', b: 't1 t2' })
  })

  test('of two that had the same the later generation counts', () => {
    const members = [stickyMember('a', 't', 't0 t1', 4), stickyMember('b', 't', 't0 t1', 5)]
    expect(assign(assignSticky, [...members, member('c', 'u')], { t: 1 })).toEqual({ a: '', b: 't0', c: '' })
  })

  test('what a member does not want any more, or what is gone, is not its own', () => {
    const members = [stickyMember('a', 'u', 't0 t1 u0'), member('b', 'tu')]
    expect(assign(assignSticky, members, { t: 1, u: 1 })).toEqual({ a: 'u0', b: 't0' })
  })

  test('user data in another form is nothing', () => {
    const odd = { ...member('a', 't'), userData: Buffer.from('00ff', 'hex') }
    expect(assign(assignSticky, [odd], { t: 1 })).toEqual({ a: 't0' })
  })
})

describe('cooperative', () => {
  test('what moves is given to nobody until its owner has let go', () => {
    const joined = [member('a', 't', 't0 t1 t2 t3'), member('b', 't')]
    expect(assign(assignCooperatively, joined, { t: 4 })).toEqual({ a: 't2 t3', b: '' })
    const again = [member('a', 't', 't2 t3', 2), member('b', 't', '', 2)]
    expect(assign(assignCooperatively, again, { t: 4 })).toEqual({ a: 't2 t3', b: 't0 t1' })
  })

  test('what two say they have is given to neither', () => {
    const members = [member('a', 't', 't0'), member('b', 't', 't0')]
    expect(assign(assignCooperatively, members, { t: 2 })).toMatchObject({ a: '', b: 't1' })
  })

  test('a member that missed a rebalance has lost what it had', () => {
    const members = [member('a', 't', 't0 t1', 4), member('b', 't', 't0', 5)]
    expect(assign(assignCooperatively, members, { t: 2 })).toEqual({ a: 't1', b: 't0' })
  })

  test('members that come and go: no partition is with two, and in the end each is with one, evenly', async () => {
    const step = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1, maxLength: 5 })
    await checkProperty(
      'sticky assignments',
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 0, max: 12 }),
        (steps, count) => {
          let generation = 0
          const owned = new Map<string, readonly TopicPartition[]>()
          for (const names of steps) {
            const alive = [...new Set<string>(names)]
            for (const name of owned.keys()) if (!alive.includes(name)) owned.delete(name)
            for (let revoked = true; revoked; ) {
              const members = alive.map(name => member(name, 't', textOf(owned.get(name) ?? []), generation))
              const shares = assignCooperatively(members, new Map([['t', count]]))
              const held = alive.flatMap(name => {
                const kept = textOf(owned.get(name) ?? []).split(' ')
                return [...new Set([...kept, ...textOf(shares.get(name) ?? []).split(' ')])].filter(Boolean)
              })
              // What a member has still, and what another has been given, is never the same.
              expect(held).toHaveLength(new Set(held).size)
              revoked = alive.some(name => (owned.get(name) ?? []).some(had => !has(shares.get(name), had)))
              for (const name of alive) owned.set(name, shares.get(name) ?? [])
              generation++
              expect(generation).toBeLessThan(50)
            }
            const sizes = alive.map(name => owned.get(name)?.length ?? 0)
            expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(count)
            expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
          }
        },
      ),
    )
  })
})

function has(share: readonly TopicPartition[] | undefined, { topic, partition }: TopicPartition): boolean {
  return share?.some(other => other.topic === topic && other.partition === partition) ?? false
}
