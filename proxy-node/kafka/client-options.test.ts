import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { kafkajsSasl, platformaticSecurity, readClientOptions, sameConnections } from './client-options.ts'
import { parseJaasConfig } from './jaas-config.ts'

const files: Readonly<Record<string, string>> = { '/ca.pem': 'CA', '/me.pem': 'ME', '/me.p12': 'P12' }

const deps = {
  clock: new ManualClock(),
  fetch: () => Promise.reject(new Error('no network in this test')),
  readFile: (path: string) => {
    const content = files[path]
    if (content === undefined) throw Object.assign(new Error('none'), { code: 'ENOENT' })
    return Buffer.from(content)
  },
}

const fail = () => 'not there'

const read = (entries: Record<string, string>, kind: 'producer' | 'consumer' | 'admin' = 'producer') =>
  readClientOptions(kind, new Map(Object.entries(entries)), deps)

const plain = `org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p";`

describe('layers', () => {
  test('a client’s own prefix wins over client., and others do not count', () => {
    const entries = {
      'client.client.id': 'all',
      'producer.client.id': 'mine',
      'consumer.client.id': 'other',
      'client.security.protocol': 'SSL',
      'consumer.security.protocol': 'PLAINTEXT',
    }
    expect(read(entries)).toMatchObject({ clientId: 'mine', security: { tls: {}, sasl: undefined } })
    expect(read(entries, 'consumer')).toMatchObject({ clientId: 'other', security: { tls: undefined } })
    expect(read(entries, 'admin').clientId).toBe('all')
  })

  test('clients share connections when their keys of security and name are the same, whatever prefix they come from', () => {
    const same = (entries: Record<string, string>) =>
      sameConnections(new Map(Object.entries(entries)), 'consumer', 'admin')
    expect(same({})).toBe(true)
    expect(same({ 'client.sasl.jaas.config': plain, 'client.client.id': 'all' })).toBe(true)
    expect(same({ 'producer.sasl.jaas.config': plain, 'consumer.max.poll.records': '1' })).toBe(true)
    expect(same({ 'client.sasl.mechanism': 'PLAIN', 'admin.sasl.mechanism': ' PLAIN' })).toBe(true)
    expect(same({ 'consumer.security.protocol': 'SSL', 'admin.security.protocol': 'SSL' })).toBe(true)
    for (const key of ['security.protocol', 'ssl.truststore.location', 'sasl.jaas.config', 'client.id']) {
      expect(same({ [`admin.${key}`]: 'other' }), key).toBe(false)
      expect(same({ [`client.${key}`]: 'one', [`consumer.${key}`]: 'other' }), key).toBe(false)
    }
  })

  test('nothing set: no security, nothing unused', () => {
    expect(read({})).toEqual({
      clientId: undefined,
      security: { tls: undefined, sasl: undefined },
      unused: [],
    })
  })

  test('keys without a meaning here are told, also TLS keys without a protocol that has TLS', () => {
    const { unused } = read({ 'producer.max.poll.records': '1', 'client.ssl.truststore.location': '/x.jks' })
    expect([...unused].sort()).toEqual(['client.ssl.truststore.location', 'producer.max.poll.records'])
  })

  test('what the consumers take from their own prefix or from client. is not told, elsewhere it is', () => {
    const entries = {
      'client.auto.offset.reset': 'none',
      'consumer.auto.offset.reset': 'earliest',
      'client.enable.auto.commit': 'false',
      'producer.enable.auto.commit': 'false',
    }
    expect(read(entries, 'consumer').unused).toEqual([])
    expect(read(entries, 'admin').unused).toEqual([])
    expect(read(entries, 'producer').unused).toEqual(['producer.enable.auto.commit'])
  })
})

