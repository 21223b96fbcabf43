import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSchemas, type SchemaSettings } from '../../proxy-node/open-schemas.ts'
import { schemaSettings } from '../../proxy-node/schema-settings.ts'
import { systemClock } from '../../shared/clock.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { loadSettings } from '../../shared/settings/load.ts'
import { noObserver } from '../support/schema-registry-options.ts'
import { makeCertificate, type TestCertificate } from '../support/tls-certificate.ts'

/** TLS and credentials towards the registry, from the settings to the socket. */

let server: Server
let url: string
let own: TestCertificate
let client: TestCertificate
const seen: { authorization: string | undefined; peer: string | undefined }[] = []

beforeAll(async () => {
  own = makeCertificate('127.0.0.1')
  client = makeCertificate('the-proxy')
  const options = {
    cert: readFileSync(own.certificate),
    key: readFileSync(own.key),
    ca: readFileSync(client.certificate),
    requestCert: true,
    rejectUnauthorized: false,
  }
  server = createServer(options, (request, response) => {
    const peer = (request.socket as TLSSocket).getPeerCertificate()
    seen.push({ authorization: request.headers.authorization, peer: peer.subject?.CN?.toString() })
    response.end('{"schema":"\\"int\\""}')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(() => {
  server.closeAllConnections()
  server.close()
})

/** Loads one schema with these settings; what the server saw. */
async function connect(settings: Record<string, string>) {
  const file = new Map(
    Object.entries({ 'schema.registry.url': url, 'schema.registry.max.retries': '0', ...settings }),
  )
  const loaded: SchemaSettings = loadSettings(schemaSettings, file, {}).settings
  const opened = openSchemas(loaded, [], { clock: systemClock, log: silentLogger, observer: noObserver })
  try {
    await opened.schemas.load(1)
    return seen.at(-1)
  } finally {
    await opened.stop()
  }
}

const trust = () => ({ 'schema.registry.ssl.truststore.location': own.certificate })
const unavailable = expect.objectContaining({ status: 500, errorCode: 50003 })

describe('TLS', () => {
  test('a certificate that is not trusted is refused', async () => {
    await expect(connect({})).rejects.toEqual(unavailable)
  })

  test('one that is trusted is accepted', async () => {
    expect(await connect(trust())).toEqual({ authorization: undefined, peer: undefined })
  })

  test('it must name the host, unless the check is off', async () => {
    const named = { ...trust(), 'schema.registry.url': url.replace('127.0.0.1', 'localhost') }
    await expect(connect(named)).rejects.toEqual(unavailable)
    const off = { ...named, 'schema.registry.ssl.endpoint.identification.algorithm': '' }
    expect(await connect(off)).toBeDefined()
  })

  test('the client shows its own certificate', async () => {
    const keyStore = `${client.certificate}.both`
    writeFileSync(keyStore, readFileSync(client.certificate, 'utf8') + readFileSync(client.key, 'utf8'))
    const answer = await connect({ ...trust(), 'schema.registry.ssl.keystore.location': keyStore })
    expect(answer?.peer).toBe('the-proxy')
  })
})

describe('credentials', () => {
  const basic = `Basic ${Buffer.from('me:secret').toString('base64')}`

  test('basic, of the settings', async () => {
    const settings = {
      'schema.registry.basic.auth.credentials.source': 'USER_INFO',
      'schema.registry.basic.auth.user.info': 'me:secret',
    }
    expect((await connect({ ...trust(), ...settings }))?.authorization).toBe(basic)
  })

  test('basic, of the URL', async () => {
    const withUser = { 'schema.registry.url': url.replace('//', '//me:secret@') }
    expect((await connect({ ...trust(), ...withUser }))?.authorization).toBe(basic)
  })

  test('bearer', async () => {
    const settings = { 'schema.registry.bearer.auth.token': 'abc' }
    expect((await connect({ ...trust(), ...settings }))?.authorization).toBe('Bearer abc')
  })
})
