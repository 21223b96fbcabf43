import { afterAll, beforeAll, expect, test } from 'vitest'
import type { LocalTier } from '../../infra/local/tier.ts'
import { createRandom } from '../../shared/random.ts'
import { ConsumerClient, json } from '../support/consumer-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { newDeployment, startGateway, startNode } from '../support/processes.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { RecordProducer } from '../support/record-producer.ts'
import { seedFrom } from '../support/seed.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

const tiers: LocalTier[] = []
let gateway: LocalTier
let node: LocalTier
let producer: RecordProducer

beforeAll(async () => {
  const deployment = newDeployment()
  node = await startNode(deployment, 'node-1')
  tiers.push(node, await startNode(deployment, 'node-2'))
  gateway = await startGateway(deployment, 'gateway')
  tiers.push(gateway)
  producer = await RecordProducer.start(kafkaAddress())
})

afterAll(async () => {
  await producer?.stop()
  await Promise.all(tiers.map(tier => tier.stop()))
})

/** How long the clients go on; a shorter time is for trying things out. */
const seconds = Number(process.env['AUDIT_SECONDS'] ?? 60)
const clientCount = 20
/** Dropped connections of each client, at the least. */
const dropsMin = 12
const batch = 50

/** Whether an answer has come to its end: by its length, or by its last chunk. */
function isWhole(answer: string): boolean {
  const headEnd = answer.indexOf('\r\n\r\n')
  if (headEnd < 0) return false
  const length = /\r\ncontent-length: (\d+)/i.exec(answer.slice(0, headEnd))?.[1]
  return length === undefined
    ? answer.endsWith('\r\n0\r\n\r\n')
    : answer.length >= headEnd + 4 + Number(length)
}

/** As much of the body as has come, without the framing: a gateway cuts chunks wherever it likes, within records too. */
function bodyOf(answer: string): string {
  const headEnd = answer.indexOf('\r\n\r\n')
  if (headEnd < 0) return ''
  if (!/\r\ntransfer-encoding: chunked/i.test(answer.slice(0, headEnd))) return answer.slice(headEnd + 4)
  let body = ''
  for (let at = headEnd + 4; at < answer.length; ) {
    const line = answer.indexOf('\r\n', at)
    if (line < 0) break
    const size = Number.parseInt(answer.slice(at, line), 16)
    body += answer.slice(line + 2, line + 2 + size)
    at = line + 2 + size + 2
  }
  return body
}

/**
 * A client that drops its connection at random points of its answers. It keeps a journal of every record that it has
 * seen whole, and checks after each of its commits that nothing is committed which is not in it.
 */
async function dropping(
  url: string,
  random: () => number,
): Promise<{ received: Set<number>; total: number; drops: number }> {
  const topic = uniqueName('audit')
  await createTopic(kafkaAddress(), topic)
  let total = 0
  const sendMore = async () => {
    const values = Array.from({ length: batch }, (_, index) => ({
      value: `{"n":${total + index},"x":"${'x'.repeat(2000)}"}`,
    }))
    await producer.send(topic, values)
    total += batch
  }
  const end = performance.now() + seconds * 1000
  const client = await ConsumerClient.create(url, uniqueName('g'), uniqueName('i'), {
    'auto.commit.enable': String(random() < 0.5),
    'fetch.min.bytes': random() < 0.5 ? 1 : 200_000,
  })
  await client.subscribe(topic)
  const received = new Set<number>()
  const note = (text: string) => {
    for (const [, offset] of bodyOf(text).matchAll(/"partition":0,"offset":(\d+)\}/g))
      received.add(Number(offset))
  }
  let dropped = 0
  while (dropped < dropsMin || performance.now() < end) {
    if (received.size > total - 2 * batch) await sendMore()
    const connection = await RawConnection.open(url)
    connection.send(
      `GET ${client.base}/records?max_bytes=${20_000 + Math.floor(random() * 200_000)} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nAccept: ${json}\r\n\r\n`,
    )
    const bytes = Math.floor(random() * 150_000)
    await until(
      'part of an answer',
      () => connection.received.length > bytes || isWhole(connection.received) || connection.closed,
      { intervalMs: 2 },
    )
    note(connection.received)
    if (random() < 0.7) {
      dropped++
      connection.reset()
    } else {
      await until('the whole answer', () => isWhole(connection.received))
      note(connection.received)
      connection.end()
    }
    if (random() < 0.4) expect([200, 503]).toContain((await client.commit()).status)
    const committed = (await client.committed(topic)) ?? 0
    for (let offset = 0; offset < committed; offset++)
      if (!received.has(offset))
        throw new Error(`${offset} is committed (${committed}) but was never received at ${url}`)
  }
  // Offsets that are missing show where something was lost.
  const missing = () =>
    Array.from({ length: total }, (_, offset) => offset).filter(offset => !received.has(offset))
  await until(`everything was received at ${url}`, async () => {
    for (const { offset } of await client.records()) received.add(offset)
    if (received.size < total) throw new Error(`missing of ${total}: ${missing()}`)
    return true
  })
  // 503 asks to be retried, as above.
  await until(`the last commit at ${url}`, async () => (await client.commit()).status === 200)
  expect(await client.committed(topic)).toBe(total)
  await client.delete()
  client.close()
  return { received, total, drops: dropped }
}

test('20 clients drop their connections in mid-answer for a minute, on a node and through the gateway: all is delivered, nothing is committed unseen', async () => {
  const seed = seedFrom('AUDIT_SEED')
  console.info(`AUDIT_SEED=${seed}`)
  const audits = await Promise.all(
    Array.from({ length: clientCount }, (_, index) =>
      dropping(index % 2 === 0 ? node.url : gateway.url, createRandom(seed + index)),
    ),
  )
  expect(audits.map(({ received }) => received.size)).toEqual(audits.map(({ total }) => total))
  for (const { drops } of audits) expect(drops).toBeGreaterThanOrEqual(dropsMin)
}, 300_000)
