import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { assigned, MembershipRig, t, turns } from '../../test/support/membership-rig.ts'
import { brokerCodes } from './broker-codes.ts'
import { decodeSubscription } from './consumer-protocol.ts'
import { connectionLost } from './kafka-errors.ts'
import type { StaticMembership } from './static-membership.ts'

let rig: MembershipRig

beforeEach(() => {
  rig = new MembershipRig()
})

afterEach(() => rig.stop())

describe('joining', () => {
  test('join, sync, stable', async () => {
    const membership = await rig.join()
    expect(rig.broker.joins[0]?.request).toMatchObject({ group: 'g', groupInstanceId: 'i', memberId: '' })
    expect(rig.broker.joins[0]?.request.protocols.map(({ name }) => name)).toEqual([
      'range',
      'roundrobin',
      'cooperative-sticky',
      'sticky',
    ])
    await rig.broker.joins[0]?.answer({ memberId: 'm1', generation: 4 })
    expect(membership.member).toBeUndefined()
    expect(rig.broker.syncs[0]?.request).toMatchObject({ memberId: 'm1', generation: 4, assignments: [] })
    await rig.broker.syncs[0]?.answer(assigned(2, 3))
    expect(rig.events).toEqual(['member m1', 'assigned 2,3'])
    expect(membership.member).toEqual({ memberId: 'm1', groupInstanceId: 'i', generation: 4 })
    expect(rig.lastMember).toEqual(membership.member)
    expect(membership.assignment).toEqual(t(2, 3))
  })

  test('a member that is known goes on under its id, without asking for the right to join', async () => {
    rig.mayJoin = () => Promise.reject(new Error('asked'))
    await rig.join({ memberId: 'old' })
    expect(rig.broker.joins[0]?.request.memberId).toBe('old')
    await rig.broker.joins[0]?.answer({ memberId: 'old' })
    expect(rig.events).toEqual([])
  })

  test('MEMBER_ID_REQUIRED: it joins again with the id that it was given', async () => {
    await rig.join()
    await rig.broker.joins[0]?.answer({ errorCode: brokerCodes.memberIdRequired, memberId: 'given' })
    expect(rig.broker.joins[1]?.request.memberId).toBe('given')
  })

  test.each([
    brokerCodes.coordinatorLoadInProgress,
    brokerCodes.coordinatorNotAvailable,
    brokerCodes.notCoordinator,
  ])('coordinator error %i is waited out', async errorCode => {
    const membership = await rig.join()
    await rig.broker.joins[0]?.answer({ errorCode })
    expect(rig.broker.joins).toHaveLength(1)
    await rig.clock.advance(200)
    await rig.broker.joins[1]?.answer({})
    await rig.broker.syncs[0]?.answer(assigned(0))
    expect(membership.assignment).toEqual(t(0))
    expect(membership.problem).toBeUndefined()
  })

  test('a lost connection in the middle of a join: it joins again', async () => {
    const membership = await rig.join()
    await rig.broker.joins[0]?.fail(connectionLost('lost'))
    await rig.clock.advance(200)
    expect(rig.broker.joins).toHaveLength(2)
    expect(membership.problem).toBeUndefined()
  })

  test('an error that an operator mends is the problem, and it keeps trying slowly', async () => {
    const membership = await rig.join()
    await rig.broker.joins[0]?.answer({ errorCode: 26 })
    expect(membership.problem).toMatchObject({ kind: 'INVALID_SESSION_TIMEOUT' })
    await rig.clock.advance(4900)
    expect(rig.broker.joins).toHaveLength(1)
    await rig.clock.advance(200)
    await rig.broker.joins[1]?.answer({})
    await rig.broker.syncs[0]?.answer(assigned(0))
    expect(membership.problem).toBeUndefined()
  })

  test('UNKNOWN_MEMBER_ID: the right to join is asked for before it joins as a new member', async () => {
    await rig.join({ memberId: 'old' })
    await rig.broker.joins[0]?.answer({ errorCode: brokerCodes.unknownMemberId })
    expect(rig.broker.joins[1]?.request.memberId).toBe('')
    rig.mayJoin = () => Promise.resolve('no')
    await rig.broker.joins[1]?.answer({ errorCode: brokerCodes.unknownMemberId })
    await rig.clock.advance(5000)
    expect(rig.broker.joins).toHaveLength(2)
    expect(rig.events).toEqual(['fenced'])
  })

  test('the right to join is not known: it waits', async () => {
    rig.mayJoin = () => Promise.reject(new Error('the routing table is away'))
    await rig.join()
    await rig.clock.advance(4000)
    expect(rig.broker.joins).toHaveLength(0)
    rig.mayJoin = () => Promise.resolve('yes')
    await rig.clock.advance(2000)
    expect(rig.broker.joins).toHaveLength(1)
  })

  test('nobody can tell now whether it may join: it asks again, which is no problem to tell of', async () => {
    rig.mayJoin = () => Promise.resolve('unknown')
    const membership = await rig.join()
    await rig.clock.advance(4000)
    expect([rig.broker.joins.length, rig.events, membership.problem]).toEqual([0, [], undefined])
    rig.mayJoin = () => Promise.resolve('yes')
    await rig.clock.advance(2000)
    expect(rig.broker.joins).toHaveLength(1)
  })

  test('REBALANCE_IN_PROGRESS in the sync: it joins again at once, as the same member', async () => {
    await rig.join()
    await rig.broker.joins[0]?.answer({})
    await rig.broker.syncs[0]?.answer({ errorCode: brokerCodes.rebalanceInProgress })
    expect(rig.broker.joins[1]?.request.memberId).toBe('m1')
    expect(rig.events).toEqual(['member m1'])
  })

  test('a subscription that was replaced during the join is what counts', async () => {
    const membership = await rig.join()
    membership.setTopics(['u'])
    await rig.broker.joins[0]?.answer({})
    await rig.broker.syncs[0]?.answer(assigned(0))
    expect(rig.events).toEqual(['member m1'])
    expect(
      decodeSubscription(rig.broker.joins[1]?.request.protocols[0]?.metadata ?? Buffer.alloc(0)).topics,
    ).toEqual(['u'])
  })

  test('the assignment of another subscription is not handed out, and the next join differs', async () => {
    const membership = await rig.join({ topics: ['u'] })
    await rig.broker.joins[0]?.answer({ generation: 9 })
    await rig.broker.syncs[0]?.answer(assigned(0, 1))
    expect(membership.assignment).toEqual([])
    await rig.clock.advance(200)
    const [first, second] = rig.broker.joins.map(({ request }) =>
      request.protocols[0]?.metadata.toString('hex'),
    )
    expect(second).not.toBe(first)
    expect(rig.broker.joins[1]?.request.memberId).toBe('m1')
    expect(rig.events).toEqual(['member m1'])
  })
})

