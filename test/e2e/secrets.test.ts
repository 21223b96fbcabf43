import { execFileSync } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gatewaySettings } from '../../gateway/settings.ts'
import { freePort } from '../../infra/local/free-port.ts'
import type { LocalRedis } from '../../infra/local/redis.ts'
import type { LocalTier, TierSettings } from '../../infra/local/tier.ts'
import { proxyNodeSettings } from '../../proxy-node/settings.ts'
import { http } from '../support/http-client.ts'
import {
  type Deployment,
  launchGateway,
  launchNode,
  newDeployment,
  startGateway,
  startNode,
} from '../support/processes.ts'
import { SecuredKafka } from '../support/secured-kafka.ts'
import { newTestDir, startPrivateRedis } from '../support/services.ts'
import { makeCertificate } from '../support/tls-certificate.ts'
import { until } from '../support/until.ts'

/**
 * Nothing of a secret is ever logged, at the most talkative level, whether the secret is good, refused by whom it is for,
 * or no value at all. Every secret here has the same word in it.
 */

const word = 'hush'
const secret = (what: string) => `${word}-${what}`
const dir = newTestDir('secrets')
const certificate = makeCertificate('127.0.0.1')
const encryptedKey = join(dir, 'encrypted.pem')
const tiers: LocalTier[] = []
let kafka: SecuredKafka
let redis: LocalRedis
let registry: Server
let deployment: Deployment

beforeAll(async () => {
  const encrypt = ['-topk8', '-v2', 'aes256', '-in', certificate.key, '-out', encryptedKey]
  execFileSync('openssl', ['pkcs8', ...encrypt, '-passout', `pass:${secret('key')}`], { stdio: 'ignore' })
  registry = createServer((_, outgoing) => {
    outgoing.writeHead(401, { 'Content-Type': 'application/json' })
    outgoing.end('{"error_code":40101,"message":"no"}')
  })
  await new Promise<void>(resolve => registry.listen(0, '127.0.0.1', resolve))
  ;[kafka, redis] = await Promise.all([
    SecuredKafka.start(),
    startPrivateRedis({ password: secret('redis') }),
  ])
  deployment = { ...newDeployment({ redisUrl: redis.url }), token: secret(`token-${'0'.repeat(32)}`) }
})

afterAll(async () => {
  await Promise.all(tiers.map(tier => tier.stop(1000)))
  registry?.close()
  await Promise.all([kafka?.stop(), redis?.stop()])
})

/** What stands for a secret in a log: the word, and the base64 that it becomes with a user's name in front. */
const traces = [word, ...['', 'a', 'ab'].map(before => base64Of(`${before}${word}`, before.length))]

function base64Of(text: string, before: number): string {
  const skipped = before === 0 ? 0 : before + 1
  return Buffer.from(text).toString('base64').replace(/=+$/, '').slice(skipped, -1)
}

function expectHushed(tier: LocalTier): void {
  const lines = tier.log().map(line => JSON.stringify(line))
  expect(lines.length, tier.id).toBeGreaterThan(0)
  for (const trace of traces)
    expect(
      lines.filter(line => line.includes(trace)),
      tier.id,
    ).toEqual([])
}

const noise: TierSettings = { 'log.level': 'trace' }

function registrySettings(): TierSettings {
  const { port } = registry.address() as AddressInfo
  return {
    'schema.registry.url': `http://ab:${secret('registry')}@127.0.0.1:${port}`,
    'schema.registry.bearer.auth.token': secret('bearer'),
    'schema.registry.basic.auth.user.info': `a:${secret('basic')}`,
  }
}

async function tls(): Promise<TierSettings & { listeners: string }> {
  return {
    listeners: `https://127.0.0.1:${await freePort()}`,
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': certificate.certificate,
    'ssl.key.location': encryptedKey,
    'ssl.key.password': secret('key'),
  }
}

async function statusOverTls(url: string, path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url + path, { headers, rejectUnauthorized: false, agent: false }, incoming => {
      incoming.resume()
      resolve(incoming.statusCode ?? 0)
    })
      .once('error', reject)
      .end()
  })
}

/** Requests that use what the secrets are for, and some with secrets of a client's own. */
async function traffic(url: string): Promise<void> {
  const avro = 'application/vnd.kafka.avro.v2+json'
  const body = '{"value_schema":"\\"int\\"","records":[{"value":1}]}'
  const headers = {
    'Content-Type': avro,
    Authorization: `Basic ${secret('client')}`,
    Cookie: secret('cookie'),
  }
  const produced = await http({ base: url, method: 'POST', path: `/topics/${kafka.topic}`, headers, body })
  expect(produced.text).not.toContain(word)
  await http({ base: url, path: '/topics', headers: { 'Kafka-Rest-Internal-Token': deployment.token } })
  await http({ base: url, path: `/topics/${kafka.topic}`, headers })
}

