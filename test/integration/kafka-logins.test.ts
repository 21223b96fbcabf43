import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { unsecuredToken } from '../../proxy-node/kafka/oauth-token.ts'
import { systemClock } from '../../shared/clock.ts'
import { ConsumerClient } from '../support/consumer-client.ts'
import { ProduceNode } from '../support/produce-node.ts'
import { mechanisms, SecuredKafka, type User } from '../support/secured-kafka.ts'
import { uniqueName } from '../support/services.ts'

/**
 * How each kind of client logs in, on a SASL_SSL listener of a broker with ACLs (contract v2 §5.2): producers through
 * kafkajs, consumers and administration through @platformatic/kafka.
 */

let kafka: SecuredKafka

beforeAll(async () => {
  kafka = await SecuredKafka.start()
})

afterAll(() => kafka?.stop())

async function withNode<T>(
  settings: Record<string, string>,
  work: (node: ProduceNode) => Promise<T>,
): Promise<T> {
  const node = await ProduceNode.start({ ...kafka.settings, ...settings })
  try {
    return await work(node)
  } finally {
    await node.stop()
  }
}

const produce = (node: ProduceNode) =>
  node.produce(`/topics/${kafka.topic}`, { records: [{ value: 'a' }, { value: 'b' }] })

/** Everything that a node asks of Kafka, once: as producer, as consumer, and as administrator. */
async function everything(node: ProduceNode): Promise<void> {
  const { topic } = kafka
  const produced = await produce(node)
  expect(produced.json()).toMatchObject({ offsets: [{ error: null }, { error: null }] })
  const { offset } = (produced.json() as { offsets: { offset: number }[] }).offsets[0] ?? { offset: -1 }
  // Groups whose names begin with the topic's are those that there are rights for.
  const client = await ConsumerClient.create(node.url, uniqueName(topic), 'one')
  try {
    expect((await client.subscribe(topic)).status).toBe(204)
    expect((await client.take(offset + 2)).slice(-2).map(({ value }) => value)).toEqual(['a', 'b'])
    expect((await client.commit()).status).toBe(200)
    expect(await client.committed(topic)).toBe(offset + 2)
    expect((await client.delete()).status).toBe(204)
  } finally {
    client.close()
  }
  const { status, text } = await node.request('GET', `/topics/${topic}`)
  expect([status, JSON.parse(text)]).toMatchObject([200, { name: topic, partitions: [{ partition: 0 }] }])
  expect((await node.request('GET', '/topics')).json()).toEqual([topic])
  expect((await node.request('GET', '/brokers')).json()).toEqual({ brokers: [1] })
  const offsets = await node.request('GET', `/topics/${topic}/partitions/0/offsets`)
  expect(offsets.json()).toEqual({ beginning_offset: 0, end_offset: offset + 2 })
}

describe.each(mechanisms)('%s', mechanism => {
  test('for all clients by client.*', () =>
    withNode(kafka.login('client', 'all', { mechanism }), async node => {
      const group = uniqueName('g')
      expect((await node.request('GET', '/topics')).json()).toContain(kafka.topic)
      const client = await ConsumerClient.create(node.url, group, 'one')
      try {
        expect((await produce(node)).status).toBe(200)
        await client.subscribe(kafka.topic)
        expect((await client.take(2)).length).toBeGreaterThanOrEqual(2)
        expect((await client.commit()).status).toBe(200)
        expect((await client.delete()).status).toBe(204)
      } finally {
        client.close()
      }
    }))

  test('for each client of its own: with no more rights than it needs, and nobody to fall back on', () =>
    withNode(
      {
        ...kafka.login('producer', 'writer', { mechanism }),
        ...kafka.login('consumer', 'reader', { mechanism }),
        ...kafka.login('admin', 'describer', { mechanism }),
      },
      everything,
    ))
})

