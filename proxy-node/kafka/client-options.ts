import type { ConnectionOptions } from 'node:tls'
import type { SASLOptions } from 'kafkajs'
import { SettingsError } from '../../shared/settings/load.ts'
import { passedConsumerSettings } from '../passed-settings.ts'
import type { ConnectionSettings } from './broker-connections.ts'
import { ClientKeys } from './client-keys.ts'
import { type SaslCredentials, type SaslDeps, saslCredentials } from './client-sasl.ts'
import { tlsOptions } from './client-tls.ts'

/** The node's Kafka clients, each with a prefix of its own for the operator's keys. */
export type ClientKind = 'producer' | 'consumer' | 'admin'

/** What the operator's pass-through keys say about one Kafka client (contract v2 §5.2). */
export interface ClientOptions {
  /** `client.id` */
  readonly clientId: string | undefined
  readonly security: ClientSecurity
  /** Keys that were set and do nothing here, to be said in the log. */
  readonly unused: readonly string[]
}

export interface ClientSecurity {
  readonly tls: ConnectionOptions | undefined
  readonly sasl: SaslCredentials | undefined
}

interface Deps extends SaslDeps {
  /** @throws the system's error */
  readonly readFile: (path: string) => Buffer
}

/**
 * Reads the keys of one Kafka client: `client.` and the client's own prefix, of which the latter wins. TLS, SASL and the
 * client id count; Kafka's other keys have settings of their own here, or no meaning.
 * @param passThrough the operator's keys with their prefixes.
 * @throws SettingsError that lists what cannot be supported, such as JKS stores or Kerberos.
 */
export function readClientOptions(
  kind: ClientKind,
  passThrough: ReadonlyMap<string, string>,
  deps: Deps,
): ClientOptions {
  const values = layered(passThrough, ['client.', `${kind}.`])
  const keys = new ClientKeys(values, deps.readFile)
  // The settings of the consumers read these. With `client.` in front every client sees them, and one of them uses them.
  for (const { key } of passedConsumerSettings) {
    const name = key.slice('consumer.'.length)
    if (kind === 'consumer' || values.get(name)?.key.startsWith('client.')) keys.take(name)
  }
  for (const key of javaCode) keys.refuse(key, 'names Java code, which cannot run here; remove it')
  const clientId = keys.take('client.id')
  const protocol = keys.take('security.protocol')?.toUpperCase() ?? 'PLAINTEXT'
  if (!/^(PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)$/.test(protocol))
    keys.problem('security.protocol', 'must be PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL')
  // Like Java's clients: without the protocol, the keys of TLS and SASL do nothing.
  const tls = protocol.endsWith('SSL') ? tlsOptions(keys) : undefined
  const sasl = protocol.startsWith('SASL_') ? saslCredentials(keys, deps) : undefined
  if (keys.problems.length > 0) throw new SettingsError(keys.problems)
  return { clientId, security: { tls, sasl }, unused: keys.unused }
}

/**
 * Whether two clients would open the same connections, with the same rights behind them: then they can share them, and
 * what they know of the cluster.
 */
export function sameConnections(
  passThrough: ReadonlyMap<string, string>,
  one: ClientKind,
  other: ClientKind,
): boolean {
  const of = (kind: ClientKind) =>
    [...layered(passThrough, ['client.', `${kind}.`])]
      .filter(([name]) => /^(client\.id|security\.protocol|ssl\.|sasl\.)/.test(name))
      .map(([name, { value }]) => `${name}=${value.trim()}`)
      .sort()
  const [mine, theirs] = [of(one), of(other)]
  return mine.length === theirs.length && mine.every((entry, index) => entry === theirs[index])
}

/** Plug-ins of the Java client that would see or change records. */
const javaCode = ['interceptor.classes', 'partitioner.class']

function layered(passThrough: ReadonlyMap<string, string>, prefixes: readonly string[]) {
  const values = new Map<string, { readonly key: string; readonly value: string }>()
  for (const prefix of prefixes) {
    for (const [key, value] of passThrough) {
      if (key.startsWith(prefix)) values.set(key.slice(prefix.length), { key, value })
    }
  }
  return values
}

/** The security of a client as @platformatic/kafka takes it. */
export function platformaticSecurity({ tls, sasl }: ClientSecurity): ConnectionSettings['security'] {
  return {
    ...(tls ? { tls, tlsServerName: true } : {}),
    ...(sasl ? { sasl: platformaticSasl(sasl) } : {}),
  }
}

function platformaticSasl(sasl: SaslCredentials): NonNullable<ConnectionSettings['security']['sasl']> {
  if (sasl.mechanism !== 'OAUTHBEARER') return { ...sasl }
  const { mechanism, token, extensions } = sasl
  return { mechanism, token, oauthBearerExtensions: { ...extensions } }
}

/** The SASL options of kafkajs, made anew for each connection, since it keeps state in them. */
export function kafkajsSasl({ sasl }: ClientSecurity): (() => SASLOptions) | undefined {
  if (!sasl) return undefined
  if (sasl.mechanism === 'OAUTHBEARER') {
    const { token, extensions } = sasl
    const oauthBearerProvider = async () => ({ value: await token(), extensions })
    return () => ({ mechanism: 'oauthbearer', oauthBearerProvider })
  }
  const { username, password } = sasl
  switch (sasl.mechanism) {
    case 'PLAIN':
      return () => ({ mechanism: 'plain', username, password })
    case 'SCRAM-SHA-256':
      return () => ({ mechanism: 'scram-sha-256', username, password })
    case 'SCRAM-SHA-512':
      return () => ({ mechanism: 'scram-sha-512', username, password })
  }
}
