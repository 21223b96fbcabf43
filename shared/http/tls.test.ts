import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { answersIn, echoLength, exchange, openListener } from '../../test/support/http-listener.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { RawConnection } from '../../test/support/raw-connection.ts'
import { makeCertificate } from '../../test/support/tls-certificate.ts'
import { until } from '../../test/support/until.ts'
import { systemClock } from '../clock.ts'
import { type Logger, silentLogger } from '../observability/logger.ts'
import { loadSettings, SettingsError } from '../settings/load.ts'
import { tlsSettings } from '../settings/tls-settings.ts'
import type { ListenOptions } from './listen.ts'
import { openListenerTls } from './tls.ts'

const dir = mkdtempSync(join(tmpdir(), 'kafka-rest-listener-'))
const inDir = (name: string) => join(dir, name)
const first = makeCertificate('127.0.0.1')
const second = makeCertificate('127.0.0.1')
const client = makeCertificate('client')
const stranger = makeCertificate('stranger')
const together = inDir('together.pem')
writeFileSync(together, Buffer.concat([readFileSync(first.certificate), readFileSync(first.key)]))
const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' })

const close = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

function openTls(file: Record<string, string>, log: Logger = silentLogger) {
  const defaults = { 'ssl.keystore.type': 'PEM', 'ssl.truststore.type': 'PEM' }
  const entries = new Map(Object.entries({ ...defaults, ...file }))
  return openListenerTls(loadSettings(tlsSettings, entries, {}).settings, { clock: systemClock, log })
}

function openHttps(file: Record<string, string>, options: Partial<ListenOptions> = {}, log?: Logger) {
  return openListener(echoLength, { url: 'https://127.0.0.1:0', tls: openTls(file, log), ...options })
}

interface Dial {
  readonly ca: string
  readonly cert?: string
  readonly key?: string
}

/** Connects and checks the server's certificate against one file. Rejects when the handshake fails. */
function dial(url: string, { ca, cert, key }: Dial): Promise<TLSSocket> {
  const { port } = new URL(url)
  return new Promise((resolve, reject) => {
    const files = {
      ca: readFileSync(ca),
      ...(cert && key ? { cert: readFileSync(cert), key: readFileSync(key) } : {}),
    }
    const socket = connectTls({ host: '127.0.0.1', port: Number(port), ...files }, () => resolve(socket))
    socket.once('error', reject)
    onTestFinished(() => void socket.destroy())
  })
}

/** Sends bytes and waits for the end; rejects when the connection fails. */
async function ask(url: string, how: Dial, bytes = close): Promise<string> {
  const socket = await dial(url, how)
  return new Promise((resolve, reject) => {
    let received = ''
    socket.setEncoding('latin1').on('data', text => {
      received += text
    })
    socket.once('error', reject)
    socket.once('close', () => resolve(received))
    socket.write(bytes)
  })
}

const statusOf = (received: string) => answersIn(received)[0]?.status

