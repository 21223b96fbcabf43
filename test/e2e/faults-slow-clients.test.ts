import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LocalTier } from '../../infra/local/tier.ts'
import { residentBytesOf } from '../bench/process-usage.ts'
import { binary, ConsumerClient } from '../support/consumer-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { newDeployment, startGateway, startNode } from '../support/processes.ts'
import { ProduceLoad } from '../support/produce-load.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { RecordProducer } from '../support/record-producer.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'
import { metricOf, ReadyWatch } from '../support/tier-watch.ts'
import { until } from '../support/until.ts'

// Only bounds a failing test: many processes on a busy machine.

const MiB = 1024 * 1024
/** Clients that misbehave at once. */
const slow = 300

const impatient = {
  'request.head.timeout.ms': 2000,
  'request.receive.timeout.ms': 3000,
  'response.write.timeout.ms': 2000,
  'access.log.enable': false,
}

const tiers = new Map<string, LocalTier>()
let topic: string

beforeAll(async () => {
  const deployment = newDeployment()
  tiers.set('node', await startNode(deployment, 'node', { ...impatient, 'reads.memory.bytes': 32 * MiB }))
  // The node is impatient with connections that nobody uses, too: the gateway lets go of them first.
  const pool = { 'node.connection.idle.timeout.ms': 500 }
  tiers.set('gateway', await startGateway(deployment, 'gateway', { ...impatient, ...pool }))
  topic = uniqueName('served')
  await createTopic(kafkaAddress(), topic)
})

afterAll(async () => {
  await Promise.all([...tiers.values()].map(tier => tier.kill()))
})

function tierOf(name: string): LocalTier {
  const tier = tiers.get(name)
  if (!tier) throw new Error(`no ${name}`)
  return tier
}

/**
 * Runs `misbehave` while other clients are served: none of them may see an error, `/ready` stays true, and the
 * resident memory of both tiers grows by less than `growthMax` bytes.
 */
async function whileOthersAreServed(
  name: string,
  misbehave: (tier: LocalTier, load: ProduceLoad) => Promise<void>,
  growthMax = 64 * MiB,
): Promise<void> {
  const tier = tierOf(name)
  const load = ProduceLoad.start({ topic, url: () => tier.url })
  const watches = [...tiers.values()].map(each => new ReadyWatch(each))
  await load.progress()
  const before = [...tiers.values()].map(({ pid }) => residentBytesOf(pid))
  let growth = before.map(() => 0)
  const sampling = setInterval(() => {
    growth = [...tiers.values()].map(({ pid }, index) =>
      Math.max(growth[index] ?? 0, residentBytesOf(pid) - (before[index] ?? 0)),
    )
  }, 50)
  try {
    await misbehave(tier, load)
    await load.progress()
  } finally {
    clearInterval(sampling)
    await load.stop()
    await Promise.all(watches.map(watch => watch.stop()))
  }
  expect([load.refused, [...load.unanswered]]).toEqual([[], []])
  expect(watches.flatMap(({ said }) => said.map(({ status }) => status))).toEqual([200, 200])
  const shown = [...tiers.keys()].map(
    (each, index) => `${each} ${Math.round((growth[index] ?? 0) / MiB)} MiB`,
  )
  console.info(
    `at the ${name}: resident memory grew by ${shown.join(', ')}; ${load.acknowledged.size} requests served`,
  )
  for (const bytes of growth) expect(bytes).toBeLessThan(growthMax)
}

const open = (tier: LocalTier): Promise<RawConnection[]> =>
  Promise.all(Array.from({ length: slow }, () => RawConnection.open(tier.url)))

/** Sends one more byte on each connection, until all have ended. */
async function dribble(connections: readonly RawConnection[]): Promise<void> {
  while (connections.some(({ closed }) => !closed)) {
    for (const connection of connections) if (!connection.closed) connection.send('a')
    await sleep(250)
  }
}

describe.each(['gateway', 'node'])('slow clients of the %s', name => {
  test('that send a byte of the head now and then are told 408 and closed', async () => {
    await whileOthersAreServed(name, async (tier, load) => {
      const connections = await open(tier)
      for (const connection of connections) connection.send('POST /topics/t HTTP/1.1\r\nHost: a\r\nX-Slow: ')
      const dribbling = dribble(connections)
      await load.progress()
      await dribbling
      for (const { received } of connections) expect(received).toMatch(/^HTTP\/1\.1 408 /)
    })
  })

  test('that send a byte of the body now and then are told 408 and closed, also behind the gateway', async () => {
    await whileOthersAreServed(name, async (tier, load) => {
      const connections = await open(tier)
      const head = `POST /topics/${topic} HTTP/1.1\r\nHost: a\r\nContent-Type: application/vnd.kafka.json.v2+json\r\n`
      for (const connection of connections)
        connection.send(`${head}Content-Length: 1000000\r\n\r\n{"records":`)
      const dribbling = dribble(connections)
      await load.progress()
      await dribbling
      for (const { received } of connections) expect(received).toMatch(/^HTTP\/1\.1 408 /)
      await until('nothing of them to be left', async () => {
        const bytes = await metricOf(tierOf('node'), 'kafka_rest_node_request_body_bytes')
        return bytes < 1000
      })
    })
  })

  test('that never read their answer are cut, and what they did not get is handed out again', async () => {
    const large = uniqueName('large')
    await createTopic(kafkaAddress(), large)
    const producer = await RecordProducer.start(kafkaAddress())
    const value = Buffer.alloc(100_000, 7)
    for (let count = 0; count < 24; count++) await producer.send(large, Array(10).fill({ value }))
    await producer.stop()
    const readers = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const client = await ConsumerClient.create(tierOf(name).url, uniqueName('g'), `i-${index}`, {
          format: 'binary',
          // All of it in one answer, which no buffer between the processes can hold.
          'fetch.min.bytes': -1,
          'consumer.request.timeout.ms': 10_000,
        })
        expect((await client.assign([large, 0])).status).toBe(204)
        return client
      }),
    )
    await whileOthersAreServed(
      name,
      async tier => {
        const stalls = `kafka_rest_${name}_client_troubles_total{trouble="write_stalled"}`
        const before = await metricOf(tier, stalls)
        for (const { base } of readers) {
          const connection = await RawConnection.open(tier.url)
          connection.socket.pause()
          connection.send(`GET ${base}/records HTTP/1.1\r\nHost: a\r\nAccept: ${binary}\r\n\r\n`)
        }
        await until('all to be cut', async () => (await metricOf(tier, stalls)) >= before + readers.length)
        for (const client of readers) {
          // 503 asks to be retried: on a busy machine the node may not have heard of the failed read at once.
          const [first] = await until('a read', () => client.take(1, '?max_bytes=200000'))
          expect(first?.offset).toBe(0)
          expect((await client.delete()).status).toBe(204)
          client.close()
        }
      },
      160 * MiB,
    )
  })
})