describe('secrets that are good', () => {
  test('are in no line of a gateway’s or node’s log, nor in what they show', async () => {
    const node = await startNode(deployment, 'good-node', {
      ...noise,
      ...kafka.settings,
      ...kafka.login('client', 'all'),
      ...kafka.login('producer', 'all', { mechanism: 'SCRAM-SHA-512' }),
      ...registrySettings(),
    })
    tiers.push(node)
    const secured = await tls()
    const gateway = await startGateway(deployment, 'good-gateway', { ...noise, ...secured })
    tiers.push(gateway)
    await traffic(node.url)
    const asked = () => statusOverTls(secured.listeners, '/topics', { Authorization: secret('client') })
    await until('an answer through the gateway', async () => (await asked()) === 200)
    await Promise.all([node.stop(), gateway.stop()])
    for (const tier of [node, gateway]) expectHushed(tier)
  })
})

describe('secrets that are refused', () => {
  test('by Kafka and the registry: the log says that they were, and not what they are', async () => {
    const node = await launchNode(deployment, 'refused-node', {
      ...noise,
      ...kafka.settings,
      ...kafka.login('client', 'all', { secret: secret('wrong') }),
      ...kafka.login('producer', 'all', { mechanism: 'SCRAM-SHA-256', secret: secret('wrong') }),
      ...registrySettings(),
    })
    tiers.push(node)
    await until(
      'the node to answer',
      async () => (await http({ base: node.url, path: '/brokers' })).status === 401,
    )
    await traffic(node.url)
    const { status, text } = await node.admin('/ready')
    expect([status, text.includes(word)]).toEqual([503, false])
    expect(text).toMatch(/kafka/)
    await node.stop()
    expectHushed(node)
  })

  test('by Redis', async () => {
    const wrong = { ...deployment, redisUrl: redis.url.replace(/:[^:@]*@/, `:${secret('wrong')}@`) }
    for (const tier of [
      await launchGateway(wrong, 'locked-gateway', noise),
      await launchNode(wrong, 'locked-node', {
        ...noise,
        ...kafka.settings,
        ...kafka.login('client', 'all'),
      }),
    ]) {
      tiers.push(tier)
      await until('the log to say so', () => JSON.stringify(tier.log()).includes('WRONGPASS'))
      await tier.stop()
      expectHushed(tier)
    }
  })
})

const rows = {
  gateway: gatewaySettings.filter(row => 'secret' in row && row.secret),
  node: proxyNodeSettings.filter(row => 'secret' in row && row.secret),
}

describe('secrets that are nonsense', () => {
  /** Values that make the start fail, or that something trips over later. */
  const broken: readonly (readonly [key: string, TierSettings])[] = [
    [
      'client.sasl.jaas.config',
      { 'client.sasl.jaas.config': `PlainLoginModule password="${secret('open')}` },
    ],
    ['client.sasl.jaas.config', { 'client.sasl.jaas.config': `a.B required password="${secret('alone')}";` }],
    [
      'client.ssl.keystore.key',
      {
        'client.ssl.keystore.type': 'PEM',
        'client.ssl.keystore.key': secret('pem'),
        'client.ssl.keystore.certificate.chain': secret('pem'),
      },
    ],
    [
      'client.ssl.key.password',
      {
        'client.ssl.keystore.type': 'PEM',
        'client.ssl.keystore.location': encryptedKey,
        'client.ssl.key.password': secret('other'),
      },
    ],
    ['unused keys', { 'client.sasl.password': secret('unused'), 'some.password': secret('unknown') }],
    ['schema.registry.url', { 'schema.registry.url': `ftp://a:${secret('url')}@127.0.0.1` }],
    ['schema.registry.url', { 'schema.registry.url': `http://a:${secret('url')}@%zz` }],
    ['nodes', { nodes: `a=http://a:${secret('url')}@127.0.0.1:1` }],
    ['listeners', { listeners: `http://a:${secret('url')}@0.0.0.0:1`, 'internal.token': '' }],
    ['ssl.key.password', { 'ssl.key.password': secret('wrong-key') }],
  ]

  test.each(['gateway', 'node'] as const)('at a %s', { timeout: 240_000 }, async kind => {
    const each = rows[kind].flatMap((row): (readonly [string, TierSettings])[] => [
      [row.key, { [row.key]: `${secret('bad')} ::// %zz` }],
      ...(row.kind === 'url' ? [[row.key, { [row.key]: `http://a:${secret('bad')}@b:1` }] as const] : []),
    ])
    expect(each.length).toBeGreaterThan(4)
    const queue = [...each, ...broken].values()
    const launch = kind === 'gateway' ? launchGateway : launchNode
    const worker = async () => {
      for (const [key, settings] of queue) {
        const more = { ...kafka.settings, ...kafka.login('client', 'all'), ...(await tls()) }
        const tier = await launch(deployment, 'broken', { ...noise, ...more, ...settings })
        tiers.push(tier)
        await until(
          `the end of the start with ${key}`,
          () => !tier.process.running || JSON.stringify(tier.log()).includes('"listening"'),
        )
        await tier.kill()
        expectHushed(tier)
      }
    }
    await Promise.all(Array.from({ length: 3 }, worker))
  })
})
