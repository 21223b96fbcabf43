import { readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../infra/local/free-port.ts'
import type { LocalKafka } from '../../infra/local/kafka.ts'
import { BrokerConnections } from '../../proxy-node/kafka/broker-connections.ts'
import { translateKafkajs } from '../../proxy-node/kafka/kafka-errors.ts'
import { BrokerConnection } from '../../proxy-node/kafka/kafkajs-connection.ts'
import { systemClock } from '../../shared/clock.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { runJava } from '../support/java-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { ProduceNode, v2 } from '../support/produce-node.ts'
import { newTestDir, startPrivateKafka, uniqueName } from '../support/services.ts'
import { makeCertificate } from '../support/tls-certificate.ts'

/**
 * TLS, SASL and ACLs, on a broker of this file's own: `writer` and the TLS client may do everything, `reader` may
 * describe topics, `nobody` may do nothing.
 */

let kafka: LocalKafka
let pemFile: string
let certificateFile: string
let saslPort: number
let tlsPort: number
const topic = uniqueName('secured')

const security = 'org.apache.kafka.common.security'
const unsecured = `${security}.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler`

beforeAll(async () => {
  const { certificate, key } = makeCertificate('127.0.0.1')
  certificateFile = certificate
  pemFile = join(newTestDir('tls'), 'both.pem')
  writeFileSync(pemFile, readFileSync(key, 'utf8') + readFileSync(certificate, 'utf8'))
  saslPort = await freePort()
  tlsPort = await freePort()
  kafka = await startPrivateKafka({
    extraListeners: [
      { name: 'SASL', protocol: 'SASL_PLAINTEXT', port: saslPort },
      { name: 'TLS', protocol: 'SSL', port: tlsPort },
    ],
    properties: {
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS;User:writer;User:CN=127.0.0.1',
      'listener.name.sasl.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
      'listener.name.sasl.plain.sasl.jaas.config': `${security}.plain.PlainLoginModule required user_writer="secret" user_reader="secret" user_nobody="secret";`,
      'listener.name.sasl.scram-sha-256.sasl.jaas.config': `${security}.scram.ScramLoginModule required;`,
      'listener.name.sasl.scram-sha-512.sasl.jaas.config': `${security}.scram.ScramLoginModule required;`,
      'listener.name.sasl.oauthbearer.sasl.jaas.config': `${security}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
      'listener.name.sasl.oauthbearer.sasl.server.callback.handler.class': unsecured,
      'listener.name.tls.ssl.keystore.type': 'PEM',
      'listener.name.tls.ssl.keystore.location': pemFile,
      'listener.name.tls.ssl.truststore.type': 'PEM',
      'listener.name.tls.ssl.truststore.location': certificateFile,
      'listener.name.tls.ssl.client.auth': 'required',
    },
  })
  await runJava('Grants', javaGrants, { args: [kafka.address] })
  await createTopic(kafka.address, topic)
})

afterAll(() => kafka?.stop())

const javaGrants = `
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.resource.*;
public class Grants {
  public static void main(String[] args) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
      for (ScramMechanism mechanism : List.of(ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)) {
        ScramCredentialInfo info = new ScramCredentialInfo(mechanism, 4096);
        admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion("writer", info, "secret"))).all().get();
      }
      ResourcePattern all = new ResourcePattern(ResourceType.TOPIC, "*", PatternType.LITERAL);
      AccessControlEntry describe =
          new AccessControlEntry("User:reader", "*", AclOperation.DESCRIBE, AclPermissionType.ALLOW);
      admin.createAcls(List.of(new AclBinding(all, describe))).all().get();
    }
  }
}
`

/** A way to the broker on which the third request of a connection, the first with credentials, ends it. */
async function cutDuringLogin(end: (client: Socket) => unknown): Promise<{ server: Server; port: number }> {
  const server = createServer(client => {
    const broker = connect(saslPort, '127.0.0.1')
    let requests = 0
    client.on('data', (bytes: Buffer) => {
      requests += 1
      if (requests < 3) broker.write(bytes)
      else end(client)
    })
    client.on('error', () => undefined)
    client.on('close', () => broker.destroy())
    broker.pipe(client, { end: false })
    broker.on('error', () => undefined)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return { server, port: (server.address() as AddressInfo).port }
}

const readsSettings = {
  clientId: 'test',
  connectTimeoutMs: 10_000,
  idleTimeoutMs: 10_000,
  readsPerBrokerMax: 1,
  reconnectBackoffMs: 1,
  reconnectBackoffMaxMs: 1,
}

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    error => error,
  )

async function withNode<T>(
  settings: Record<string, string>,
  work: (node: ProduceNode) => Promise<T>,
): Promise<T> {
  const node = await ProduceNode.start(settings)
  try {
    return await work(node)
  } finally {
    await node.stop()
  }
}

const asPlain = (user: string, password = 'secret') => ({
  'bootstrap.servers': `127.0.0.1:${saslPort}`,
  'client.security.protocol': 'SASL_PLAINTEXT',
  'client.sasl.mechanism': 'PLAIN',
  'client.sasl.jaas.config': `${security}.plain.PlainLoginModule required username="${user}" password="${password}";`,
})

const record = { records: [{ value: 1 }] }

/** Both drivers are asked: one for metadata and offsets, the other for the record. */
async function worksWith(settings: Record<string, string>): Promise<void> {
  await withNode(settings, async node => {
    expect((await node.produce(`/topics/${topic}`, record)).json()).toMatchObject({
      offsets: [{ error: null }],
    })
    expect((await node.request('GET', `/topics/${topic}`)).status).toBe(200)
    expect((await node.request('GET', `/topics/${topic}/partitions/0/offsets`)).status).toBe(200)
  })
}

describe('who is let in', () => {
  test('PLAIN', () => worksWith(asPlain('writer')))

  test.each(['SCRAM-SHA-256', 'SCRAM-SHA-512'])('%s', mechanism =>
    worksWith({ ...asPlain('writer'), 'client.sasl.mechanism': mechanism }),
  )

  test('OAUTHBEARER', () =>
    worksWith({
      ...asPlain('writer'),
      'client.sasl.mechanism': 'OAUTHBEARER',
      'client.sasl.jaas.config': `${security}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="writer";`,
    }))

  test('TLS with a client certificate, keys of the producer over those of all clients', () =>
    worksWith({
      'bootstrap.servers': `127.0.0.1:${tlsPort}`,
      'client.security.protocol': 'SSL',
      'client.ssl.truststore.type': 'PEM',
      'client.ssl.truststore.location': certificateFile,
      'client.ssl.keystore.type': 'PEM',
      'client.ssl.keystore.location': pemFile,
      'producer.ssl.keystore.type': 'PEM',
      'producer.ssl.keystore.location': pemFile,
    }))

  test('a broker that shows a certificate of somebody else is not talked to', async () => {
    const settings = {
      'bootstrap.servers': `127.0.0.1:${tlsPort}`,
      'client.security.protocol': 'SSL',
      'client.ssl.truststore.type': 'PEM',
      'client.ssl.truststore.location': makeCertificate('127.0.0.1').certificate,
      'producer.max.block.ms': '300',
    }
    await withNode(settings, async node => {
      const answer = await node.produce(`/topics/${topic}`, record)
      expect(answer.json()).toMatchObject({ offsets: [{ error_code: 50003 }] })
    })
  })
})

describe('who is not', () => {
  test('§9 30: a wrong password is 401 / 40101, for records too', async () => {
    await withNode(asPlain('writer', 'wrong'), async node => {
      const produced = await node.produce(`/topics/${topic}`, { records: [{ value: 1 }, { value: 2 }] })
      expect(produced.status).toBe(401)
      const { offsets } = produced.json() as {
        offsets: { error_code: number; partition: null; error: string }[]
      }
      expect(offsets.map(({ error_code, partition }) => [error_code, partition])).toEqual([
        [40101, null],
        [40101, null],
      ])
      const answer = await node.request('GET', '/brokers')
      expect([answer.status, answer.headers['content-type']]).toEqual([401, v2])
      expect(answer.json()).toEqual({ error_code: 40101, message: offsets[0]?.error })
    })
  })

  test.each(['PLAIN', 'SCRAM-SHA-256'] as const)(
    'a connection that ends during the login with %s says nothing about the password',
    async mechanism => {
      const credentials = { username: 'writer', password: 'secret' }
      const endings = {
        'in order': (client: Socket) => client.end(),
        'by a reset': (client: Socket) => client.resetAndDestroy(),
      }
      for (const [how, end] of Object.entries(endings)) {
        const cut = await cutDuringLogin(end)
        try {
          const opening = BrokerConnection.open(
            { host: '127.0.0.1', port: cut.port },
            {
              settings: {
                clientId: 'test',
                connectTimeoutMs: 10_000,
                requestTimeoutMs: 10_000,
                tls: undefined,
                sasl: () => ({
                  mechanism: mechanism === 'PLAIN' ? 'plain' : 'scram-sha-256',
                  ...credentials,
                }),
              },
              clock: systemClock,
              log: silentLogger,
            },
          )
          expect(translateKafkajs(await failureOf(opening)), how).toMatchObject({ kind: 'CONNECTION_LOST' })
          const other = new BrokerConnections({
            address: { id: -1, host: '127.0.0.1', port: cut.port },
            settings: { ...readsSettings, security: { sasl: { mechanism, ...credentials } } },
            clock: systemClock,
          })
          expect(await failureOf(other.control(undefined)), how).toMatchObject({ kind: 'CONNECTION_LOST' })
          await other.stop()
        } finally {
          cut.server.close()
        }
      }
    },
  )

  const denied = `Not authorized to access topics: [${topic}]`

  test('§9 26: without rights to see or write the topic: 403 with the produce answer', async () => {
    for (const user of ['nobody', 'reader']) {
      await withNode(asPlain(user), async node => {
        const answer = await node.produce(`/topics/${topic}`, record)
        expect(answer.status).toBe(403)
        expect(answer.json()).toEqual({
          offsets: [{ partition: null, offset: null, error_code: 40301, error: denied }],
          key_schema_id: null,
          value_schema_id: null,
        })
      })
    }
  })

  test('without rights to see a topic or its configs: 403 / 40301', async () => {
    for (const user of ['nobody', 'reader']) {
      await withNode(asPlain(user), async node => {
        const answer = await node.request('GET', `/topics/${topic}`)
        expect(answer.status).toBe(403)
        expect(answer.json()).toEqual({ error_code: 40301, message: denied })
      })
    }
  })
})
