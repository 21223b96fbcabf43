import { readFileSync, writeFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../../infra/local/free-port.ts'
import type { LocalTier } from '../../infra/local/tier.ts'
import { json, v2 } from '../support/consumer-client.ts'
import { newDeployment, startGateway, startNode } from '../support/processes.ts'
import { newTestDir, uniqueName } from '../support/services.ts'
import { makeCertificate, type TestCertificate } from '../support/tls-certificate.ts'
import { until } from '../support/until.ts'

const first = makeCertificate('127.0.0.1')
const second = makeCertificate('127.0.0.1')
const store = join(newTestDir('tls'), 'gateway.pem')
let gateway: LocalTier
let node: LocalTier
let url: URL

function install({ certificate, key }: TestCertificate): void {
  writeFileSync(store, readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'))
}

beforeAll(async () => {
  install(first)
  const deployment = newDeployment()
  url = new URL(`https://127.0.0.1:${await freePort()}`)
  node = await startNode(deployment, 'node-1')
  gateway = await startGateway(deployment, '', {
    listeners: url.origin,
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': store,
    'ssl.keystore.reload.interval.ms': 100,
    'access.control.allow.origin': 'https://app.example',
    'access.control.allow.methods': 'GET,POST,DELETE',
    'access.control.allow.headers': 'content-type,accept',
    'access.control.expose.headers': 'x-request-id',
  })
})

afterAll(async () => {
  await gateway?.stop()
  await node?.stop()
})

interface Asked {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Whose certificate the gateway must show. */
  readonly trusted?: TestCertificate
  readonly agent?: Agent
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly bytes: Buffer
}

function ask(
  method: string,
  path: string,
  { headers = {}, body, trusted = first, agent }: Asked = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const ca = readFileSync(trusted.certificate)
    const options = { host: url.hostname, port: url.port, path, method, headers, ca, agent: agent ?? false }
    const outgoing = request(options, incoming => {
      const parts: Buffer[] = []
      incoming.on('data', (part: Buffer) => parts.push(part))
      incoming.once('end', () =>
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          bytes: Buffer.concat(parts),
        }),
      )
    })
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}

const app = { origin: 'https://app.example' }
const parsed = ({ bytes }: Answer): unknown => JSON.parse(bytes.toString())

test('clients talk TLS to the gateway, from pages of an allowed origin too, and base_uri is https', async () => {
  const topic = uniqueName('t')
  const produced = await ask('POST', `/topics/${topic}`, {
    headers: { 'content-type': json, ...app },
    body: '{"records":[{"value":{"a":1}}]}',
  })
  expect([produced.status, produced.headers['access-control-allow-origin']]).toEqual([200, app.origin])
  expect(produced.headers['access-control-expose-headers']).toBe('x-request-id')
  expect(parsed(produced)).toMatchObject({
    offsets: [{ partition: 0, offset: 0, error_code: null, error: null }],
  })
  const created = await ask('POST', `/consumers/${uniqueName('g')}`, {
    headers: { 'content-type': v2, ...app },
    body: '{"name":"c","format":"json"}',
  })
  expect((parsed(created) as { base_uri: string }).base_uri).toMatch(
    new RegExp(`^${url.origin}/consumers/g-[0-9a-f]+/instances/c$`),
  )
})

test('a page is told beforehand what it may do, and pages of other origins nothing', async () => {
  const preflight = (origin: string, method: string) =>
    ask('OPTIONS', '/consumers/g/instances/i', {
      headers: {
        origin,
        'access-control-request-method': method,
        'access-control-request-headers': 'content-type',
      },
    })
  const allowed = await preflight(app.origin, 'DELETE')
  expect([allowed.status, allowed.bytes.length]).toEqual([200, 0])
  expect(allowed.headers).toMatchObject({ 'access-control-allow-origin': app.origin })
  expect(allowed.headers['access-control-allow-methods']).toContain('DELETE')
  expect(allowed.headers['access-control-allow-headers']?.toLowerCase()).toContain('content-type')
  for (const [origin, method] of [
    ['https://evil.example', 'DELETE'],
    ['https://app.example.evil', 'POST'],
    ['null', 'GET'],
    [app.origin, 'PUT'],
  ] as const) {
    const { headers } = await preflight(origin, method)
    const permits = headers['access-control-allow-methods'] ?? ''
    expect(headers['access-control-allow-origin'] === origin && permits.includes(method), origin).toBe(false)
  }
  const asked = await ask('GET', '/topics', { headers: { origin: 'https://evil.example' } })
  expect([asked.status, asked.headers['access-control-allow-origin']]).toEqual([200, undefined])
})

test('a read is compressed by the node and passes the gateway as it is, for clients that accept gzip', async () => {
  const topic = uniqueName('t')
  const base = `/consumers/${uniqueName('g')}/instances/c`
  const value = 'compressible '.repeat(2000)
  const post = (path: string, type: string, body: object) =>
    ask('POST', path, { headers: { 'content-type': type }, body: JSON.stringify(body) })
  expect((await post(`/topics/${topic}`, json, { records: [{ value }] })).status).toBe(200)
  await post(base.replace('/instances/c', ''), v2, { name: 'c', format: 'json', 'fetch.min.bytes': 1 })
  await post(`${base}/assignments`, v2, { partitions: [{ topic, partition: 0 }] })
  for (const encoding of ['gzip, deflate', 'identity']) {
    await post(`${base}/positions/beginning`, v2, { partitions: [{ topic, partition: 0 }] })
    const headers = { accept: json, 'accept-encoding': encoding }
    const read = await until('the record', async () => {
      const answer = await ask('GET', `${base}/records?timeout=2000`, { headers })
      return answer.bytes.length > 50 ? answer : undefined
    })
    const isZipped = read.headers['content-encoding'] === 'gzip'
    expect(isZipped).toBe(encoding !== 'identity')
    if (isZipped) expect(read.bytes.length).toBeLessThan(value.length / 10)
    const text = (isZipped ? gunzipSync(read.bytes) : read.bytes).toString()
    expect(JSON.parse(text)).toMatchObject([{ topic, value }])
  }
})

test('a changed certificate is taken over without a restart, and open connections go on', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  expect((await ask('GET', '/', { agent })).status).toBe(200)
  install(second)
  await until('the new certificate', async () => (await ask('GET', '/', { trusted: second })).status === 200)
  await expect(ask('GET', '/')).rejects.toThrow(/certificate/)
  expect((await ask('GET', '/', { agent })).status).toBe(200)
  // What cannot be used is told, and the certificate stays.
  writeFileSync(store, 'no certificate')
  await until('the log to say so', () =>
    gateway
      .log()
      .some(({ level, msg }) => level === 'error' && /certificate cannot be used/.test(String(msg))),
  )
  expect((await ask('GET', '/', { trusted: second })).status).toBe(200)
  agent.destroy()
})
