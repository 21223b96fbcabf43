import type { Clock } from '../../shared/clock.ts'
import type { ClientKeys } from './client-keys.ts'
import { parseJaasConfig } from './jaas-config.ts'
import { oauthTokens, unsecuredToken } from './oauth-token.ts'

/** Who this process is towards the brokers. */
export type SaslCredentials =
  | {
      readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
      readonly username: string
      readonly password: string
    }
  | {
      readonly mechanism: 'OAUTHBEARER'
      /** A token that is good now. */
      readonly token: () => Promise<string>
      readonly extensions: Readonly<Record<string, string>>
    }

export interface SaslDeps {
  readonly clock: Clock
  readonly fetch: typeof fetch
}

/** The `sasl.*` keys of a Kafka client. @returns undefined after a problem. */
export function saslCredentials(keys: ClientKeys, deps: SaslDeps): SaslCredentials | undefined {
  for (const key of foreignCode) keys.refuse(key, 'names Java code, which cannot run here; remove it')
  const mechanism = keys.take('sasl.mechanism') ?? 'GSSAPI'
  const config = keys.take('sasl.jaas.config')
  if (config === undefined) {
    keys.problem('sasl.jaas.config', 'is needed with this security.protocol')
    return undefined
  }
  const options = parseJaasConfig(config)?.options
  if (!options) {
    keys.problem('sasl.jaas.config', 'must be: login module class, required, name="value" …, semicolon')
    return undefined
  }
  if (mechanism === 'OAUTHBEARER') return oauthBearer(keys, options, deps)
  if (mechanism === 'PLAIN' || mechanism === 'SCRAM-SHA-256' || mechanism === 'SCRAM-SHA-512') {
    const username = options.get('username')
    const password = options.get('password')
    if (username !== undefined && password !== undefined) return { mechanism, username, password }
    keys.problem('sasl.jaas.config', `needs username and password for ${mechanism}`)
    return undefined
  }
  keys.problem(
    'sasl.mechanism',
    `${mechanism} is not supported: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER`,
  )
  return undefined
}

const foreignCode = ['sasl.client.callback.handler.class', 'sasl.login.class']

function oauthBearer(
  keys: ClientKeys,
  options: ReadonlyMap<string, string>,
  deps: SaslDeps,
): SaslCredentials | undefined {
  const handler = keys.take('sasl.login.callback.handler.class')
  if (handler !== undefined && !/\.OAuthBearerLoginCallbackHandler$/.test(handler))
    keys.problem('sasl.login.callback.handler.class', 'names Java code, which cannot run here; remove it')
  const extensions = withPrefix(options, 'extension_')
  const endpoint = keys.take('sasl.oauthbearer.token.endpoint.url')
  if (endpoint === undefined) {
    const claims = withPrefix(options, 'unsecuredLoginStringClaim_')
    if (claims['sub'] === undefined) {
      keys.problem('sasl.oauthbearer.token.endpoint.url', 'is needed for OAUTHBEARER')
      return undefined
    }
    return { mechanism: 'OAUTHBEARER', token: async () => unsecuredToken(claims, deps.clock), extensions }
  }
  if (!URL.canParse(endpoint)) keys.problem('sasl.oauthbearer.token.endpoint.url', 'must be an absolute URL')
  // In the login module's options up to Kafka 4.0, as keys of their own from 4.1 on (KIP-1139).
  const given = (option: string, key: string) => keys.take(key) ?? options.get(option)
  const clientId = given('clientId', 'sasl.oauthbearer.client.credentials.client.id')
  const clientSecret = given('clientSecret', 'sasl.oauthbearer.client.credentials.client.secret')
  const scope = given('scope', 'sasl.oauthbearer.scope') ?? ''
  if (clientId === undefined || clientSecret === undefined) {
    keys.problem('sasl.jaas.config', 'needs clientId and clientSecret for OAUTHBEARER')
    return undefined
  }
  const timeoutMs = Number(keys.take('sasl.login.read.timeout.ms') ?? '10000')
  if (!Number.isSafeInteger(timeoutMs) || timeoutMs <= 0)
    keys.problem('sasl.login.read.timeout.ms', 'must be a whole number of ms')
  const encoding = keys.take('sasl.oauthbearer.header.urlencode') ?? 'false'
  if (encoding !== 'true' && encoding !== 'false')
    keys.problem('sasl.oauthbearer.header.urlencode', 'must be true or false')
  const urlencode = encoding === 'true'
  const token = oauthTokens({ endpoint, clientId, clientSecret, scope, urlencode, timeoutMs }, deps)
  return { mechanism: 'OAUTHBEARER', token, extensions }
}

function withPrefix(options: ReadonlyMap<string, string>, prefix: string): Record<string, string> {
  const found = [...options].filter(([name]) => name.startsWith(prefix))
  return Object.fromEntries(found.map(([name, value]) => [name.slice(prefix.length), value]))
}
