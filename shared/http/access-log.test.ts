import { expect, test } from 'vitest'
import { exchange, jsonResponse, openListener } from '../../test/support/http-listener.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { RawConnection } from '../../test/support/raw-connection.ts'
import { until } from '../../test/support/until.ts'
import { type Logger, silentLogger } from '../observability/logger.ts'
import { logWhenDone } from './access-log.ts'

const get = 'GET /a?b=%20c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

async function openLogged(enabled: boolean, answer: (clock: ManualClock) => Promise<Response>) {
  const lines: unknown[] = []
  const done: [number, number][] = []
  const clock = new ManualClock()
  const log: Logger = {
    ...silentLogger,
    info: (fields: unknown) => void lines.push(fields),
    child: () => log,
  }
  const listener = await openListener((_, env) => {
    const note = { requestId: 'r1', operation: 'topics.list' }
    logWhenDone(env, note, { clock, log, enabled }, (status, seconds) => done.push([status, seconds]))
    return answer(clock)
  })
  return { listener, lines, done }
}

test('one line when an answer has ended, with its status and the time it took', async () => {
  const { listener, lines, done } = await openLogged(true, async clock => {
    await clock.advance(1500)
    return jsonResponse({}, 404)
  })
  await exchange(listener.url, get)
  await until('the end to be told', () => done.length === 1)
  expect(done).toEqual([[404, 1.5]])
  expect(lines).toEqual([
    {
      request_id: 'r1',
      operation: 'topics.list',
      method: 'GET',
      target: '/a?b=%20c',
      status: 404,
      duration_ms: 1500,
      client: '127.0.0.1',
    },
  ])
})

test('a client that left first is 499, not a failure of ours', async () => {
  const never = new Promise<Response>(() => {})
  const { listener, lines, done } = await openLogged(true, () => never)
  const connection = await RawConnection.open(listener.url)
  connection.send(get)
  await until('the request to be seen', () => listener.inFlight === 1)
  connection.reset()
  await until('the end to be told', () => done.length === 1)
  expect(done[0]?.[0]).toBe(499)
  expect(lines).toMatchObject([{ status: 499 }])
})

test('without a log the end is told all the same', async () => {
  const { listener, lines, done } = await openLogged(false, async () => jsonResponse({}))
  await exchange(listener.url, get)
  await until('the end to be told', () => done.length === 1)
  expect(lines).toEqual([])
})
