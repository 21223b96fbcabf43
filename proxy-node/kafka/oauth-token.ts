import type { Clock } from '../../shared/clock.ts'
import { authenticationFailed, connectionLost } from './kafka-errors.ts'

export interface OauthSettings {
  /** `sasl.oauthbearer.token.endpoint.url` */
  readonly endpoint: string
  readonly clientId: string
  readonly clientSecret: string
  readonly scope: string
  /** `sasl.oauthbearer.header.urlencode`: credentials go form-encoded, as RFC 6749 §2.3.1 asks and few endpoints do. */
  readonly urlencode: boolean
  /** Ms for one request to the endpoint. */
  readonly timeoutMs: number
}

interface Deps {
  readonly clock: Clock
  readonly fetch: typeof fetch
}

/** A token is replaced when this share of its lifetime has passed, as in Kafka's Java clients. */
const REFRESH_AT = 0.8

/**
 * Gives bearer tokens by OAuth 2.0's client credentials grant (RFC 6749 §4.4, as in KIP-768). A token is kept while it is
 * good, and connections that open at the same time share one request.
 * @returns a function that rejects with KafkaError SASL_AUTHENTICATION_FAILED or CONNECTION_LOST.
 */
export function oauthTokens(settings: OauthSettings, deps: Deps): () => Promise<string> {
  let current: { readonly token: Promise<string>; goodUntil: number } | undefined
  return () => {
    if (current && deps.clock.monotonic() < current.goodUntil) return current.token
    const asking = askForToken(settings, deps)
    const entry = { token: asking.then(({ token }) => token), goodUntil: Number.POSITIVE_INFINITY }
    current = entry
    asking.then(
      ({ lifetimeMs }) => {
        entry.goodUntil = deps.clock.monotonic() + lifetimeMs * REFRESH_AT
      },
      () => {
        if (current === entry) current = undefined
      },
    )
    return entry.token
  }
}

async function askForToken(
  settings: OauthSettings,
  deps: Deps,
): Promise<{ token: string; lifetimeMs: number }> {
  const { endpoint, scope, urlencode, timeoutMs } = settings
  const late = new AbortController()
  const timer = deps.clock.after(timeoutMs, () => late.abort(new Error(`no answer within ${timeoutMs} ms`)))
  const [id, secret] = [settings.clientId, settings.clientSecret].map(urlencode ? encodeURIComponent : String)
  const body = new URLSearchParams({ grant_type: 'client_credentials', ...(scope === '' ? {} : { scope }) })
  try {
    const response = await deps.fetch(endpoint, {
      method: 'POST',
      headers: {
        Authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
        Accept: 'application/json',
      },
      body,
      redirect: 'error',
      signal: late.signal,
    })
    const text = await response.text()
    if (response.status >= 500) throw new Error(`status ${response.status}`)
    const answer = parseAnswer(text)
    if (!response.ok || !answer) throw authenticationFailed('The OAuth token endpoint gave no token.')
    return answer
  } catch (error) {
    if (error instanceof Error && error.name === 'KafkaError') throw error
    throw connectionLost('The OAuth token endpoint does not answer.', error)
  } finally {
    timer.cancel()
  }
}

function parseAnswer(text: string): { token: string; lifetimeMs: number } | undefined {
  try {
    const answer: unknown = JSON.parse(text)
    if (typeof answer !== 'object' || answer === null) return undefined
    const token = 'access_token' in answer ? answer.access_token : undefined
    // Without a lifetime each connection asks anew.
    const seconds = 'expires_in' in answer ? Number(answer.expires_in) : 0
    if (typeof token !== 'string' || token === '') return undefined
    return { token, lifetimeMs: Number.isFinite(seconds) ? seconds * 1000 : 0 }
  } catch {
    return undefined
  }
}

/**
 * An unsecured token (an unsigned JWT) with these claims, for brokers in development: what Kafka's Java clients make when no
 * endpoint is set.
 */
export function unsecuredToken(claims: Readonly<Record<string, string>>, clock: Clock): string {
  const seconds = Math.floor(clock.now() / 1000)
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part({ ...claims, iat: seconds, exp: seconds + 3600 })}.`
}