describe('TLS', () => {
  test('PEM from files and from the settings', () => {
    const common = { 'client.security.protocol': 'SSL', 'client.ssl.truststore.type': 'PEM' }
    const fromFiles = {
      ...common,
      'client.ssl.truststore.location': '/ca.pem',
      'client.ssl.keystore.type': 'PEM',
      'client.ssl.keystore.location': '/me.pem',
      'client.ssl.key.password': 'secret',
    }
    expect(read(fromFiles).security.tls).toEqual({
      ca: Buffer.from('CA'),
      key: Buffer.from('ME'),
      cert: Buffer.from('ME'),
      passphrase: 'secret',
    })
    const inline = {
      ...common,
      'client.ssl.truststore.certificates': 'ca text',
      'client.ssl.keystore.type': 'PEM',
      'client.ssl.keystore.key': 'key text',
      'client.ssl.keystore.certificate.chain': 'chain text',
      'client.ssl.enabled.protocols': 'TLSv1.3, TLSv1.2',
    }
    expect(read(inline).security.tls).toEqual({
      ca: 'ca text',
      key: 'key text',
      cert: 'chain text',
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
    })
  })

  test('a PKCS12 key store', () => {
    const entries = {
      'client.security.protocol': 'SSL',
      'client.ssl.keystore.type': 'PKCS12',
      'client.ssl.keystore.location': '/me.p12',
      'client.ssl.keystore.password': 'pw',
    }
    expect(read(entries).security.tls).toEqual({ pfx: Buffer.from('P12'), passphrase: 'pw' })
  })

  test('the host is checked unless the algorithm is empty', () => {
    const off = { 'client.security.protocol': 'SSL', 'client.ssl.endpoint.identification.algorithm': '' }
    expect(read({ 'client.security.protocol': 'SSL' }).security.tls).not.toHaveProperty('checkServerIdentity')
    expect(Reflect.apply(read(off).security.tls?.checkServerIdentity ?? fail, undefined, [])).toBeUndefined()
  })

  test('what cannot be read is said at once, without values', () => {
    const entries = {
      'client.security.protocol': 'SSL',
      'client.ssl.truststore.location': '/x.jks',
      'client.ssl.truststore.password': 'secret',
      'producer.ssl.keystore.type': 'PEM',
      'producer.ssl.keystore.location': '/missing.pem',
      'client.ssl.enabled.protocols': 'TLSv1',
      'client.ssl.cipher.suites': 'X',
      'client.interceptor.classes': 'com.x.Y',
    }
    expect(() => read(entries)).toThrow(
      'invalid settings: client.interceptor.classes: names Java code, which cannot run here; remove it; ' +
        'client.ssl.cipher.suites: is not supported; remove it; ' +
        'ssl.truststore.type: JKS stores cannot be read: convert it to PEM and set the type to PEM; ' +
        'producer.ssl.keystore.location: /missing.pem cannot be read (ENOENT); ' +
        'client.ssl.enabled.protocols: TLSv1 is none of TLSv1.2, TLSv1.3',
    )
  })
})

describe('SASL', () => {
  const sasl = (mechanism: string, config: string, more: Record<string, string> = {}) => ({
    'client.security.protocol': 'SASL_PLAINTEXT',
    'client.sasl.mechanism': mechanism,
    'client.sasl.jaas.config': config,
    ...more,
  })

  test.each(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)('%s for both drivers', mechanism => {
    const { security } = read(sasl(mechanism, plain))
    const credentials = { mechanism, username: 'u', password: 'p' }
    expect(platformaticSecurity(security)).toEqual({ sasl: credentials })
    expect(kafkajsSasl(security)?.()).toEqual({ ...credentials, mechanism: mechanism.toLowerCase() })
    expect(kafkajsSasl(security)?.()).not.toBe(kafkajsSasl(security)?.())
  })

  test('SASL_SSL has both', () => {
    const { security } = read({ ...sasl('PLAIN', plain), 'client.security.protocol': 'SASL_SSL' })
    expect(platformaticSecurity(security)).toMatchObject({ tls: {}, tlsServerName: true, sasl: {} })
  })

  test('an unsecured token with the claims of the login module', async () => {
    const module = 'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule'
    const { security } = read(
      sasl('OAUTHBEARER', `${module} required unsecuredLoginStringClaim_sub="me" extension_x="1";`),
    )
    if (security.sasl?.mechanism !== 'OAUTHBEARER') throw new Error('no OAUTHBEARER')
    const [header, claims] = (await security.sasl.token())
      .split('.')
      .slice(0, 2)
      .map(part => JSON.parse(`${Buffer.from(part, 'base64url')}`))
    expect(header).toEqual({ alg: 'none' })
    expect(claims).toEqual({ sub: 'me', iat: 1, exp: 3601 })
    expect(security.sasl.extensions).toEqual({ x: '1' })
  })

  test.each([
    ['GSSAPI', plain, 'client.sasl.mechanism: GSSAPI is not supported'],
    ['PLAIN', 'PlainLoginModule username="u"', 'client.sasl.jaas.config: must be'],
    [
      'PLAIN',
      'PlainLoginModule required username="u";',
      'client.sasl.jaas.config: needs username and password',
    ],
    ['OAUTHBEARER', 'M required;', 'sasl.oauthbearer.token.endpoint.url: is needed'],
  ])('%s %s is refused', (mechanism, config, text) => {
    expect(() => read(sasl(mechanism, config))).toThrow(text)
  })
})

test('JAAS: quotes, escapes, bare values', () => {
  const parsed = parseJaasConfig(` a.b.Module required\n a="x \\"y\\" ; z"  b='q' c=bare.1 d="" ;\n`)
  expect(parsed?.loginModule).toBe('a.b.Module')
  expect([...(parsed?.options ?? [])]).toEqual([
    ['a', 'x "y" ; z'],
    ['b', 'q'],
    ['c', 'bare.1'],
    ['d', ''],
  ])
  expect(parseJaasConfig('a.b.Module required a="x')).toBeUndefined()
  expect(parseJaasConfig('a.b.Module required a="x"; more')).toBeUndefined()
})
