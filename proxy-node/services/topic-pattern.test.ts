import { expect, test } from 'vitest'
import { RestError } from '../../shared/errors/rest-error.ts'
import { compileTopicPattern } from './topic-pattern.ts'

test('a pattern matches whole names', () => {
  const names = ['orders', 'orders-eu', 'new-orders', 'o.x']
  expect(compileTopicPattern('orders').matching(names)).toEqual(['orders'])
  expect(compileTopicPattern('orders.*').matching(names)).toEqual(['orders', 'orders-eu'])
  expect(compileTopicPattern('(?i)ORDERS|o\\.x').matching(names)).toEqual(['o.x', 'orders'])
  expect(compileTopicPattern('nothing').matching(names)).toEqual([])
})

test.each(['(', '[a', 'a**', '(?=a)b', '(a)\\1', 'a++', '(?<!x)y', 'x'.repeat(1001), '((a{100}){100}){100}'])(
  'a pattern that cannot run in linear time or is no pattern is 422: %s',
  text => {
    try {
      compileTopicPattern(text)
    } catch (error) {
      expect(error).toBeInstanceOf(RestError)
      expect(error).toMatchObject({ status: 422, errorCode: 422 })
      return
    }
    expect.unreachable('it was accepted')
  },
)

test('a pattern that is exponential elsewhere answers', () => {
  expect(compileTopicPattern('(a+)+b').matching(['a'.repeat(249)])).toEqual([])
})
