import { expect, test } from 'vitest'
import { deathProved, type IdentityAnswer, isDeathProof } from './death-proof.ts'

const expected = { id: 'node-1', incarnation: 'i-1' }
const identity = (id: string, incarnation: string): IdentityAnswer => ({
  outcome: 'identity',
  id,
  incarnation,
})

test.each<[string, IdentityAnswer, boolean]>([
  ['nothing listens there', { outcome: 'refused' }, true],
  ['another incarnation answers', identity('node-1', 'i-2'), true],
  ['another node answers', identity('node-2', 'i-1'), true],
  ['it answers itself', identity('node-1', 'i-1'), false],
  ['a time-out or reset', { outcome: 'unclear', detail: 'ECONNRESET' }, false],
])('%s', (_, answer, dead) => {
  expect(isDeathProof(answer, expected, { refusedIsDead: true })).toBe(dead)
})

test('where others may refuse for the process, a refusal proves nothing and an identity does', () => {
  expect(isDeathProof({ outcome: 'refused' }, expected, { refusedIsDead: false })).toBe(false)
  expect(isDeathProof(identity('node-1', 'i-2'), expected, { refusedIsDead: false })).toBe(true)
})

test('deathProved asks the internal url within the time given', async () => {
  const asked: unknown[] = []
  const dead = await deathProved(
    { ...expected, internalUrl: 'http://10.0.0.1:1' },
    {
      timeoutMs: 200,
      refusedIsDead: true,
      probe: async (url, limits) => {
        asked.push(url, limits.timeoutMs)
        return { outcome: 'refused' }
      },
    },
  )
  expect(dead).toBe(true)
  expect(asked).toEqual(['http://10.0.0.1:1', 200])
})

test('a node that is known by its address only may be any incarnation', () => {
  const any = { id: 'node-1', incarnation: '' }
  expect(isDeathProof(identity('node-1', 'i-2'), any, { refusedIsDead: true })).toBe(false)
  expect(isDeathProof(identity('node-2', 'i-2'), any, { refusedIsDead: true })).toBe(true)
})
