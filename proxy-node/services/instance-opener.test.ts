import { expect, test } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { instanceKey } from '../../shared/ids.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import type { HeldPlacement } from '../ports/placements.ts'
import { InstanceOpener, type InstanceOpenerDeps, NotTaken } from './instance-opener.ts'
import { renderSpec } from './instance-spec.ts'

const ref = { group: 'g', instance: 'i' }
const holding = { node: 'dead', incarnation: 'run', token: 1 }

/** What an earlier holder recorded that was subscribed to a pattern. */
function patternSpec(text: string): string {
  return renderSpec({
    ref,
    settings: {
      format: 'binary',
      autoOffsetReset: { from: 'earliest' },
      autoCommit: true,
      fetchMinBytes: -1,
      requestTimeoutMs: 1000,
    },
    state: { kind: 'pattern', pattern: { text, tester: () => () => true }, topics: ['t'] },
    partitions: [],
    memberId: 'id-i-1',
    groupInstanceId: 'id-i',
    resume: { joinedTopics: ['t'], positions: [], read: undefined },
  })
}

/** An opener whose claim succeeds, and everything that it does after it. */
function claiming(spec: string) {
  const events: string[] = []
  const timers = new Set<object>()
  const clock = {
    ...systemClock,
    after: (...[delayMs, run]: Parameters<typeof systemClock.after>) => {
      const timer = systemClock.after(delayMs, run)
      timers.add(timer)
      return {
        cancel: () => {
          timers.delete(timer)
          timer.cancel()
        },
      }
    },
  }
  const placement: Partial<HeldPlacement> = {
    key: instanceKey(ref),
    replaced: { key: instanceKey(ref), ...holding, spec, expiresAt: 0, failover: 'takeover' },
    release: async reason => void events.push(`released: ${reason}`),
  }
  const consumers = {
    join: () => {
      events.push('joined')
      return { stop: async () => undefined }
    },
    removeMember: async (group: string) => void events.push(`member removed from ${group}`),
    commit: async () => void events.push('committed'),
  }
  const deps = {
    consumers,
    cluster: { cachedTopic: () => ({}), topic: async () => undefined },
    formats: {},
    settings: { groupInstanceIdPrefix: 'id-', autoCommitIntervalMs: 60_000, instanceCloseTimeoutMs: 1000 },
    claims: { takeOver: async () => placement },
    isStopped: () => false,
    clock,
    log: silentLogger,
    metrics: { count: () => undefined },
  }
  return { opener: new InstanceOpener(deps as unknown as InstanceOpenerDeps), events, timers }
}

const request = { ref, replaces: holding, deathProved: true }

test('a recorded pattern that this version refuses leaves nothing behind: the instance is gone', async () => {
  const { opener, events, timers } = claiming(patternSpec('(.{0,999}){9}'))
  await expect(opener.takeOver(request)).rejects.toEqual(new NotTaken('gone'))
  expect(events).toEqual(['member removed from g', 'released: owner-lost'])
  expect(timers.size).toBe(0)
})

test('what is recorded and no spec leaves nothing behind', async () => {
  const { opener, events } = claiming('no spec')
  await expect(opener.takeOver(request)).rejects.toEqual(new NotTaken('gone'))
  expect(events).toEqual(['released: owner-lost'])
})

test('an instance with a pattern is taken over as its member', async () => {
  const { opener, events } = claiming(patternSpec('t.*'))
  const instance = await opener.takeOver(request)
  expect([instance.topics, instance.hasPattern, events]).toEqual([['t'], true, ['joined']])
  await instance.close('lost')
})
