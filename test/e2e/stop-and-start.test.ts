import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { freePort } from '../../infra/local/free-port.ts'
import type { LocalKafka } from '../../infra/local/kafka.ts'
import type { LocalTier } from '../../infra/local/tier.ts'
import { ConsumerClient } from '../support/consumer-client.ts'
import { http } from '../support/http-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { killedAfterEach } from '../support/killed-after-each.ts'
import { launchGateway, launchNode, newDeployment, startGateway, startNode } from '../support/processes.ts'
import { ProduceLoad } from '../support/produce-load.ts'
import { kafkaAddress, startPrivateKafka, startPrivateRedis, uniqueName } from '../support/services.ts'
import { ReadyWatch } from '../support/tier-watch.ts'
import { until } from '../support/until.ts'

// Only bounds a failing test: many processes on a busy machine.

const quiet = {
  'access.log.enable': false,
  // A node that a busy machine keeps from answering a question would make a gateway say 503.
  'node.question.timeout.ms': 10_000,
}
const track = killedAfterEach()

async function newTopic(): Promise<string> {
  const topic = uniqueName('t')
  await createTopic(kafkaAddress(), topic, { partitions: 2 })
  return topic
}

/** A client that polls an empty topic for as long as it may, again and again, and notes how each poll ended. */
class LongPoll {
  readonly ends: string[] = []
  readonly #polling: Promise<void>
  #running = true

  constructor(client: ConsumerClient) {
    this.#polling = this.#poll(client)
  }

  async stop(): Promise<void> {
    this.#running = false
    await this.#polling
  }

  async #poll(client: ConsumerClient): Promise<void> {
    while (this.#running) {
      const end = await client.read('?timeout=3000').then(
        ({ status, text }) => `${status} ${text}`,
        error => String(error),
      )
      this.ends.push(end)
      await sleep(20)
    }
  }
}