test('a client’s own prefix wins over client.*', () =>
  withNode(
    {
      ...kafka.login('client', 'nobody'),
      ...kafka.login('producer', 'writer', { mechanism: 'SCRAM-SHA-512' }),
      ...kafka.login('consumer', 'reader', { mechanism: 'SCRAM-SHA-256' }),
      ...kafka.login('admin', 'describer', { mechanism: 'OAUTHBEARER' }),
    },
    everything,
  ))

test('OAUTHBEARER with tokens of an endpoint, by the client’s id and secret', async () => {
  const asked: (string | undefined)[] = []
  const endpoint = createServer((incoming, outgoing) => {
    asked.push(incoming.headers.authorization)
    const [user = ''] = Buffer.from(incoming.headers.authorization?.slice(6) ?? '', 'base64')
      .toString()
      .split(':')
    const token = unsecuredToken({ sub: user }, systemClock)
    outgoing.setHeader('Content-Type', 'application/json')
    outgoing.end(JSON.stringify({ access_token: token, token_type: 'Bearer', expires_in: 3600 }))
  })
  await new Promise<void>(resolve => endpoint.listen(0, '127.0.0.1', resolve))
  const { port } = endpoint.address() as AddressInfo
  const module = 'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule'
  const login = (prefix: string, user: User) => ({
    [`${prefix}.sasl.jaas.config`]: `${module} required clientId="${user}" clientSecret="s3cret";`,
  })
  try {
    await withNode(
      {
        'client.sasl.mechanism': 'OAUTHBEARER',
        'client.sasl.oauthbearer.token.endpoint.url': `http://127.0.0.1:${port}/token`,
        ...login('producer', 'writer'),
        ...login('consumer', 'reader'),
        ...login('admin', 'describer'),
      },
      everything,
    )
    const basic = (user: User) => `Basic ${Buffer.from(`${user}:s3cret`).toString('base64')}`
    expect(new Set(asked)).toEqual(new Set((['writer', 'reader', 'describer'] as const).map(basic)))
  } finally {
    endpoint.closeAllConnections()
    endpoint.close()
  }
})

describe('a wrong password is 401 / 40101 where its client is used, and nowhere else', () => {
  const users = { producer: 'writer', consumer: 'reader', admin: 'describer' } as const
  type Kind = keyof typeof users

  test.each([
    ['PLAIN', 'producer'],
    ['SCRAM-SHA-256', 'consumer'],
    ['SCRAM-SHA-512', 'admin'],
    ['SCRAM-SHA-256', 'producer'],
    ['PLAIN', 'consumer'],
  ] as const)('%s of the %s', async (mechanism, wrong) => {
    const logins = (Object.keys(users) as Kind[]).map(kind =>
      kafka.login(kind, users[kind], { mechanism, ...(kind === wrong ? { secret: 'not-it' } : {}) }),
    )
    await withNode(Object.assign({}, ...logins), async node => {
      const expected = (kind: Kind) => (kind === wrong ? 401 : 200)
      const produced = await produce(node)
      const topics = await node.request('GET', '/topics')
      // The read ends with records or an error, however long a busy machine takes for the login.
      const patient = { 'consumer.request.timeout.ms': 30_000 }
      const client = await ConsumerClient.create(node.url, uniqueName(kafka.topic), 'one', patient)
      await client.assign([kafka.topic, 0])
      const read = await client.read()
      const asked = { partitions: [{ topic: kafka.topic, partition: 0 }] }
      const committed = await client.call('GET', `${client.base}/offsets`, asked)
      client.close()
      expect([produced.status, topics.status, read.status, committed.status]).toEqual([
        expected('producer'),
        expected('admin'),
        expected('consumer'),
        expected('consumer'),
      ])
      for (const answer of [produced, topics, read, committed])
        if (answer.status === 401) {
          expect(answer.text).toContain('"error_code":40101')
          expect(answer.text).not.toContain('not-it')
        }
    })
  })
})
