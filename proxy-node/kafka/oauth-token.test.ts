import { beforeEach, expect, test } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { oauthTokens } from './oauth-token.ts'

let clock: ManualClock
let asked: { url: string; headers: unknown; body: string }[]
let answer: () => Promise<Response>

beforeEach(() => {
  clock = new ManualClock()
  asked = []
  answer = async () => Response.json({ access_token: `token-${asked.length}`, expires_in: 100 })
})

const open = (urlencode = false) =>
  oauthTokens(
    {
      endpoint: 'https://idp/token',
      clientId: 'a b',
      clientSecret: 's:ecret',
      scope: 'kafka',
      urlencode,
      timeoutMs: 5000,
    },
    {
      clock,
      fetch: (url, init) => {
        asked.push({ url: String(url), headers: init?.headers, body: String(init?.body) })
        return answer()
      },
    },
  )

test('asks by client credentials, once for all, and again when four fifths of the lifetime are over', async () => {
  const token = open()
  expect(await Promise.all([token(), token()])).toEqual(['token-1', 'token-1'])
  await clock.advance(79_000)
  expect(await token()).toBe('token-1')
  await clock.advance(1000)
  expect(await token()).toBe('token-2')
  expect(asked).toHaveLength(2)
  expect(asked[0]).toEqual({
    url: 'https://idp/token',
    headers: { Authorization: `Basic ${btoa('a b:s:ecret')}`, Accept: 'application/json' },
    body: 'grant_type=client_credentials&scope=kafka',
  })
})

test('credentials are form-encoded when that is asked for', async () => {
  expect(await open(true)()).toBe('token-1')
  expect(asked[0]?.headers).toMatchObject({ Authorization: `Basic ${btoa('a%20b:s%3Aecret')}` })
})

test('a refusal is an authentication failure, silence is not; neither is remembered', async () => {
  const token = open()
  answer = async () => new Response('{"error":"invalid_client"}', { status: 401 })
  await expect(token()).rejects.toMatchObject({ kind: 'SASL_AUTHENTICATION_FAILED', retriable: false })
  answer = async () => new Response('', { status: 503 })
  await expect(token()).rejects.toMatchObject({ kind: 'CONNECTION_LOST', retriable: true })
  answer = () => Promise.reject(new TypeError('fetch failed'))
  await expect(token()).rejects.toMatchObject({ kind: 'CONNECTION_LOST', retriable: true })
  answer = async () => Response.json({ access_token: 'good', expires_in: 100 })
  expect(await token()).toBe('good')
})