describe('SIGTERM in mid-load', () => {
  test('of one of two gateways behind a balancer: no client sees an error, and every answer is true', async () => {
    const deployment = newDeployment()
    track(await startNode(deployment, 'node', quiet))
    // Long enough for a balancer on a busy machine to see it.
    const drain = { ...quiet, 'drain.delay.ms': 10_000 }
    const [first, second] = [
      track(await startGateway(deployment, 'gw-1', drain)),
      track(await startGateway(deployment, 'gw-2', drain)),
    ]
    const topic = await newTopic()
    const watches = [first, second].map(gateway => ({ gateway, watch: new ReadyWatch(gateway) }))
    /** As a balancer that checks /ready does: the first one that was ready when last asked. */
    const balanced = () =>
      watches.find(({ watch }) => watch.said.at(-1)?.status === 200)?.gateway.url ?? second.url
    const load = ProduceLoad.start({ topic, url: balanced, clients: 8 })
    const patient = { 'consumer.request.timeout.ms': 60_000 }
    const poller = await ConsumerClient.create(first.url, uniqueName('g'), 'poller', patient)
    await poller.assign([await newTopic(), 0])
    // Longer than the gateway says that it stops: it is under way when its listener closes.
    const polling = poller.read('?timeout=14000')
    await load.progress(200)
    const exit = await first.stop(40_000)
    expect(exit).toEqual({ code: 0, signal: null })
    // A poll that was under way got its answer.
    expect([(await polling).status, (await polling).text]).toEqual([200, '[]'])
    await load.progress(200)
    await load.stop()
    await Promise.all(watches.map(({ watch }) => watch.stop()))
    expect([load.refused, [...load.unanswered]]).toEqual([[], []])
    expect(await load.audit(kafkaAddress())).toEqual({ missing: [], unexplained: [] })
    // It said that it stops while it still served, and the other one stayed ready.
    expect(watches.map(({ watch }) => watch.said.map(({ status }) => status))).toEqual([[200, 503, 0], [200]])
    poller.close()
  })

  test('of the only gateway: what was not answered was not done', async () => {
    const deployment = newDeployment()
    track(await startNode(deployment, 'node', quiet))
    const gateway = track(await startGateway(deployment, 'gateway', quiet))
    const topic = await newTopic()
    const load = ProduceLoad.start({ topic, url: () => gateway.url, clients: 8 })
    await load.progress(200)
    expect(await gateway.stop(40_000)).toEqual({ code: 0, signal: null })
    await load.stop()
    expect(load.refused).toEqual([])
    expect(await load.audit(kafkaAddress())).toEqual({ missing: [], unexplained: [] })
  })

  test('of one node after the other: no client of the gateway sees an error, and every answer is true', async () => {
    const deployment = newDeployment()
    const nodes = await Promise.all(['node-1', 'node-2'].map(id => startNode(deployment, id, quiet)))
    for (const node of nodes) track(node)
    const gateway = track(await startGateway(deployment, 'gateway', quiet))
    const topic = await newTopic()
    const watch = new ReadyWatch(gateway)
    const load = ProduceLoad.start({ topic, url: () => gateway.url, clients: 8 })
    const empty = await newTopic()
    const pollers = await Promise.all(
      Array.from({ length: 6 }, async (_, index) => {
        const client = await ConsumerClient.create(gateway.url, uniqueName('g'), `poller-${index}`)
        expect((await client.assign([empty, 0])).status).toBe(204)
        return { client, poll: new LongPoll(client) }
      }),
    )
    await load.progress(200)
    for (const node of nodes) {
      await node.stop(40_000).then(exit => expect(exit).toEqual({ code: 0, signal: null }))
      await load.progress(100)
      await node.restart()
      await load.progress(100)
    }
    await load.stop()
    await Promise.all(pollers.map(({ poll }) => poll.stop()))
    await watch.stop()
    expect([load.refused, [...load.unanswered]]).toEqual([[], []])
    expect(await load.audit(kafkaAddress())).toEqual({ missing: [], unexplained: [] })
    expect(watch.said.map(({ status }) => status)).toEqual([200])
    // Each poll was answered: with what there was, or with the sign to create the consumer anew.
    const gone = '404 {"error_code":40403,"message":"Consumer instance not found."}'
    expect(pollers.flatMap(({ poll }) => poll.ends.filter(end => end !== '200 []' && end !== gone))).toEqual(
      [],
    )
    for (const { client, poll } of pollers) {
      expect(poll.ends.at(-1)).toBe(gone)
      client.close()
    }
  })
})

test('a node killed with -9 in mid-load comes back under its id, and its consumers can be created again', async () => {
  const deployment = newDeployment()
  const node = track(await startNode(deployment, 'node', quiet))
  const gateway = track(await startGateway(deployment, 'gateway', quiet))
  const topic = await newTopic()
  const load = ProduceLoad.start({ topic, url: () => gateway.url })
  const group = uniqueName('g')
  const before = await ConsumerClient.create(gateway.url, group, 'phoenix')
  expect((await before.subscribe(topic)).status).toBe(204)
  await load.progress(100)
  expect((await before.take(50)).length).toBeGreaterThanOrEqual(50)
  expect((await before.commit()).status).toBe(200)
  const committed = await before.committed(topic, 0)
  await node.kill()
  const startedAt = performance.now()
  await node.restart()
  await load.progress(20)
  const readyMs = performance.now() - startedAt
  const gone = await until('the sign to create it anew', async () => {
    const answer = await before.read()
    return answer.status !== 503 && answer
  })
  expect([gone.status, gone.json()]).toMatchObject([404, { error_code: 40403 }])
  const again = await ConsumerClient.create(gateway.url, group, 'phoenix')
  expect((await again.subscribe(topic)).status).toBe(204)
  await load.progress(100)
  await load.stop()
  const [first] = (await again.take(1)).filter(({ partition }) => partition === 0)
  const readMs = performance.now() - startedAt
  if (first && committed !== undefined) expect(first.offset).toBe(committed)
  console.info(
    `after kill -9 of the only node: served again after ${Math.round(readyMs)} ms, its consumer read on after ${Math.round(readMs)} ms`,
  )
  // Requests that were on their way may have been done; nothing that was acknowledged is lost.
  expect((await load.audit(kafkaAddress())).missing).toEqual([])
  for (const { status } of load.refused) expect([502, 503]).toContain(status)
  expect([...load.unanswered]).toEqual([])
  before.close()
  again.close()
})

