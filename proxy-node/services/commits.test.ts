import { describe, expect, test } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { turns } from '../../test/support/membership-rig.ts'
import type { TopicMetadata } from '../ports/kafka-cluster.ts'
import type { CommittedOffset, GroupMember } from '../ports/kafka-consumer.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import { Commits, type CommitsDeps } from './commits.ts'
import { InstanceGone } from './instance-gone.ts'
import { Positions } from './positions.ts'

const t0 = { topic: 't', partition: 0 }
const member = (generation: number): GroupMember => ({ memberId: 'm', groupInstanceId: 'i', generation })
const failure = (kind: string, retriable = false) =>
  new KafkaError(kind, { code: 1, retriable, text: `${kind} happened` })

const metadata: TopicMetadata = {
  name: 't',
  id: '',
  internal: false,
  partitions: [{ partition: 0, leader: 0, leaderEpoch: 0, replicas: [], inSyncReplicas: [] }],
}

const signal = new AbortController().signal

interface Sent {
  readonly member: GroupMember | undefined
  readonly offsets: readonly CommittedOffset[]
}

/** Commits against a broker that answers as the test says. */
function committing(answers: (() => Promise<void>)[] = [], overrides: Partial<CommitsDeps> = {}) {
  const positions = new Positions()
  positions.assignGeneration([t0], member(1))
  for (const asked of positions.unresolved()) positions.resolve(asked, 5n, true)
  const sent: Sent[] = []
  const events: string[] = []
  const commits = new Commits({
    group: 'g',
    consumers: {
      commit: (_group, as, offsets) => {
        sent.push({ member: as, offsets })
        return (answers.shift() ?? (async () => undefined))()
      },
    },
    cluster: { topicWith: async ({ topic }) => (topic === 't' ? metadata : undefined) },
    positions,
    mayServe: async () => true,
    gone: () => new InstanceGone('lost'),
    onFenced: () => events.push('fenced'),
    clock: systemClock,
    log: silentLogger,
    metrics: { count: (_name, labels) => events.push(`${labels?.['kind']} ${labels?.['outcome']}`) },
    commitTimeoutMs: 1000,
    closed: signal,
    ...overrides,
  })
  const handOut = (next: bigint) => {
    const [position] = positions.readable()
    if (position) positions.handOut(position, next)
  }
  return { commits, positions, sent, events, handOut }
}

