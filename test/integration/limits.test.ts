import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LocalTier } from '../../infra/local/tier.ts'
import { http } from '../support/http-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { newDeployment, startGateway, startNode } from '../support/processes.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

/**
 * Limits that one request alone does not show, on processes that have them in their settings. The others (body, head,
 * records, JSON depth) are rows of the table of bad requests.
 */

const connectionsMax = 20
const topic = uniqueName('limits')
let node: LocalTier
let gateway: LocalTier

beforeAll(async () => {
  await createTopic(kafkaAddress(), topic)
  const deployment = newDeployment()
  node = await startNode(deployment, 'small-node', {
    'connections.max': connectionsMax,
    'request.bodies.max.bytes': 5000,
    'consumer.instances.max': 3,
    'consumer.instances.per.group.max': 2,
  })
  gateway = await startGateway(deployment, 'small-gateway', { 'connections.max': connectionsMax })
})

afterAll(async () => {
  await Promise.all([gateway?.stop(), node?.stop()])
})

const tiers = (): readonly LocalTier[] => [node, gateway]

function produce({ url }: LocalTier, bytes: number) {
  const value = 'x'.repeat(bytes)
  return http({
    base: url,
    method: 'POST',
    path: `/topics/${topic}`,
    headers: { 'Content-Type': 'application/vnd.kafka.json.v2+json' },
    body: JSON.stringify({ records: [{ value }] }),
  })
}

function create({ url }: LocalTier, group: string, name: string) {
  return http({ base: url, method: 'POST', path: `/consumers/${group}`, body: JSON.stringify({ name }) })
}

test('request.bodies.max.bytes: more is 429 / 42912 to be retried, and room is given back', async () => {
  for (const tier of tiers()) {
    const refused = await produce(tier, 6000)
    expect([refused.status, refused.json()], tier.id).toEqual([
      429,
      {
        error_code: 42912,
        message: 'The proxy node is parsing its maximum of request bytes (request.bodies.max.bytes).',
      },
    ])
    expect(refused.headers['retry-after'], tier.id).toBeDefined()
    for (let count = 0; count < 3; count++) expect((await produce(tier, 4000)).status, tier.id).toBe(200)
  }
})

test('consumer.instances.max and .per.group.max: 429 / 42910 and 42911, and deleting makes room', async () => {
  const group = uniqueName('limits')
  const path = (name: string) => `/consumers/${group}/instances/${name}`
  expect((await create(gateway, group, 'a')).status).toBe(200)
  expect((await create(gateway, group, 'b')).status).toBe(200)
  const other = uniqueName('limits')
  for (const tier of tiers()) {
    const full = await create(tier, group, 'c')
    expect([full.status, full.json()], tier.id).toEqual([
      429,
      {
        error_code: 42911,
        message:
          'The consumer group has its maximum number of instances on this proxy node (consumer.instances.per.group.max).',
      },
    ])
    expect(full.headers['retry-after'], tier.id).toBeDefined()
  }
  expect((await create(node, other, 'c')).status).toBe(200)
  for (const tier of tiers()) {
    const full = await create(tier, uniqueName('limits'), 'd')
    expect([full.status, full.json()], tier.id).toEqual([
      429,
      {
        error_code: 42910,
        message: 'The proxy node holds its maximum number of consumer instances (consumer.instances.max).',
      },
    ])
    expect(full.headers['retry-after'], tier.id).toBeDefined()
  }
  expect((await http({ base: gateway.url, method: 'DELETE', path: path('a') })).status).toBe(204)
  expect((await create(gateway, group, 'c')).status).toBe(200)
})

describe('connections.max', () => {
  const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

  // The gateway first: it needs a connection to the node.
  test.each(['gateway', 'node'] as const)(
    'of a %s: the first one over it is told 503 / 50315',
    async which => {
      const tier = which === 'node' ? node : gateway
      const held: RawConnection[] = []
      try {
        const refused = await until('the limit to be reached', async () => {
          const connection = await RawConnection.open(tier.url)
          held.push(connection)
          connection.send(get)
          const [, status] = await connection.receive(/^HTTP\/1\.1 (\d{3}) [\s\S]*\}/)
          return status === '503' ? connection : undefined
        })
        expect(held.length).toBeLessThanOrEqual(connectionsMax + 1)
        await refused.ended()
        expect(refused.received).toMatch(/\r\nRetry-After: 1\r\n/i)
        expect(refused.received).toMatch(
          /\{"error_code":50315,"message":"The server has its maximum number of connections \(connections\.max\); retry later\."\}$/,
        )
        // Those that were let in are served.
        held[0]?.send(get)
        await held[0]?.receive(/\}HTTP\/1\.1 200 /)
      } finally {
        for (const connection of held) connection.reset()
      }
      const isServed = async () => (await http({ base: tier.url, path: '/' })).status === 200
      await until('room to be there again', isServed)
    },
  )
})
