import { expect, test } from 'vitest'
import { RestError } from '../errors/rest-error.ts'
import { type Logger, silentLogger } from '../observability/logger.ts'
import { errorResponse, toRestError } from './error-response.ts'
import { requestIdOf } from './request-id.ts'

function logInto(lines: [string, unknown][]): Logger {
  const log: Logger = {
    ...silentLogger,
    warn: (fields: unknown) => void lines.push(['warn', fields]),
    error: (fields: unknown) => void lines.push(['error', fields]),
    child: () => log,
  }
  return log
}

test('a row of the table is shown as it is; only those that are our fault are logged', () => {
  const lines: [string, unknown][] = []
  const mistake = new RestError('topicNotFound')
  expect(toRestError(mistake, logInto(lines), 'r1')).toBe(mistake)
  expect(lines).toEqual([])
  const failure = new RestError('upstreamFailed')
  expect(toRestError(failure, logInto(lines), 'r1')).toBe(failure)
  expect(lines).toEqual([['warn', { request_id: 'r1', err: failure, row: 'upstreamFailed' }]])
})

test.each([new Error('secret'), 'secret', undefined])(
  '%s becomes one 500, and is logged under its id',
  thrown => {
    const lines: [string, unknown][] = []
    const error = toRestError(thrown, logInto(lines), 'r1')
    expect(error.body()).toEqual({ error_code: 500, message: 'Internal Server Error' })
    expect(lines).toEqual([['error', { request_id: 'r1', err: thrown }]])
  },
)

test('errorResponse: status, body, type, and the headers of the row', async () => {
  const response = errorResponse(new RestError('draining'), 'application/vnd.kafka.v2+json')
  expect(response.status).toBe(503)
  expect(response.headers.get('content-type')).toBe('application/vnd.kafka.v2+json')
  expect(response.headers.get('retry-after')).toBe('1')
  expect(await response.json()).toMatchObject({ error_code: 50313 })
})

test.each(['a', 'A-1_~!', 'x'.repeat(128)])('a request id of visible ASCII is kept: %s', id => {
  expect(requestIdOf(id)).toBe(id)
})

test.each([undefined, '', 'a b', 'a\tb', 'a\u00e4', 'x'.repeat(129)])('any other is replaced: %s', id => {
  expect(requestIdOf(id)).toMatch(/^[0-9a-f-]{36}$/)
})