describe('a node that starts', () => {
  const says = (node: LocalTier, pattern: RegExp) =>
    node.log().some(line => pattern.test(JSON.stringify(line)))

  test('while Kafka is away says so in its log and on /ready, and becomes ready when Kafka comes', async () => {
    // Beyond those that are handed out: this one is kept for a broker that starts later.
    const port = randomInt(32_000, 32_700)
    const bootstrapServers = `127.0.0.1:${port}`
    const node = track(await launchNode(newDeployment({ bootstrapServers }), 'node', quiet))
    let kafka: LocalKafka | undefined
    try {
      const waiting = await until('/ready to name Kafka', async () => {
        const { status, text } = await node.admin('/ready')
        return status === 503 && text.includes('kafka') && (JSON.parse(text) as { parts: object }).parts
      })
      expect(waiting).toMatchObject({
        'routing table': 'ready',
        kafka: expect.stringMatching(/broker|connect/i),
      })
      expect((await node.admin('/health')).status).toBe(200)
      await until('the log to name Kafka', () => says(node, /Kafka cannot be reached/))
      kafka = await startPrivateKafka({ preferredPort: port })
      expect(kafka.address).toBe(bootstrapServers)
      await node.untilReady()
      await until('the log to say that it is back', () => says(node, /Kafka is reached again/))
      expect((await http({ base: node.url, path: '/topics' })).status).toBe(200)
    } finally {
      await kafka?.kill()
    }
  })

  test('while Redis is away says so in its log and on /ready, serves, and becomes ready when Redis comes', async () => {
    const redis = await startPrivateRedis()
    await redis.stop()
    const deployment = newDeployment({ redisUrl: redis.url })
    const node = track(await launchNode(deployment, 'node', quiet))
    const bare = track(await launchGateway(deployment, 'bare', quiet))
    try {
      await until('/ready to name the routing table', async () => {
        const { status, text } = await node.admin('/ready')
        return status === 503 && text.includes('this node is not registered')
      })
      await until('the log to name it', () => says(node, /(Redis|routing table) cannot be reached/))
      expect((await http({ base: node.url, path: '/topics' })).status).toBe(200)
      const client = await ConsumerClient.create(node.url, uniqueName('g'), 'early')
      const nodes = `node=${node.url}`
      const gateway = track(await startGateway(deployment, 'gateway', { ...quiet, nodes }))
      const through = new ConsumerClient(gateway.url, client.group, client.name)
      expect((await through.call('GET', `${client.base}/subscription`)).status).toBe(200)
      // A gateway that was told of no nodes has nobody to send requests to.
      await until('the gateway to say so', async () => {
        const { status, text } = await bare.admin('/ready')
        return status === 503 && text.includes('no proxy node is available')
      })
      await until('the log to name Redis', () => says(bare, /Redis cannot be reached/))
      await redis.restart()
      await Promise.all([node.untilReady(), bare.untilReady()])
      expect((await through.call('GET', `${client.base}/subscription`)).status).toBe(200)
      expect((await through.delete()).status).toBe(204)
      client.close()
      through.close()
    } finally {
      await redis.kill()
    }
  })
})

test('a node on a port where nobody is Kafka yet ends on SIGTERM all the same', async () => {
  const bootstrapServers = `127.0.0.1:${await freePort()}`
  const node = track(await launchNode(newDeployment({ bootstrapServers }), 'node', quiet))
  await until('it to serve', async () => (await node.admin('/health')).status === 200)
  expect(await node.stop(40_000)).toEqual({ code: 0, signal: null })
})
