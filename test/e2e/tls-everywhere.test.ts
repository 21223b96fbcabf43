import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../../infra/local/free-port.ts'
import type { LocalKafka } from '../../infra/local/kafka.ts'
import type { LocalTier, TierSettings } from '../../infra/local/tier.ts'
import { json, v2 } from '../support/consumer-client.ts'
import { runJava } from '../support/java-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import {
  type Deployment,
  launchGateway,
  newDeployment,
  startGateway,
  startNode,
} from '../support/processes.ts'
import { type ShapedRedis, startTlsRedis } from '../support/redis-shapes.ts'
import { newTestDir, startPrivateKafka, uniqueName } from '../support/services.ts'
import { makeCertificate } from '../support/tls-certificate.ts'
import { until } from '../support/until.ts'

/** Every connection is encrypted and checked: client to gateway, gateway to node, both to Redis, node to Kafka. */

const files = makeCertificate('127.0.0.1')
const ca = readFileSync(files.certificate)
const store = join(newTestDir('tls'), 'both.pem')
writeFileSync(store, readFileSync(files.key, 'utf8') + readFileSync(files.certificate, 'utf8'))

const security = 'org.apache.kafka.common.security'
const topic = uniqueName('secured')
const tiers: LocalTier[] = []
const nodes: { readonly tier: LocalTier; readonly url: string }[] = []
let kafka: LocalKafka
let redis: ShapedRedis & { readonly certificate: string }
let deployment: Deployment
let gatewayUrl = ''

/** An https listener on a free port, and how Redis and the nodes are checked. */
async function secured(more: TierSettings = {}): Promise<TierSettings & { listeners: string }> {
  return {
    listeners: `https://127.0.0.1:${await freePort()}`,
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': store,
    'nodes.ssl.ca.location': files.certificate,
    'redis.ssl.ca.location': redis.certificate,
    ...more,
  }
}

beforeAll(async () => {
  const port = await freePort()
  ;[kafka, redis] = await Promise.all([
    startPrivateKafka({
      extraListeners: [{ name: 'SECURE', protocol: 'SASL_SSL', port }],
      properties: {
        'listener.name.secure.sasl.enabled.mechanisms': 'SCRAM-SHA-512',
        'listener.name.secure.scram-sha-512.sasl.jaas.config': `${security}.scram.ScramLoginModule required;`,
        'listener.name.secure.ssl.keystore.type': 'PEM',
        'listener.name.secure.ssl.keystore.location': store,
        'listener.name.secure.ssl.truststore.type': 'PEM',
        'listener.name.secure.ssl.truststore.location': files.certificate,
      },
    }),
    startTlsRedis(),
  ])
  await runJava('Users', javaUser, { args: [kafka.address] })
  await createTopic(kafka.address, topic, { partitions: 3 })
  deployment = newDeployment({ redisUrl: redis.address.url, bootstrapServers: `127.0.0.1:${port}` })
  const kafkaSettings = {
    'client.security.protocol': 'SASL_SSL',
    'client.sasl.mechanism': 'SCRAM-SHA-512',
    'client.sasl.jaas.config': `${security}.scram.ScramLoginModule required username="writer" password="secret";`,
    'client.ssl.truststore.type': 'PEM',
    'client.ssl.truststore.location': files.certificate,
    'failover.mode': 'takeover',
  }
  for (const id of ['node-1', 'node-2']) {
    const settings = await secured(kafkaSettings)
    const tier = await startNode(deployment, id, settings)
    nodes.push({ tier, url: settings.listeners })
    tiers.push(tier)
  }
  const settings = await secured()
  gatewayUrl = settings.listeners
  tiers.push(await startGateway(deployment, 'gateway', settings))
}, 120_000)

afterAll(async () => {
  await Promise.all(tiers.map(tier => tier.stop()))
  await Promise.all([kafka?.stop(), redis?.stop()])
})

const javaUser = `
import java.util.*;
import org.apache.kafka.clients.admin.*;
public class Users {
  public static void main(String[] args) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
      ScramCredentialInfo info = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096);
      admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion("writer", info, "secret"))).all().get();
    }
  }
}
`

interface Answer {
  readonly status: number
  readonly text: string
}

interface Extras {
  readonly accept?: string
  readonly host?: string
}

