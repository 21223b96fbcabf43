import { expect, test } from 'vitest'
import { loggedError } from './logger.ts'

test('of an error what it says is logged, with its causes, and nothing that hangs on it', () => {
  const cause = Object.assign(new TypeError('no'), {
    code: 'E1',
    command: { name: 'auth', args: ['secret'] },
  })
  const error = Object.assign(new Error('it failed', { cause }), { password: 'secret' })
  const logged = loggedError(error)
  expect(logged).toMatchObject({
    type: 'Error',
    message: 'it failed',
    cause: { type: 'TypeError', message: 'no', code: 'E1' },
  })
  expect(JSON.stringify(logged)).not.toContain('secret')
})

test('a chain of causes has an end, and what is no error is left out', () => {
  const error = new Error('round')
  error.cause = error
  expect(JSON.stringify(loggedError(error)).match(/round/g)?.length).toBeLessThan(20)
  expect(loggedError('text')).toBeUndefined()
})
