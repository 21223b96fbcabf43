import { expect, test } from 'vitest'
import {
  createOperatorTokens,
  drawOperatorToken,
  hashOfToken,
  isOperatorName,
  operatorTokenProblems,
} from './operator-tokens.ts'

test('a drawn token is that of its entry, and no two are equal', () => {
  const [one, two] = [drawOperatorToken('alice'), drawOperatorToken('alice')]
  expect(one.token).not.toBe(two.token)
  expect(one.token).toMatch(/^[A-Za-z0-9_-]{43}$/)
  expect(operatorTokenProblems([one.entry, two.entry])).toEqual([])
  const tokens = createOperatorTokens([one.entry, two.entry])
  for (const { token } of [one, two]) expect(tokens.operatorOf(`Bearer ${token}`)).toBe('alice')
})

test('only the bearer of a listed token is an operator', () => {
  const [alice, bob, eve] = ['alice', 'bob', 'eve'].map(drawOperatorToken)
  const tokens = createOperatorTokens([alice?.entry ?? '', bob?.entry ?? ''])
  expect(tokens.operatorOf(`bearer   ${bob?.token}`)).toBe('bob')
  const refused = [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    `Bearer ${eve?.token}`,
    `Bearer ${alice?.token}x`,
    `Bearer ${alice?.token} ${bob?.token}`,
    `Bearer ${hashOfToken(alice?.token ?? '')}`,
    `Bearer ${alice?.entry}`,
    `Basic ${alice?.token}`,
    alice?.token,
  ]
  for (const authorization of refused) expect(tokens.operatorOf(authorization), authorization).toBeUndefined()
})

test('without entries nobody is an operator', () => {
  const tokens = createOperatorTokens([])
  expect([tokens.empty, tokens.operatorOf('Bearer x')]).toEqual([true, undefined])
  expect(createOperatorTokens([drawOperatorToken('a').entry]).empty).toBe(false)
})

test('entries that are none are named by their place, not repeated', () => {
  const hash = hashOfToken('x')
  const bad = [
    'alice',
    `:${hash}`,
    `a b:${hash}`,
    `alice:${hash}0`,
    `alice:${hash.toUpperCase()}`,
    'alice:secret',
    '',
  ]
  const problems = operatorTokenProblems([`alice:${hash}`, ...bad])
  expect(problems).toHaveLength(bad.length)
  expect(problems[0]).toMatch(/^admin\.tokens: entry 2 is not name:sha256/)
  expect(problems.join()).not.toContain('secret')
})

test('names', () => {
  expect(['alice', 'a.b-c_9', 'x'.repeat(64)].map(isOperatorName)).toEqual([true, true, true])
  expect(['', 'a:b', 'a,b', 'a b', 'x'.repeat(65)].map(isOperatorName)).toEqual(Array(5).fill(false))
})