describe('fenced is final', () => {
  const nothingMore = async (membership: StaticMembership) => {
    const before = { joins: rig.broker.joins.length, heartbeats: rig.broker.heartbeats }
    await rig.clock.advance(60_000)
    expect({ joins: rig.broker.joins.length, heartbeats: rig.broker.heartbeats }).toEqual(before)
    expect(membership.member).toBeUndefined()
    expect(membership.assignment).toEqual([])
    expect(membership.problem).toMatchObject({ kind: 'FENCED_INSTANCE_ID' })
    await membership.leave()
    expect(rig.broker.left).toEqual([])
  }

  test('as the answer to a join that was pending', async () => {
    const membership = await rig.join()
    await rig.clock.advance(5000)
    await rig.broker.joins[0]?.answer({ errorCode: brokerCodes.fencedInstanceId })
    expect(rig.events).toEqual(['fenced'])
    await nothingMore(membership)
  })

  test('as the answer to a sync', async () => {
    const membership = await rig.join()
    await rig.broker.joins[0]?.answer({})
    await rig.broker.syncs[0]?.answer({ errorCode: brokerCodes.fencedInstanceId })
    expect(rig.events).toEqual(['member m1', 'fenced'])
    await nothingMore(membership)
  })

  test('as the answer to a heartbeat while a sync is pending', async () => {
    const membership = await rig.join()
    await rig.broker.joins[0]?.answer({})
    rig.broker.heartbeatCode = brokerCodes.fencedInstanceId
    await rig.clock.advance(1000)
    expect(rig.events).toEqual(['member m1', 'fenced'])
    expect(rig.broker.syncs[0]?.signal.aborted).toBe(true)
    await nothingMore(membership)
  })

  test('as the answer to a heartbeat, without a revocation', async () => {
    const membership = await rig.stable()
    rig.broker.heartbeatCode = brokerCodes.fencedInstanceId
    await rig.clock.advance(1000)
    expect(rig.events).toEqual(['fenced'])
    await nothingMore(membership)
  })

  test('while its partitions are being revoked', async () => {
    const membership = await rig.stable()
    rig.revoking = () => new Promise(() => {})
    rig.broker.heartbeatCode = brokerCodes.rebalanceInProgress
    await rig.clock.advance(1000)
    rig.broker.heartbeatCode = brokerCodes.fencedInstanceId
    await rig.clock.advance(1000)
    expect(rig.events).toEqual(['revoked 0,1', 'fenced'])
    await nothingMore(membership)
  })
})

