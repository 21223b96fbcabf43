import { Agent } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LocalTier } from '../../infra/local/tier.ts'
import { http } from '../support/http-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { type Deployment, newDeployment, startGateway, startNode } from '../support/processes.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

const v2 = 'application/vnd.kafka.v2+json'
const json = 'application/vnd.kafka.json.v2+json'

describe('reads through two gateways', () => {
  const gateways: LocalTier[] = []
  const nodes: LocalTier[] = []
  const extra: LocalTier[] = []

  let deployment: Deployment
  // A gateway on a busy machine may tell late how a read ended, which would count as not delivered.
  const patient = { 'reads.outcome.wait.ms': 10_000 }

  beforeAll(async () => {
    deployment = newDeployment()
    nodes.push(...(await Promise.all(['node-1', 'node-2'].map(id => startNode(deployment, id, patient)))))
    gateways.push(...(await Promise.all(['gw-1', 'gw-2'].map(id => startGateway(deployment, id)))))
  })

  afterAll(async () => {
    await Promise.all([...gateways, ...extra, ...nodes].map(tier => tier.kill()))
  })

  const gatewayAt = (index: number): LocalTier => {
    const gateway = gateways[index % gateways.length]
    if (!gateway) throw new Error('no gateway')
    return gateway
  }

  async function post(path: string, body: unknown, type = v2) {
    const answer = await http({
      base: gatewayAt(0).url,
      method: 'POST',
      path,
      headers: { 'Content-Type': type },
      body: JSON.stringify(body),
    })
    expect(answer.status, answer.text).toBeLessThan(300)
    return answer
  }

  /** A topic that exists before any node asks for it: one that was missing is not asked for again for some seconds. */
  async function newTopic(name: string): Promise<string> {
    const topic = uniqueName(name)
    await createTopic(kafkaAddress(), topic)
    return topic
  }

  async function produce(topic: string, from: number, count: number): Promise<void> {
    const records = Array.from({ length: count }, (_, index) => ({ key: 'k', value: from + index }))
    const answer = await post(`/topics/${topic}`, { records }, json)
    const { offsets } = answer.json() as { offsets: { error: string | null }[] }
    expect(offsets.map(({ error }) => error)).toEqual(records.map(() => null))
  }

  /** An instance that has read everything so far, so that it is known to be in its group. */
  async function subscribed(topic: string): Promise<string> {
    const group = uniqueName('readers')
    const path = `/consumers/${group}/instances/reader`
    await post(`/consumers/${group}`, { name: 'reader', format: 'json', 'auto.offset.reset': 'earliest' })
    await post(`${path}/subscription`, { topics: [topic] })
    return path
  }

  async function read(gateway: LocalTier, path: string, agent?: Agent): Promise<number[]> {
    const answer = await http({
      base: gateway.url,
      path: `${path}/records?timeout=300`,
      headers: { Accept: json },
      ...(agent ? { agent } : {}),
    })
    expect(answer.status, answer.text).toBe(200)
    expect(answer.headers).not.toHaveProperty('kafka-rest-read-id')
    return (answer.json() as { value: number }[]).map(({ value }) => value)
  }

  test('a client that spreads its polls over both gateways, on kept connections, sees each record once', async () => {
    const topic = await newTopic('spread')
    await produce(topic, 0, 5)
    const path = await subscribed(topic)
    const agent = new Agent({ keepAlive: true })
    const seen: number[] = []
    for (let round = 0; round < 12; round++) {
      seen.push(...(await read(gatewayAt(round), path, agent)))
      await produce(topic, 5 + round * 2, 2)
    }
    await until('all records', async () => {
      seen.push(...(await read(gatewayAt(seen.length), path, agent)))
      return seen.length >= 29
    })
    agent.destroy()
    expect(seen).toEqual(Array.from({ length: 29 }, (_, index) => index))
  })

  test.each([
    ['the same gateway', 0],
    ['the other gateway', 1],
  ])('a read whose client vanished is handed out again: next request through %s', async (_, next) => {
    const topic = await newTopic('vanished')
    await produce(topic, 0, 3)
    const path = await subscribed(topic)
    const seen: number[] = []
    await until('the first records', async () => {
      seen.push(...(await read(gatewayAt(0), path)))
      return seen.length >= 3
    })
    for (let round = 0; round < 5; round++) {
      await produce(topic, 3 + round, 1)
      const connection = await RawConnection.open(gatewayAt(0).url)
      connection.socket.pause()
      connection.send(`GET ${path}/records HTTP/1.1\r\nHost: x\r\nAccept: ${json}\r\n\r\n`)
      // Every byte of the answer has been written, and nobody has read them.
      await until('the read to have ended', async () => readsOf(gatewayAt(0), path, round + 1))
      connection.reset()
      const again: number[] = []
      await until('the record to be handed out again', async () => {
        again.push(...(await read(gatewayAt(next), path)))
        return again.length > 0
      })
      expect(again).toEqual([3 + round])
    }
  })

  test('a reset that comes after the answer was taken for received puts the records back', async () => {
    const topic = await newTopic('late')
    await produce(topic, 0, 1)
    const path = await subscribed(topic)
    // One that has had no other reads, so that its counts can be compared with its log.
    const first = await startGateway(deployment, 'gw-3')
    extra.push(first)
    await until('the first record', async () => (await read(first, path)).length > 0)
    await produce(topic, 1, 1)
    const connection = await RawConnection.open(first.url)
    connection.socket.pause()
    connection.send(`GET ${path}/records HTTP/1.1\r\nHost: x\r\nAccept: ${json}\r\n\r\n`)
    await until('the answer to be taken for received', async () => {
      const answered = first.log().filter(line => String(line['target']).startsWith(path))
      const sent = answered.some(line => line['target'] === `${path}/records`)
      return sent && (await outcomes(first)).delivered === answered.length
    })
    connection.reset()
    await until('the node to know better', async () => {
      return (await outcomes(first)).undelivered === 1
    })
    const again: number[] = []
    await until('the record to be handed out again', async () => {
      again.push(...(await read(gatewayAt(1), path)))
      return again.length > 0
    })
    expect(again).toEqual([1])
  })

  /** Whether the gateway has logged that many answers to the raw reads of this test. */
  function readsOf(gateway: LocalTier, path: string, count: number): boolean {
    const raw = gateway.log().filter(line => line['target'] === `${path}/records` && line['status'] === 200)
    return raw.length >= count
  }

  /** What the gateway has told nodes of reads. */
  async function outcomes(gateway: LocalTier): Promise<{ delivered: number; undelivered: number }> {
    const { text } = await gateway.admin('/metrics')
    const count = (outcome: string) =>
      Number(new RegExp(`read_outcomes_total{outcome="${outcome}"} (\\d+)`).exec(text)?.[1] ?? 0)
    return { delivered: count('delivered'), undelivered: count('undelivered') }
  }
})
