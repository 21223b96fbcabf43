import { describe, expect, test } from 'vitest'
import { routes } from '../../shared/rest/routes.ts'
import { type FailedTry, type NextStep, nextStep, repeatable } from './retry.ts'

const base: FailedTry = {
  stage: 'unsent',
  reason: 'refused',
  repeatable: false,
  bodyAtHand: false,
  pinned: false,
  tries: 1,
  triesMax: 3,
}

const fail = (row: string) => ({ step: 'fail', row })
const checkDeath = { step: 'check-death', row: 'ownerUnreachable' }

describe('nextStep', () => {
  test.each<[string, Partial<FailedTry>, NextStep | object]>([
    // Any node can answer.
    ['a produce that could not be sent', {}, { step: 'other-node' }],
    ['… with its body still streaming', { bodyAtHand: false }, { step: 'other-node' }],
    ['… for the last time', { tries: 3 }, fail('noProxyNode')],
    ['a dial that timed out', { reason: 'unreachable' }, { step: 'other-node' }],
    ['a produce that was lost', { stage: 'sent', reason: 'lost' }, fail('upstreamFailed')],
    ['a produce that was slow', { stage: 'sent', reason: 'slow' }, fail('upstreamTimeout')],
    [
      'a GET that was lost',
      { stage: 'sent', reason: 'lost', repeatable: true, bodyAtHand: true },
      { step: 'other-node' },
    ],
    [
      '… whose body streamed away',
      { stage: 'sent', reason: 'lost', repeatable: true },
      fail('upstreamFailed'),
    ],
    [
      '… for the last time',
      { stage: 'sent', reason: 'lost', repeatable: true, bodyAtHand: true, tries: 3 },
      fail('upstreamFailed'),
    ],
    [
      'a GET that was slow',
      { stage: 'sent', reason: 'slow', repeatable: true, bodyAtHand: true },
      fail('upstreamTimeout'),
    ],
    // Only the holder can answer.
    ['an instance request that could not be sent', { pinned: true }, checkDeath],
    ['a commit that was lost', { pinned: true, stage: 'sent', reason: 'lost' }, fail('upstreamFailed')],
    [
      'a commit whose node was given up',
      { pinned: true, stage: 'sent', reason: 'withdrawn' },
      fail('upstreamFailed'),
    ],
    ['a commit that was slow', { pinned: true, stage: 'sent', reason: 'slow' }, fail('upstreamTimeout')],
    [
      'a look at the subscription that was lost',
      { pinned: true, stage: 'sent', reason: 'lost', repeatable: true, bodyAtHand: true },
      { step: 'same-node' },
    ],
    [
      '… twice',
      { pinned: true, stage: 'sent', reason: 'lost', repeatable: true, bodyAtHand: true, tries: 2 },
      checkDeath,
    ],
    [
      '… that was slow',
      { pinned: true, stage: 'sent', reason: 'slow', repeatable: true, bodyAtHand: true },
      fail('ownerUnreachable'),
    ],
    [
      '… whose node was given up',
      { pinned: true, stage: 'sent', reason: 'withdrawn', repeatable: true, bodyAtHand: true },
      checkDeath,
    ],
  ])('%s', (_, failed, expected) => {
    expect(nextStep({ ...base, ...failed })).toEqual(expected)
  })
})

describe('repeatable', () => {
  test('every GET and HEAD but a read of records; nothing else', () => {
    for (const route of routes) {
      const safe = route.method === 'GET' && route.id !== 'consumers.consume'
      expect([route.id, repeatable(route, route.method)]).toEqual([route.id, safe])
      if (route.method === 'GET') expect(repeatable(route, 'HEAD')).toBe(safe)
    }
    expect(repeatable(undefined, 'PUT')).toBe(false)
    expect(repeatable(undefined, 'GET')).toBe(true)
  })
})