describe('the end of a generation', () => {
  test('a rebalance: revoke, then join as the same member', async () => {
    const membership = await rig.stable()
    const revoked = Promise.withResolvers<void>()
    rig.revoking = () => revoked.promise
    rig.broker.heartbeatCode = brokerCodes.rebalanceInProgress
    await rig.clock.advance(1000)
    expect(rig.events).toEqual(['revoked 0,1'])
    // The owner may still commit as the member that it is.
    expect(membership.member).toMatchObject({ memberId: 'm1', generation: 1 })
    expect(rig.broker.joins).toHaveLength(1)
    revoked.resolve()
    await turns()
    expect(membership.member).toBeUndefined()
    expect(rig.broker.joins[1]?.request.memberId).toBe('m1')
    rig.broker.heartbeatCode = brokerCodes.none
    await rig.broker.joins[1]?.answer({ generation: 2 })
    await rig.broker.syncs[1]?.answer(assigned(1))
    expect(rig.events).toEqual(['revoked 0,1', 'assigned 1'])
    expect(membership.member?.generation).toBe(2)
  })

  test('heartbeats go on during a revocation', async () => {
    await rig.stable()
    rig.revoking = () => new Promise(() => {})
    rig.broker.heartbeatCode = brokerCodes.rebalanceInProgress
    await rig.clock.advance(1000)
    const before = rig.broker.heartbeats
    await rig.clock.advance(3000)
    expect(rig.broker.heartbeats).toBe(before + 3)
  })

  test('an owner that does not let go does not hold the group for ever', async () => {
    await rig.stable()
    rig.revoking = () => new Promise(() => {})
    rig.broker.heartbeatCode = brokerCodes.rebalanceInProgress
    await rig.clock.advance(1000)
    expect(rig.broker.joins).toHaveLength(1)
    await rig.clock.advance(7000)
    expect(rig.broker.joins).toHaveLength(2)
  })

  test('an owner that fails to let go changes nothing', async () => {
    await rig.stable()
    rig.revoking = () => Promise.reject(new Error('no'))
    rig.broker.heartbeatCode = brokerCodes.rebalanceInProgress
    await rig.clock.advance(1000)
    expect(rig.broker.joins).toHaveLength(2)
  })

  test('UNKNOWN_MEMBER_ID: revoke, ask for the right, join as a new member', async () => {
    await rig.stable()
    let asked = 0
    rig.mayJoin = () => {
      asked += 1
      return Promise.resolve('yes')
    }
    rig.broker.heartbeatCode = brokerCodes.unknownMemberId
    await rig.clock.advance(1000)
    expect(rig.events).toEqual(['revoked 0,1'])
    expect(asked).toBe(1)
    expect(rig.broker.joins[1]?.request.memberId).toBe('')
  })

  test('ILLEGAL_GENERATION: revoke, join as the same member', async () => {
    await rig.stable()
    rig.broker.heartbeatCode = brokerCodes.illegalGeneration
    await rig.clock.advance(1000)
    expect(rig.events).toEqual(['revoked 0,1'])
    expect(rig.broker.joins[1]?.request.memberId).toBe('m1')
  })

  test('a process that was stopped beyond its session holds nothing from its first moment on', async () => {
    const membership = await rig.stable()
    rig.clock.leap(60_000)
    expect(membership.member).toBeUndefined()
    expect(membership.assignment).toEqual([])
    const before = rig.broker.heartbeats
    await rig.clock.advance(0)
    expect(rig.broker.heartbeats).toBe(before)
    expect(rig.events).toEqual(['revoked 0,1'])
    expect(rig.broker.joins[1]?.request.memberId).toBe('m1')
    // Its successor has joined meanwhile: the broker knows neither the member nor is this node the rig.
    rig.mayJoin = () => Promise.resolve('no')
    await rig.broker.joins[1]?.answer({ errorCode: brokerCodes.unknownMemberId })
    expect(rig.events).toEqual(['revoked 0,1', 'fenced'])
    expect(rig.broker.joins).toHaveLength(2)
  })

  test('other topics: revoke and join with them; the same in another order: nothing', async () => {
    const membership = await rig.stable({ topics: ['t', 'u'] })
    membership.setTopics(['u', 't'])
    await turns()
    expect(rig.events).toEqual([])
    membership.setTopics(['u'])
    await turns()
    expect(rig.events).toEqual(['revoked 0,1'])
    expect(
      decodeSubscription(rig.broker.joins[1]?.request.protocols[0]?.metadata ?? Buffer.alloc(0)).topics,
    ).toEqual(['u'])
  })
})

test('a callback that throws does not end the membership', async () => {
  const membership = await rig.join({
    onAssigned: () => {
      throw new Error('mistake')
    },
  })
  await rig.broker.joins[0]?.answer({})
  await rig.broker.syncs[0]?.answer(assigned(0))
  await rig.clock.advance(3000)
  expect(membership.state).toBe('stable')
  expect(rig.broker.heartbeats).toBe(3)
})
