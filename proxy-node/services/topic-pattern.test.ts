import { expect, test } from 'vitest'
import { RestError } from '../../shared/errors/rest-error.ts'
import { compileTopicPattern } from './topic-pattern.ts'

const matching = (text: string, names: readonly string[]) => names.filter(compileTopicPattern(text).tester())

test('a pattern matches whole names', () => {
  const names = ['orders', 'orders-eu', 'new-orders', 'o.x', '']
  expect(matching('orders', names)).toEqual(['orders'])
  expect(matching('orders.*', names)).toEqual(['orders', 'orders-eu'])
  expect(matching('^orders$|^new', names)).toEqual(['orders'])
  expect(matching('(?i)ORDERS|o\\.x', names)).toEqual(['orders', 'o.x'])
  expect(matching('nothing', names)).toEqual([])
})

test.each([
  '(',
  '[a',
  'a**',
  '*a',
  'a)(b',
  '(?=a)b',
  '(a)\\1',
  'a++',
  '(?<!x)y',
  'x'.repeat(1001),
  '((a{100}){100}){100}',
])('a pattern that cannot run in linear time or is no pattern is 422: %s', text => {
  expect(refusal(text)).toMatchObject({ status: 422, errorCode: 422 })
})

test.each([
  'orders-.*',
  '^(a|b|c)-[0-9]{1,5}$',
  '[a-z0-9._-]{1,249}',
  '[a-z0-9._-]{1,249}-[a-z0-9._-]{1,249}',
  '(?i)(eu|us)-[a-z]{2,20}(-[a-z0-9]{1,20}){0,3}',
  '([a-z0-9-]{1,63}\\.){1,4}[a-z]{2,10}',
  '[\\p{L}\\p{N}._-]{1,249}',
  `(${Array.from({ length: 90 }, (_, i) => `topic-${100 + i}`).join('|')})`,
  'a{0}b{,3}{',
])('a pattern that is in use is none too large: %s', text => {
  expect(refusal(text)).toBeUndefined()
})

const wide = '\u{1e941}'

test.each([
  '.{0,999}'.repeat(111),
  '\\pL{1000}'.repeat(100),
  '(.?){999}',
  '((.?){30}){30}',
  'a{500}(?i){3}b{200}',
  'a{500}\\Q\\E{4}',
  '[!-[:](.{0,400}){4}:]]',
  '\\pL'.repeat(330),
  `[${'\\PN'.repeat(330)}]`,
  `(?i)[${`B-${wide}`.repeat(240)}]`,
  `(?s-i)a(?mi:[${'B-\\x{1E941}'.repeat(50)}])`,
])('a pattern that would keep the node busy is refused before it is compiled: %s', text => {
  expect(refusal(text)).toMatchObject({
    status: 422,
    message: expect.stringMatching(/with its repetitions written out \(was \d+\)$/),
  })
})

test('what is wrong with a pattern is told in the client’s own text', () => {
  expect(refusal('(a')?.message).toMatch(/: `\(a`$/)
})

test('a pattern that is exponential elsewhere answers', () => {
  expect(matching('(a+)+b', ['a'.repeat(249)])).toEqual([])
})

function refusal(text: string): RestError | undefined {
  try {
    compileTopicPattern(text)
  } catch (error) {
    expect(error).toBeInstanceOf(RestError)
    return error as RestError
  }
  return undefined
}