function call(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  extras: Extras = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const type = path.startsWith('/topics/') ? json : v2
    const headers = {
      ...(body === undefined ? {} : { 'content-type': type }),
      ...extras,
    }
    const outgoing = request(url + path, { method, headers, ca, agent: false, servername: '' }, incoming => {
      let text = ''
      incoming.setEncoding('utf8')
      incoming.on('data', part => {
        text += part
      })
      incoming.once('end', () => resolve({ status: incoming.statusCode ?? 0, text }))
    })
    outgoing.once('error', reject)
    outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

test('produce, consume, commit, take over and delete, with TLS on every connection', async () => {
  const group = uniqueName('g')
  const base = `/consumers/${group}/instances/one`
  const create = { name: 'one', format: 'json', 'auto.offset.reset': 'earliest', 'fetch.min.bytes': 1 }
  const created = await call(gatewayUrl, 'POST', `/consumers/${group}`, create)
  expect(JSON.parse(created.text)).toEqual({ instance_id: 'one', base_uri: gatewayUrl + base })
  expect((await call(gatewayUrl, 'POST', `${base}/subscription`, { topics: [topic] })).status).toBe(204)
  const records = { records: [1, 2, 3].map(value => ({ key: `k${value}`, value })) }
  expect(await call(gatewayUrl, 'POST', `/topics/${topic}`, records)).toMatchObject({ status: 200 })
  const values: number[] = []
  const read = async () => {
    const { status, text } = await call(gatewayUrl, 'GET', `${base}/records?timeout=500`, undefined, {
      accept: json,
    })
    if (status === 200) values.push(...(JSON.parse(text) as { value: number }[]).map(({ value }) => value))
    return status
  }
  await until('the records', async () => (await read()) === 200 && values.length === 3)
  expect(values.sort()).toEqual([1, 2, 3])
  expect((await call(gatewayUrl, 'POST', `${base}/offsets`)).status).toBe(200)
  // Its node is killed: the gateway asks the other one, which asks nobody's leave but the table's and the broker's.
  const held = await Promise.all(nodes.map(({ url }) => call(url, 'GET', `${base}/subscription`)))
  const holder = nodes[held.findIndex(({ status }) => status === 200)]
  await holder?.tier.kill()
  await until('the other node to go on', async () => (await read()) === 200)
  await holder?.tier.restart()
  expect(values).toHaveLength(3)
  expect((await call(gatewayUrl, 'DELETE', base)).status).toBe(204)
})

test('a node is checked by its own name, whatever host clients ask for', async () => {
  const named = makeCertificate('localhost')
  const itsStore = join(newTestDir('named'), 'node.pem')
  writeFileSync(itsStore, readFileSync(named.key, 'utf8') + readFileSync(named.certificate, 'utf8'))
  const own = newDeployment({ redisUrl: redis.address.url, bootstrapServers: kafka.address })
  const checked = { 'nodes.ssl.ca.location': named.certificate }
  const listeners = `https://localhost:${await freePort()}`
  tiers.push(
    await startNode(
      own,
      'named',
      await secured({ ...checked, listeners, 'ssl.keystore.location': itsStore }),
    ),
  )
  const settings = await secured(checked)
  tiers.push(await startGateway(own, 'gateway', settings))
  for (const host of ['kafka.example', 'other.example:8082', '127.0.0.1', 'kafka.example'])
    expect(await call(settings.listeners, 'GET', '/topics', undefined, { host }), host).toMatchObject({
      status: 200,
    })
}, 120_000)

test('a node whose certificate is not believed gets no request, the client an error, and the log says why', async () => {
  const other = makeCertificate('127.0.0.1')
  const settings = await secured({ 'nodes.ssl.ca.location': other.certificate })
  const gateway = await launchGateway(deployment, 'doubting', settings)
  tiers.push(gateway)
  const answer = await until('an answer', async () => {
    const { status, text } = await call(settings.listeners, 'GET', '/topics')
    return { status, text }
  })
  expect(answer.status).toBeGreaterThanOrEqual(502)
  expect(answer.text).not.toMatch(/\bat \/|Error:|self.signed/)
  await until('the log to say why', () =>
    gateway
      .log()
      .some(line => /certificate/i.test(JSON.stringify(line)) && JSON.stringify(line).includes('node-')),
  )
})

test('a wrong password of Redis is told in the log without the password, and the gateway is not ready', async () => {
  const url = redis.address.url.replace(/:[^:@]*@/, ':not-the-password@')
  const gateway = await launchGateway({ ...deployment, redisUrl: url }, 'locked-out', await secured())
  tiers.push(gateway)
  await until('the log to say why', () =>
    gateway.log().some(line => /WRONGPASS|invalid.*password/i.test(JSON.stringify(line))),
  )
  expect(JSON.stringify(gateway.log())).not.toContain('not-the-password')
  expect((await until('an answer', () => gateway.admin('/ready'))).status).toBe(503)
})