describe('an https listener', () => {
  test('chain and key in one PEM file; the url says https', async () => {
    const listener = await openHttps({ 'ssl.keystore.location': together })
    expect(listener.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/)
    expect(statusOf(await ask(listener.url, { ca: first.certificate }))).toBe(200)
  })

  test('key in a file of its own, encrypted; PKCS12', async () => {
    const encrypted = inDir('encrypted.pem')
    openssl('pkcs8', '-topk8', '-in', first.key, '-out', encrypted, '-passout', 'pass:secret')
    const pem = { 'ssl.keystore.location': first.certificate, 'ssl.key.location': encrypted }
    const listener = await openHttps({ ...pem, 'ssl.key.password': 'secret' })
    expect(statusOf(await ask(listener.url, { ca: first.certificate }))).toBe(200)
    expect(() => openTls({ ...pem, 'ssl.key.password': 'wrong' })).toThrow(SettingsError)

    const store = inDir('store.p12')
    const files = ['-in', first.certificate, '-inkey', first.key]
    openssl('pkcs12', '-export', ...files, '-out', store, '-passout', 'pass:secret')
    const pkcs12 = { 'ssl.keystore.location': store, 'ssl.keystore.type': 'PKCS12' }
    const other = await openHttps({ ...pkcs12, 'ssl.keystore.password': 'secret' })
    expect(statusOf(await ask(other.url, { ca: first.certificate }))).toBe(200)
    expect(() => openTls({ ...pkcs12, 'ssl.keystore.password': 'wrong' })).toThrow(SettingsError)
  })

  test('the rules of heads, lengths and ends hold behind TLS, too', async () => {
    const listener = await openHttps({ 'ssl.keystore.location': together }, { headTimeoutMs: 300 })
    const how = { ca: first.certificate }
    expect(statusOf(await ask(listener.url, how, 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n'))).toBe(400)
    expect(statusOf(await ask(listener.url, how, 'nonsense\r\n\r\n'))).toBe(400)
    expect(statusOf(await ask(listener.url, how, 'GET / HTTP/1.1\r\nHos'))).toBe(408)
    expect(await ask(listener.url, how, '')).toBe('')
  })

  test('bytes that are no TLS, and handshakes that stand still, are closed without a word', async () => {
    const listener = await openHttps({ 'ssl.keystore.location': together }, { headTimeoutMs: 200 })
    const { port } = new URL(listener.url)
    expect(await exchange(`http://127.0.0.1:${port}`, close)).not.toContain('HTTP/1.1 2')
    expect(await exchange(`http://127.0.0.1:${port}`, '')).toBe('')
    expect(statusOf(await ask(listener.url, { ca: first.certificate }))).toBe(200)
  })

  test('stop closes idle connections at once, and those in their handshake', async () => {
    // A clock that stands still: nothing here waits for a deadline.
    const listener = await openHttps({ 'ssl.keystore.location': together }, { clock: new ManualClock() })
    const ends: Promise<unknown>[] = []
    for (const bytes of ['', close.replace('close', 'keep-alive')]) {
      const socket = await dial(listener.url, { ca: first.certificate })
      ends.push(new Promise(resolve => socket.once('close', resolve)))
      if (bytes === '') continue
      socket.write(bytes)
      await new Promise(resolve => socket.once('data', resolve))
    }
    const greeting = await RawConnection.open(`http://127.0.0.1:${new URL(listener.url).port}`)
    await until('two to be open', () => listener.connections === 2)
    await listener.stop(60_000)
    await Promise.all([...ends, greeting.ended()])
  })
})

describe('certificates of clients', () => {
  const store = { 'ssl.keystore.location': together, 'ssl.truststore.location': client.certificate }
  const ca = first.certificate
  const known = { ca, cert: client.certificate, key: client.key }
  const unknown = { ca, cert: stranger.certificate, key: stranger.key }

  test('REQUIRED: only those that the trusted authorities signed', async () => {
    const listener = await openHttps({ ...store, 'ssl.client.authentication': 'REQUIRED' })
    expect(statusOf(await ask(listener.url, known))).toBe(200)
    // With TLS 1.3 a client learns only after its handshake that it is not wanted.
    expect(await ask(listener.url, unknown).catch(() => '')).toBe('')
    expect(await ask(listener.url, { ca }).catch(() => '')).toBe('')
  })

  test('REQUESTED: none is good, a bad one is not', async () => {
    const listener = await openHttps({ ...store, 'ssl.client.authentication': 'REQUESTED' })
    expect(statusOf(await ask(listener.url, known))).toBe(200)
    expect(statusOf(await ask(listener.url, { ca }))).toBe(200)
    expect(await ask(listener.url, unknown).catch(() => '')).toBe('')
  })

  test('NONE: nobody is asked', async () => {
    const listener = await openHttps({ 'ssl.keystore.location': together })
    expect(statusOf(await ask(listener.url, unknown))).toBe(200)
  })
})

describe('reload', () => {
  const reloading = { 'ssl.keystore.reload.interval.ms': '20' }

  test('new connections get the new certificate, open ones go on', async () => {
    const files = { certificate: inDir('reload-certificate.pem'), key: inDir('reload-key.pem') }
    copyFileSync(first.certificate, files.certificate)
    copyFileSync(first.key, files.key)
    const location = { 'ssl.keystore.location': files.certificate, 'ssl.key.location': files.key }
    const listener = await openHttps({ ...location, ...reloading })
    const kept = await dial(listener.url, { ca: first.certificate })
    copyFileSync(second.certificate, files.certificate)
    copyFileSync(second.key, files.key)
    await until(
      'the new certificate',
      async () => statusOf(await ask(listener.url, { ca: second.certificate })) === 200,
    )
    await expect(ask(listener.url, { ca: first.certificate })).rejects.toThrow()
    const received = new Promise<string>(resolve => kept.setEncoding('latin1').once('data', resolve))
    kept.write(close)
    expect(await received).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('a change that cannot be used is logged once, and the former certificate stays', async () => {
    const file = inDir('broken.pem')
    copyFileSync(together, file)
    const errors: unknown[] = []
    const log: Logger = {
      ...silentLogger,
      info: () => {},
      error: (fields: unknown) => void errors.push(fields),
      child: () => log,
    }
    const listener = await openHttps({ 'ssl.keystore.location': file, ...reloading }, {}, log)
    // The looks begin with the files as they are.
    await new Promise(resolve => setTimeout(resolve, 100))
    writeFileSync(file, '-----BEGIN CERTIFICATE-----\nhalf of it')
    await until('the failure to be logged', () => errors.length > 0)
    expect(statusOf(await ask(listener.url, { ca: first.certificate }))).toBe(200)
    await new Promise(resolve => setTimeout(resolve, 100))
    expect(errors).toHaveLength(1)
    writeFileSync(file, Buffer.concat([readFileSync(second.certificate), readFileSync(second.key)]))
    await until(
      'the new certificate',
      async () => statusOf(await ask(listener.url, { ca: second.certificate })) === 200,
    )
  })
})

describe('settings that cannot be', () => {
  const usable = { 'ssl.keystore.location': together }
  const strangerKey = { 'ssl.keystore.location': first.certificate, 'ssl.key.location': second.key }
  test.each<[string, Record<string, string>, RegExp]>([
    ['no keystore', {}, /ssl\.keystore\.location needs to be configured/],
    [
      'JKS',
      { ...usable, 'ssl.keystore.type': 'JKS' },
      /ssl\.keystore\.type=JKS: Java keystores cannot be read; convert/,
    ],
    [
      'a JKS truststore',
      { ...usable, 'ssl.truststore.location': together, 'ssl.truststore.type': 'JKS' },
      /ssl\.truststore\.type=JKS/,
    ],
    [
      'no truststore',
      { ...usable, 'ssl.client.authentication': 'REQUIRED' },
      /ssl\.truststore\.location needs/,
    ],
    [
      'a missing file',
      { 'ssl.keystore.location': '/nowhere.pem' },
      /ssl\.keystore\.location=\/nowhere\.pem: ENOENT/,
    ],
    ['no certificate in it', { 'ssl.keystore.location': first.key }, /ssl\.keystore\.location=/],
    ['no key in it', { 'ssl.keystore.location': first.certificate }, /ssl\.keystore\.location=/],
    ['a key that does not fit', strangerKey, /ssl\.keystore\.location=.*(mismatch|match)/i],
    [
      'no authorities in it',
      { ...usable, 'ssl.truststore.location': first.key },
      /ssl\.truststore\.location=/,
    ],
    [
      'an old protocol',
      { ...usable, 'ssl.enabled.protocols': 'TLSv1.1,TLSv1.2' },
      /ssl\.enabled\.protocols=TLSv1\.1/,
    ],
    ['no protocol', { ...usable, 'ssl.enabled.protocols': '' }, /ssl\.enabled\.protocols: must be/],
    ['an unknown cipher', { ...usable, 'ssl.cipher.suites': 'NONSENSE' }, /ssl\.cipher\.suites=NONSENSE/],
  ])('%s', (_, file, problem) => {
    expect(() => openTls(file)).toThrow(SettingsError)
    expect(() => openTls(file)).toThrow(problem)
  })

  test('https without a certificate, a certificate without https', async () => {
    await expect(openListener(echoLength, { url: 'https://127.0.0.1:0' })).rejects.toThrow(
      /needs a certificate/,
    )
    await expect(openListener(echoLength, { tls: openTls(usable) })).rejects.toThrow(/no other takes one/)
  })

  test('the versions and ciphers that are configured are the ones that are spoken', async () => {
    const file = {
      ...usable,
      'ssl.enabled.protocols': 'TLSv1.2',
      'ssl.cipher.suites': 'ECDHE-RSA-AES256-GCM-SHA384',
    }
    const listener = await openHttps(file)
    const socket = await dial(listener.url, { ca: first.certificate })
    expect([socket.getProtocol(), socket.getCipher().name]).toEqual([
      'TLSv1.2',
      'ECDHE-RSA-AES256-GCM-SHA384',
    ])
  })

  test('the end of the certificate is known', () => {
    const tls = openTls(usable)
    onTestFinished(() => tls.stop())
    expect((tls.expiresAt ?? 0) - Date.now()).toBeLessThan(25 * 3600 * 1000)
    expect((tls.expiresAt ?? 0) - Date.now()).toBeGreaterThan(0)
  })
})
