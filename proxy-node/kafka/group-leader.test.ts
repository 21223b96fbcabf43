import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { assigned, MembershipRig, type Open } from '../../test/support/membership-rig.ts'
import { decodeAssignment } from './consumer-protocol.ts'
import type { SyncAnswer, SyncRequest } from './group-calls.ts'
import { brokerError, connectionLost } from './kafka-errors.ts'

let rig: MembershipRig

beforeEach(() => {
  rig = new MembershipRig()
})

afterEach(() => rig.stop())

describe('leading', () => {
  const metadata = (...topics: string[]) =>
    Buffer.concat([
      Buffer.from([0, 1, 0, 0, 0, topics.length]),
      ...topics.map(topic => Buffer.concat([Buffer.from([0, topic.length]), Buffer.from(topic)])),
      Buffer.from([255, 255, 255, 255]),
    ])
  const leads = (...members: [memberId: string, metadata: Buffer][]) => ({
    leader: 'm1',
    memberId: 'm1',
    members: members.map(([memberId, bytes]) => ({ memberId, groupInstanceId: undefined, metadata: bytes })),
  })
  const shares = (sync: Open<SyncRequest, Partial<SyncAnswer>> | undefined) =>
    Object.fromEntries(
      (sync?.request.assignments ?? []).map(({ memberId, assignment }) => [
        memberId,
        decodeAssignment(assignment)
          .map(({ topic, partition }) => `${topic}${partition}`)
          .join(' '),
      ]),
    )

  test('it divides the partitions of all members', async () => {
    rig.cluster.counts.set('t', 3).set('u', 1)
    await rig.join()
    await rig.broker.joins[0]?.answer(leads(['m1', metadata('t')], ['m2', metadata('t', 'u')]))
    expect(shares(rig.broker.syncs[0])).toEqual({ m1: 't0 t1', m2: 't2 u0' })
  })

  test('a topic that is missing is left out, and taken in when it appears', async () => {
    rig.cluster.counts.set('t', 2)
    await rig.join()
    await rig.broker.joins[0]?.answer(leads(['m1', metadata('t', 'u')]))
    expect(shares(rig.broker.syncs[0])).toEqual({ m1: 't0 t1' })
    await rig.broker.syncs[0]?.answer(assigned(0, 1))
    await rig.clock.advance(10_000)
    expect(rig.broker.joins).toHaveLength(1)
    rig.cluster.counts.set('u', 4)
    await rig.clock.advance(1000)
    expect(rig.broker.joins).toHaveLength(2)
  })

  test('partitions that are added, or a topic that goes, start a rebalance', async () => {
    rig.cluster.counts.set('t', 2).set('u', 1)
    await rig.join()
    await rig.broker.joins[0]?.answer(leads(['m1', metadata('t', 'u')]))
    await rig.broker.syncs[0]?.answer(assigned(0, 1))
    rig.cluster.counts.set('t', 3)
    await rig.clock.advance(1000)
    await rig.broker.joins[1]?.answer(leads(['m1', metadata('t', 'u')]))
    await rig.broker.syncs[1]?.answer(assigned(0, 1, 2))
    rig.cluster.counts.delete('u')
    await rig.clock.advance(1000)
    expect(rig.broker.joins).toHaveLength(3)
  })

  test('a topic that may not be described does not keep the others from their partitions', async () => {
    rig.cluster.counts.set('t', 1)
    const describe = rig.cluster.topic.bind(rig.cluster)
    rig.cluster.topic = name => (name === 'secret' ? Promise.reject(brokerError(29)) : describe(name))
    await rig.join()
    await rig.broker.joins[0]?.answer(leads(['m1', metadata('secret', 't')]))
    expect(shares(rig.broker.syncs[0])).toEqual({ m1: 't0' })
  })

  test('damaged metadata of one member does not keep the others from their partitions', async () => {
    rig.cluster.counts.set('t', 1)
    await rig.join()
    await rig.broker.joins[0]?.answer(leads(['m1', metadata('t')], ['m2', Buffer.from([0, 1, 0, 0, 9, 9])]))
    expect(shares(rig.broker.syncs[0])).toEqual({ m1: 't0', m2: '' })
  })

  test.each([
    ['a lost connection', connectionLost('lost')],
    ['a new topic without a leader', brokerError(5)],
    ['a broker that cannot read its disk', brokerError(56)],
  ])('without metadata it does not divide by guess, and joins again: %s', async (_, failure) => {
    rig.cluster.failure = failure
    await rig.join()
    await rig.broker.joins[0]?.answer(leads(['m1', metadata('t')]))
    expect(rig.broker.syncs).toHaveLength(0)
    await rig.clock.advance(200)
    expect(rig.broker.joins).toHaveLength(2)
  })

  test('metadata that goes away later ends nothing', async () => {
    rig.cluster.counts.set('t', 2)
    const membership = await rig.join()
    await rig.broker.joins[0]?.answer(leads(['m1', metadata('t')]))
    await rig.broker.syncs[0]?.answer(assigned(0, 1))
    rig.cluster.failure = connectionLost('lost')
    await rig.clock.advance(30_000)
    expect(membership.state).toBe('stable')
    expect(rig.broker.heartbeats).toBeGreaterThan(20)
  })

  test('a leader that comes back divides nothing, but watches', async () => {
    rig.cluster.counts.set('t', 2)
    await rig.join()
    await rig.broker.joins[0]?.answer({ ...leads(['m1', metadata('t')]), skipAssignment: true })
    expect(rig.broker.syncs[0]?.request.assignments).toEqual([])
    await rig.broker.syncs[0]?.answer(assigned(0, 1))
    await rig.clock.advance(3000)
    expect(rig.broker.joins).toHaveLength(1)
    rig.cluster.counts.set('t', 5)
    await rig.clock.advance(1000)
    expect(rig.broker.joins).toHaveLength(2)
  })
})