describe('Commits', () => {
  test('one at a time, in the order in which they were asked for', async () => {
    const gate = Promise.withResolvers<void>()
    const { commits, positions, sent, handOut } = committing([() => gate.promise])
    handOut(7n)
    positions.confirm()
    const first = commits.autoCommit(positions.uncommitted(), 0)
    const second = commits.commitOffsets([{ ...t0, offset: 6n, metadata: '' }], member(1), signal)
    await Promise.resolve()
    gate.resolve()
    await Promise.all([first, second])
    expect(sent.map(({ offsets }) => offsets[0]?.offset)).toEqual([7n, 6n])
  })

  test('each carries the identity that its records were handed out with', async () => {
    const { commits, positions, sent, handOut } = committing()
    handOut(7n)
    positions.assignGeneration([], member(2))
    await commits.commitOffsets([{ ...t0, offset: 7n, metadata: 'x' }], member(2), signal)
    expect(sent).toEqual([{ member: member(1), offsets: [{ ...t0, offset: 7n, metadata: 'x' }] }])
  })

  test('what was never handed out here goes under the identity of now', async () => {
    const { commits, sent } = committing()
    await commits.commitOffsets([{ ...t0, offset: 7n, metadata: '' }], member(9), signal)
    expect(sent[0]?.member).toEqual(member(9))
  })

  test('a stale generation is an error to a client, and nothing to an auto-commit', async () => {
    const stale = () => Promise.reject(failure('ILLEGAL_GENERATION'))
    const { commits, positions, events, handOut } = committing([stale, stale])
    await expect(
      commits.commitOffsets([{ ...t0, offset: 7n, metadata: '' }], member(1), signal),
    ).rejects.toMatchObject({ kind: 'ILLEGAL_GENERATION' })
    handOut(8n)
    positions.confirm()
    await commits.autoCommit(positions.uncommitted(), 0)
    expect(events).toEqual(['explicit failed', 'auto failed'])
    expect(positions.uncommitted()).toHaveLength(1)
  })

  test('what may pass is tried again within the time, and an auto-commit only at its next turn', async () => {
    const passing = () => Promise.reject(failure('COORDINATOR_LOAD_IN_PROGRESS', true))
    const { commits, positions, sent, handOut } = committing([passing, passing, passing])
    await commits
      .commitOffsets([{ ...t0, offset: 7n, metadata: '' }], member(1), signal)
      .catch(() => undefined)
    expect(sent).toHaveLength(4)
    handOut(8n)
    positions.confirm()
    await commits.autoCommit(positions.uncommitted(), 0)
    expect(sent).toHaveLength(5)
  })

  test('an auto-commit takes what is uncommitted in its turn: an explicit commit that is under way is not undone', async () => {
    const gate = Promise.withResolvers<void>()
    const { commits, positions, sent, handOut } = committing([() => gate.promise])
    handOut(10n)
    positions.confirm()
    const explicit = commits.commitOffsets([{ ...t0, offset: 5n, metadata: '' }], member(1), signal)
    // It is sent, and the timer fires before it is answered.
    while (sent.length === 0) await Promise.resolve()
    const auto = commits.autoCommitInTurn()
    gate.resolve()
    await Promise.all([explicit, auto])
    expect(sent.map(({ offsets }) => offsets[0]?.offset)).toEqual([5n])
    expect(await commits.autoCommitInTurn()).toBe(false)
  })

  test('a client that leaves is not waited for, and its commit not overtaken by the next', async () => {
    const gate = Promise.withResolvers<void>()
    const { commits, sent, events } = committing([() => gate.promise])
    const client = new AbortController()
    const first = commits.commitOffsets([{ ...t0, offset: 6n, metadata: '' }], member(1), client.signal)
    while (sent.length === 0) await Promise.resolve()
    client.abort(new Error('the client has left'))
    await expect(first).rejects.toThrow('the client has left')
    const second = commits.commitOffsets([{ ...t0, offset: 7n, metadata: '' }], member(1), signal)
    await turns()
    expect(sent).toHaveLength(1)
    gate.resolve()
    await second
    expect(sent.map(({ offsets }) => offsets[0]?.offset)).toEqual([6n, 7n])
    expect(events).toEqual(['explicit committed', 'explicit committed'])
  })

  test('a commit whose client leaves before its turn is not sent', async () => {
    const gate = Promise.withResolvers<void>()
    const { commits, sent } = committing([() => gate.promise])
    const first = commits.commitOffsets([{ ...t0, offset: 6n, metadata: '' }], member(1), signal)
    const client = new AbortController()
    const second = commits.commitOffsets([{ ...t0, offset: 7n, metadata: '' }], member(1), client.signal)
    await turns()
    client.abort(new Error('the client has left'))
    await expect(second).rejects.toThrow('the client has left')
    gate.resolve()
    await first
    await commits.idle()
    expect(sent).toHaveLength(1)
  })

  test('the last auto-commit of an instance that is closed does not undo an explicit commit that is under way', async () => {
    const gate = Promise.withResolvers<void>()
    const { commits, positions, sent, events, handOut } = committing([() => gate.promise])
    handOut(10n)
    positions.confirm()
    const client = new AbortController()
    const explicit = commits.commitOffsets(
      [{ ...t0, offset: 5n, metadata: '' }],
      member(1),
      client.signal,
      () => events.push('told'),
    )
    while (sent.length === 0) await Promise.resolve()
    client.abort(new InstanceGone('deleted'))
    await expect(explicit).rejects.toBeInstanceOf(InstanceGone)
    const last = commits.autoCommit(positions.uncommitted(), 1000)
    positions.revoke()
    gate.resolve()
    await last
    expect(sent.map(({ offsets }) => offsets[0]?.offset)).toEqual([5n])
    expect(events).toContain('told')
  })

  test('and takes the place of one that fails', async () => {
    const gate = Promise.withResolvers<void>()
    const { commits, positions, sent, handOut } = committing([() => gate.promise])
    handOut(10n)
    positions.confirm()
    const explicit = commits.commitOffsets([{ ...t0, offset: 5n, metadata: '' }], member(1), signal)
    while (sent.length === 0) await Promise.resolve()
    const last = commits.autoCommit(positions.uncommitted(), 1000)
    gate.reject(failure('ILLEGAL_GENERATION'))
    await expect(explicit).rejects.toMatchObject({ kind: 'ILLEGAL_GENERATION' })
    await last
    expect(sent.map(({ offsets }) => offsets[0]?.offset)).toEqual([5n, 10n])
  })

  test('a commit that Kafka refuses for now is not tried again once the instance is closed', async () => {
    const clock = new ManualClock()
    const closed = new AbortController()
    const { commits, sent } = committing([() => Promise.reject(failure('COORDINATOR_NOT_AVAILABLE', true))], {
      clock,
      closed: closed.signal,
    })
    const explicit = commits.commitOffsets([{ ...t0, offset: 5n, metadata: '' }], member(1), closed.signal)
    await turns()
    closed.abort(new InstanceGone('handed-over'))
    await expect(explicit).rejects.toBeInstanceOf(InstanceGone)
    await clock.advance(1000)
    await commits.idle()
    expect(sent).toHaveLength(1)
  })

  test('idle waits for a commit without a body that is under way', async () => {
    const gate = Promise.withResolvers<void>()
    const { commits, positions, events, handOut } = committing([() => gate.promise])
    handOut(7n)
    positions.confirm()
    void commits.commitConfirmed()
    const idle = commits.idle().then(() => events.push('idle'))
    await Promise.resolve()
    gate.resolve()
    await idle
    expect(events).toEqual(['confirmed committed', 'idle'])
  })

  test('a topic that is gone holds up what comes after it for a second at most', async () => {
    const clock = new ManualClock()
    const unknown = () => Promise.reject(failure('UNKNOWN_TOPIC_OR_PARTITION', true))
    const { commits, positions, sent, handOut } = committing(
      Array.from({ length: 100 }, () => unknown),
      { clock, commitTimeoutMs: 60_000 },
    )
    handOut(7n)
    positions.confirm()
    let over = false
    void commits.commitConfirmed().then(() => {
      over = true
    })
    for (let tries = 0; tries < 20; tries++) await clock.advance(100)
    expect([over, sent.length]).toEqual([true, 10])
  })

  test('being fenced is told once and for all', async () => {
    const { commits, positions, events } = committing([() => Promise.reject(failure('FENCED_INSTANCE_ID'))])
    await commits.commitConfirmed()
    expect(events).toEqual(['fenced', 'confirmed failed'])
    expect(positions.confirmed()).toHaveLength(1)
  })

  test('a node that does not hold the instance any more commits nothing', async () => {
    const { commits, sent } = committing([], { mayServe: async () => false })
    await commits.commitConfirmed()
    await expect(
      commits.commitOffsets([{ ...t0, offset: 7n, metadata: '' }], member(1), signal),
    ).rejects.toBeInstanceOf(InstanceGone)
    expect(sent).toEqual([])
  })

  test.each([
    { topic: 'nope', partition: 0 },
    { topic: 't', partition: 1 },
    { topic: 't', partition: -1 },
  ])('a partition that does not exist is 500 / 50003: %j', async partition => {
    const { commits, sent } = committing()
    await expect(
      commits.commitOffsets([{ ...partition, offset: 1n, metadata: '' }], undefined, signal),
    ).rejects.toMatchObject({ status: 500, errorCode: 50003 })
    expect(sent).toEqual([])
  })
})
