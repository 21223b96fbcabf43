import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { assigned, MembershipRig, turns } from '../../test/support/membership-rig.ts'
import { brokerCodes } from './broker-codes.ts'
import { connectionLost } from './kafka-errors.ts'

let rig: MembershipRig

beforeEach(() => {
  rig = new MembershipRig()
})

afterEach(() => rig.stop())

describe('leaving', () => {
  test('a stable member leaves by its id and beats no more', async () => {
    const membership = await rig.stable()
    await membership.leave()
    expect(rig.broker.left).toEqual(['m1'])
    const before = rig.broker.heartbeats
    await rig.clock.advance(10_000)
    expect(rig.broker.heartbeats).toBe(before)
    expect(rig.broker.joins).toHaveLength(1)
    expect(membership.state).toBe('left')
  })

  test('before anything was sent there is nothing to leave', async () => {
    rig.mayJoin = () => new Promise(() => {})
    const membership = await rig.join()
    await membership.leave()
    expect(rig.broker.left).toEqual([])
  })

  test('while the first join is unanswered: by instance id, and again with the id that the join then brings', async () => {
    const membership = await rig.join()
    const leaving = membership.leave()
    await turns()
    expect(rig.broker.left).toEqual([''])
    await rig.broker.joins[0]?.answer({ memberId: 'late' })
    await leaving
    expect(rig.broker.left).toEqual(['', 'late'])
    expect(rig.broker.syncs).toHaveLength(0)
  })

  test('while the first join is unanswered and another may hold the identity: nothing is sent', async () => {
    const membership = await rig.join()
    rig.mayJoin = () => Promise.resolve('no')
    await membership.leave()
    expect(rig.broker.left).toEqual([])
    expect(rig.broker.joins[0]?.signal.aborted).toBe(true)
  })

  test('after the first join was lost on its way: the broker may have taken it', async () => {
    const membership = await rig.join()
    await rig.broker.joins[0]?.fail(connectionLost('lost'))
    await membership.leave()
    expect(rig.broker.left).toEqual([''])
    expect(rig.broker.joins).toHaveLength(1)
  })

  test('a join whose answer was lost stays in doubt when the next one is refused', async () => {
    const membership = await rig.join()
    await rig.broker.joins[0]?.fail(connectionLost('lost'))
    await rig.clock.advance(200)
    await rig.broker.joins[1]?.answer({ memberId: '', errorCode: brokerCodes.notCoordinator })
    await membership.leave()
    expect(rig.broker.left).toEqual([''])
  })

  test('a broker that could not be reached has nobody to let go, and one that refused has neither', async () => {
    rig.broker.reachable = false
    const membership = await rig.join()
    await rig.broker.joins[0]?.fail(connectionLost('refused'))
    rig.broker.reachable = true
    await rig.clock.advance(200)
    await rig.broker.joins[1]?.answer({ memberId: '', errorCode: 26 })
    await membership.leave()
    expect(rig.broker.left).toEqual([])
  })

  test('the broker has removed the member, and it has not joined again', async () => {
    const membership = await rig.stable()
    rig.broker.heartbeatCode = brokerCodes.unknownMemberId
    rig.mayJoin = () => new Promise(() => {})
    await rig.clock.advance(1000)
    await membership.leave()
    expect(rig.broker.left).toEqual([])
  })

  test('a join was lost, and another may have the identity by now: nothing is sent', async () => {
    const membership = await rig.join()
    await rig.broker.joins[0]?.fail(connectionLost('lost'))
    rig.mayJoin = () => Promise.resolve('unknown')
    await membership.leave()
    expect(rig.broker.left).toEqual([])
  })

  test('a join that is never answered does not hold up the leave', async () => {
    const membership = await rig.join()
    const leaving = membership.leave()
    await rig.clock.advance(2500)
    await leaving
    expect(rig.broker.joins[0]?.signal.aborted).toBe(true)
  })

  test('the coordinator moves meanwhile: it is told again', async () => {
    const membership = await rig.stable()
    rig.broker.leaveCodes = [
      brokerCodes.notCoordinator,
      brokerCodes.coordinatorLoadInProgress,
      brokerCodes.none,
    ]
    const leaving = membership.leave()
    await rig.clock.advance(1000)
    await leaving
    expect(rig.broker.left).toEqual(['m1', 'm1', 'm1'])
  })

  test('during a revocation that does not end', async () => {
    const membership = await rig.stable()
    rig.revoking = () => new Promise(() => {})
    rig.broker.heartbeatCode = brokerCodes.rebalanceInProgress
    await rig.clock.advance(1000)
    await membership.leave()
    expect(rig.broker.left).toEqual(['m1'])
  })

  test('stopping tells the broker nothing', async () => {
    const membership = await rig.stable()
    await membership.stop()
    await membership.stop()
    expect(rig.broker.left).toEqual([])
    await rig.clock.advance(10_000)
    expect(rig.broker.joins).toHaveLength(1)
    expect(rig.events).toEqual([])
  })
})

describe('settled', () => {
  test('resolves with the assignment', async () => {
    const membership = await rig.join()
    let settled = false
    const waiting = membership.settled(60_000).then(() => {
      settled = true
    })
    await rig.broker.joins[0]?.answer({})
    expect(settled).toBe(false)
    await rig.broker.syncs[0]?.answer(assigned(0))
    await waiting
    await membership.settled(60_000)
  })

  test('waits for the next assignment while one is being revoked', async () => {
    const membership = await rig.stable({ topics: ['t', 'u'] })
    const revoked = Promise.withResolvers<void>()
    rig.revoking = () => revoked.promise
    membership.setTopics(['t'])
    await turns()
    expect(membership.state).toBe('revoking')
    let settled = false
    const waiting = membership.settled(60_000).then(() => {
      settled = true
    })
    await turns()
    expect(settled).toBe(false)
    revoked.resolve()
    await turns()
    await rig.broker.joins[1]?.answer({})
    await rig.broker.syncs[1]?.answer(assigned(0))
    await waiting
    expect(membership.state).toBe('stable')
  })

  test('resolves after its time, and rejects when aborted', async () => {
    const membership = await rig.join()
    const waiting = membership.settled(1000)
    await rig.clock.advance(1000)
    await waiting
    const gone = new AbortController()
    const aborted = membership.settled(1000, gone.signal)
    gone.abort(new Error('gone'))
    await expect(aborted).rejects.toThrow('gone')
  })

  test('resolves when it will never be stable', async () => {
    const membership = await rig.join()
    const waiting = membership.settled(60_000)
    await rig.broker.joins[0]?.answer({ errorCode: brokerCodes.fencedInstanceId })
    await waiting
  })
})
