import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LocalTier } from '../../infra/local/tier.ts'
import { http } from '../support/http-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { type Deployment, newDeployment, startGateway, startNode } from '../support/processes.ts'
import { uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

const v2 = 'application/vnd.kafka.v2+json'
const json = 'application/vnd.kafka.json.v2+json'

interface Created {
  instance_id: string
  base_uri: string
}

function create(gateway: LocalTier, group: string, body: Record<string, string> = {}) {
  return http({
    base: gateway.url,
    method: 'POST',
    path: `/consumers/${group}`,
    headers: { 'Content-Type': v2 },
    body: JSON.stringify({ format: 'json', 'auto.offset.reset': 'earliest', ...body }),
  })
}

function onInstance(
  gateway: LocalTier,
  group: string,
  name: string,
  path: string,
  body?: unknown,
  method = 'POST',
) {
  return http({
    base: gateway.url,
    method: body === undefined && method === 'POST' ? 'GET' : method,
    path: `/consumers/${group}/instances/${name}${path}`,
    headers: { 'Content-Type': v2, Accept: path.startsWith('/records') ? json : v2 },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
}

/** A node's own count of the instances it holds. */
async function instancesOf(node: LocalTier): Promise<number> {
  const { text } = await node.admin('/metrics')
  const line = /^kafka_rest_node_consumer_instances (\d+)$/m.exec(text)
  return Number(line?.[1])
}

describe('consumers behind two gateways and three nodes', () => {
  let deployment: Deployment
  const gateways: LocalTier[] = []
  const nodes: LocalTier[] = []

  beforeAll(async () => {
    deployment = newDeployment()
    const settings = {
      // So long that only a proved death can be what a client is told.
      'lease.ms': 60_000,
      // A node that a busy machine keeps from answering a question would make a gateway say 503.
      'node.question.timeout.ms': 10_000,
    }
    nodes.push(
      ...(await Promise.all(['node-1', 'node-2', 'node-3'].map(id => startNode(deployment, id, settings)))),
    )
    gateways.push(...(await Promise.all(['gw-1', 'gw-2'].map(id => startGateway(deployment, id, settings)))))
    await until('both gateways to know three nodes', async () => {
      const texts = await Promise.all(gateways.map(async gateway => (await gateway.admin('/metrics')).text))
      return texts.every(text => text.includes('kafka_rest_gateway_members{state="available"} 3'))
    })
  })

  afterAll(async () => {
    await Promise.all([...gateways, ...nodes].map(tier => tier.kill()))
  })

  const gatewayAt = (index: number): LocalTier => {
    const gateway = gateways[index % gateways.length]
    if (!gateway) throw new Error('no gateway')
    return gateway
  }

  test('300 consumers: each node has its share, each gateway reaches each owner, no other address is seen', async () => {
    const group = uniqueName('many')
    const before = await Promise.all(nodes.map(instancesOf))
    const names = await Promise.all(
      Array.from({ length: 300 }, async (_, index) => {
        const gateway = gatewayAt(index)
        const answer = await create(gateway, group)
        expect(answer.status, answer.text).toBe(200)
        const { instance_id, base_uri } = answer.json() as Created
        expect(instance_id).toMatch(new RegExp(`^rest-consumer-${gateway.id}-[0-9a-f-]{36}$`))
        expect(base_uri).toBe(`${gateway.url}/consumers/${group}/instances/${instance_id}`)
        expect(JSON.stringify([answer.headers, answer.text])).not.toMatch(addressesOf(nodes))
        return instance_id
      }),
    )
    const counts = await Promise.all(nodes.map(instancesOf))
    for (const [index, count] of counts.entries()) {
      expect(count - (before[index] ?? 0)).toBeGreaterThanOrEqual(60)
      expect(count - (before[index] ?? 0)).toBeLessThanOrEqual(140)
    }
    await inTurn(names, async (name, index) => {
      for (const gateway of [gatewayAt(index), gatewayAt(index + 1)]) {
        const answer = await onInstance(gateway, group, name, '/subscription')
        expect([answer.status, answer.text]).toEqual([200, '{"topics":[]}'])
      }
    })
    await inTurn(names, async (name, index) => {
      const gone = await onInstance(gatewayAt(index), group, name, '', undefined, 'DELETE')
      expect(gone.status).toBe(204)
      const answer = await onInstance(gatewayAt(index + 1), group, name, '/subscription')
      expect([answer.status, answer.headers['kafka-rest-consumer-gone']]).toEqual([404, 'deleted'])
      expect(answer.json()).toEqual({ error_code: 40403, message: 'Consumer instance not found.' })
    })
  })

  test('a node killed with -9: 40403 through both gateways at once; recreated, it reads on from what was committed', async () => {
    const topic = uniqueName('killed')
    await createTopic(deployment.bootstrapServers, topic)
    const group = uniqueName('phoenix')
    const produce = async (value: number) => {
      const answer = await http({
        base: gatewayAt(0).url,
        method: 'POST',
        path: `/topics/${topic}`,
        headers: { 'Content-Type': json },
        body: JSON.stringify({ records: [{ key: 'k', value }] }),
      })
      expect(answer.status, answer.text).toBe(200)
      const { offsets } = answer.json() as { offsets: { error: string | null }[] }
      expect(offsets.map(({ error }) => error)).toEqual([null])
    }
    await produce(1)
    const name = 'phoenix'
    const begin = async () => {
      const answer = await create(gatewayAt(0), group, { name })
      expect(answer.status, answer.text).toBe(200)
      expect((await onInstance(gatewayAt(1), group, name, '/subscription', { topics: [topic] })).status).toBe(
        204,
      )
    }
    const read = async (index: number) => {
      const answer = await onInstance(gatewayAt(index), group, name, '/records')
      expect(answer.status, answer.text).toBe(200)
      return (answer.json() as { value: number }[]).map(({ value }) => value)
    }
    const readUntil = async (wanted: number) => {
      const seen: number[] = []
      await until(`record ${wanted}`, async () => {
        seen.push(...(await read(seen.length)))
        return seen.includes(wanted)
      })
      return seen
    }
    const holderBefore = await Promise.all(nodes.map(instancesOf))
    await begin()
    const holderAfter = await Promise.all(nodes.map(instancesOf))
    const victim = nodes[holderAfter.findIndex((count, index) => count > (holderBefore[index] ?? 0))]
    if (!victim) throw new Error('nobody holds it')
    expect(await readUntil(1)).toEqual([1])
    const commit = await http({
      base: gatewayAt(0).url,
      method: 'POST',
      path: `/consumers/${group}/instances/${name}/offsets`,
      headers: { 'Content-Type': v2 },
      body: JSON.stringify({ offsets: [{ topic, partition: 0, offset: 0 }] }),
    })
    expect(commit.status, commit.text).toBe(200)
    await produce(2)

    await victim.kill()
    for (const gateway of gateways) {
      // A request that was on its way when the node died may see 502.
      const answer = await until('40403', async () => {
        const tried = await onInstance(gateway, group, name, '/records')
        return tried.status === 404 && tried
      })
      expect(answer.json()).toEqual({ error_code: 40403, message: 'Consumer instance not found.' })
      expect(answer.headers['kafka-rest-consumer-gone']).toBe('owner-lost')
      expect(answer.headers['content-type']).toBe(json)
    }
    await begin()
    expect(await readUntil(2)).toEqual([2])
    // Nothing else was hurt: produce goes on through both gateways.
    for (let index = 0; index < 10; index++) await produce(3)

    await victim.restart()
    await until('the gateways to know it again', async () => {
      const texts = await Promise.all(gateways.map(async gateway => (await gateway.admin('/metrics')).text))
      return texts.every(text => text.includes('kafka_rest_gateway_members{state="available"} 3'))
    })
    expect((await onInstance(gatewayAt(1), group, name, '', undefined, 'DELETE')).status).toBe(204)
  })
})

function addressesOf(nodes: readonly LocalTier[]): RegExp {
  return new RegExp(nodes.map(node => node.address.replaceAll('.', '\\.')).join('|'))
}

/** Ten at a time. */
async function inTurn<T>(items: readonly T[], run: (item: T, index: number) => Promise<void>): Promise<void> {
  const queue = [...items.entries()]
  const next = async (): Promise<void> => {
    for (let entry = queue.shift(); entry; entry = queue.shift()) await run(entry[1], entry[0])
  }
  await Promise.all(Array.from({ length: 10 }, next))
}
