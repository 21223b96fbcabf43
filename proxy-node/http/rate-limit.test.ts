import { expect, test } from 'vitest'
import { RestError } from '../../shared/errors/rest-error.ts'
import { mediaTypes } from '../../shared/rest/media-type.ts'
import { matchRoute } from '../../shared/rest/routes.ts'
import { loadSettings } from '../../shared/settings/load.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { rateCostProblems, rateSettings } from '../rate-settings.ts'
import { createRateLimit } from './rate-limit.ts'

const settingsOf = (overrides: Record<string, string>) =>
  loadSettings(rateSettings, new Map(Object.entries(overrides)), {}).settings

/** Whether requests are let through, one after the other. */
function limiter(overrides: Record<string, string>, clock = new ManualClock()) {
  const settings = settingsOf({
    'rate.limit.enable': 'true',
    'rate.limit.permits.per.sec': '1',
    ...overrides,
  })
  const limit = createRateLimit(settings, clock)
  return async (method: string, target: string, type?: string, signal = new AbortController().signal) => {
    const match = matchRoute(method, target)
    if (match.outcome !== 'matched') throw new Error(`${target} is no route`)
    return limit(match.route, type, signal).then(
      () => true,
      error => error,
    )
  }
}

test('over the rate: 429 / 429 with the contract’s text, and when to come again', async () => {
  const ask = limiter({})
  expect(await ask('GET', '/topics')).toBe(true)
  const refused = await ask('POST', '/consumers/g')
  expect(refused).toBeInstanceOf(RestError)
  expect(refused).toMatchObject({ status: 429, errorCode: 429 })
  expect(refused.body()).toEqual({
    error_code: 429,
    message: 'Request rate limit exceeded: The rate limit of requests per second has been exceeded.',
  })
  expect(refused.headers).toMatchObject({ 'Retry-After': '1' })
})

test('off by default', async () => {
  const ask = limiter({ 'rate.limit.enable': 'false' })
  for (let request = 0; request < 100; request++) expect(await ask('GET', '/topics')).toBe(true)
})

test('costs go by the endpoint, else by its class; 0 is free', async () => {
  const costs = 'api.v2.produce-to-topic.json=0, api.v2.consumers.*=0,api.v2.consumers.create=3'
  const ask = limiter({ 'rate.limit.costs': costs, 'rate.limit.default.cost': '2' })
  for (let request = 0; request < 3; request++) {
    expect(await ask('POST', '/topics/t', mediaTypes.json)).toBe(true)
    expect(await ask('GET', '/consumers/g/instances/i/records', mediaTypes.binary)).toBe(true)
  }
  expect(await ask('POST', '/consumers/g')).toBe(true)
  expect(await ask('POST', '/consumers/g')).toMatchObject({ status: 429 })
  expect(await ask('POST', '/topics/t', mediaTypes.binary)).toMatchObject({ status: 429 })
})

test('a request waits for its permits up to the time-out, or until its client leaves', async () => {
  const clock = new ManualClock()
  const ask = limiter({ 'rate.limit.timeout.ms': '1500' }, clock)
  expect(await ask('GET', '/topics')).toBe(true)
  const waiting = ask('GET', '/topics')
  expect(await ask('GET', '/topics')).toMatchObject({ status: 429 })
  await clock.advance(1000)
  expect(await waiting).toBe(true)
  const leaving = new AbortController()
  const gone = ask('GET', '/topics', undefined, leaving.signal)
  leaving.abort(new Error('gone'))
  expect(await gone).toMatchObject({ message: 'gone' })
})

test('costs that are none are told at start', () => {
  expect(rateCostProblems(settingsOf({ 'rate.limit.costs': 'a=1,b,c=-1,d=x' }))).toEqual([
    'rate.limit.costs: b is not endpoint=cost',
    'rate.limit.costs: c=-1 is not endpoint=cost',
    'rate.limit.costs: d=x is not endpoint=cost',
  ])
})
