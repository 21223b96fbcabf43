import type { ConnectionOptions } from 'node:tls'
import type { ClientKeys } from './client-keys.ts'

/**
 * The `ssl.*` keys of a Kafka client as options of Node's TLS. Stores must be PEM (a PKCS12 file will do for the
 * client's own key); Java's own store format cannot be read here.
 */
export function tlsOptions(keys: ClientKeys): ConnectionOptions {
  for (const key of refused) keys.refuse(key, 'is not supported; remove it')
  for (const key of ignored) keys.take(key)
  return { ...trust(keys), ...identity(keys), ...versions(keys), ...hostCheck(keys) }
}

/** Would change what a connection may do, in ways that Node has no like of. */
const refused = ['ssl.engine.factory.class', 'ssl.cipher.suites']

/** How Java looks for its implementation: there is only one here. */
const ignored = [
  'ssl.protocol',
  'ssl.provider',
  'ssl.keymanager.algorithm',
  'ssl.trustmanager.algorithm',
  'ssl.secure.random.implementation',
]

function trust(keys: ClientKeys): ConnectionOptions {
  const type = keys.take('ssl.truststore.type')?.toUpperCase() ?? 'JKS'
  const inline = keys.take('ssl.truststore.certificates')
  const location = keys.take('ssl.truststore.location')
  keys.take('ssl.truststore.password')
  if (inline === undefined && location === undefined) return {}
  if (type !== 'PEM') {
    keys.problem(
      'ssl.truststore.type',
      `${type} stores cannot be read: convert it to PEM and set the type to PEM`,
    )
    return {}
  }
  return { ca: inline ?? keys.readFile('ssl.truststore.location', location ?? '') }
}

function identity(keys: ClientKeys): ConnectionOptions {
  const type = keys.take('ssl.keystore.type')?.toUpperCase() ?? 'JKS'
  const key = keys.take('ssl.keystore.key')
  const chain = keys.take('ssl.keystore.certificate.chain')
  const location = keys.take('ssl.keystore.location')
  const storePassword = keys.take('ssl.keystore.password')
  const passphrase = keys.take('ssl.key.password') ?? storePassword
  if (key === undefined && location === undefined) return {}
  const secret = passphrase === undefined ? {} : { passphrase }
  if (type === 'PKCS12' && location !== undefined)
    return { pfx: keys.readFile('ssl.keystore.location', location), ...secret }
  if (type !== 'PEM') {
    keys.problem(
      'ssl.keystore.type',
      `${type} stores cannot be read: convert it to PEM and set the type to PEM`,
    )
    return {}
  }
  if (location !== undefined) {
    const file = keys.readFile('ssl.keystore.location', location)
    return { key: file, cert: file, ...secret }
  }
  if (chain === undefined) {
    keys.problem('ssl.keystore.certificate.chain', 'is needed with ssl.keystore.key')
    return {}
  }
  return { key, cert: chain, ...secret }
}

function versions(keys: ClientKeys): ConnectionOptions {
  const names =
    keys
      .take('ssl.enabled.protocols')
      ?.split(',')
      .map(name => name.trim()) ?? []
  const known = knownVersions.filter(version => names.includes(version))
  const unknown = names.find(name => !knownVersions.some(version => version === name))
  if (unknown !== undefined)
    keys.problem('ssl.enabled.protocols', `${unknown} is none of ${knownVersions.join(', ')}`)
  const [minVersion] = known
  const maxVersion = known.at(-1)
  return minVersion && maxVersion ? { minVersion, maxVersion } : {}
}

const knownVersions = ['TLSv1.2', 'TLSv1.3'] as const

/** Brokers must have a certificate for the name that they are reached at, unless the algorithm is set to nothing. */
function hostCheck(keys: ClientKeys): ConnectionOptions {
  const algorithm = keys.take('ssl.endpoint.identification.algorithm')?.toLowerCase() ?? 'https'
  if (algorithm === '') return { checkServerIdentity: () => undefined }
  if (algorithm !== 'https') keys.problem('ssl.endpoint.identification.algorithm', 'must be https or empty')
  return {}
}
