import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { LocalTier } from '../../infra/local/tier.ts'
import { binary, ConsumerClient } from '../support/consumer-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { newDeployment, startNode } from '../support/processes.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { RecordProducer } from '../support/record-producer.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

const MiB = 1024 * 1024
/** For 85 MB on a busy machine: the read itself must not end before. */
const readMs = 200_000

let node: LocalTier
let producer: RecordProducer

beforeAll(async () => {
  node = await startNode(newDeployment(), 'node-1')
  producer = await RecordProducer.start(kafkaAddress())
})

afterAll(async () => {
  await producer?.stop()
  await node?.stop()
})

/** Resident memory of the node's process, in bytes. */
const resident = () =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${node.pid}/status`, 'utf8'))?.[1]) * 1024

async function reading(topic: string) {
  const client = await ConsumerClient.create(node.url, uniqueName('g'), 'i', {
    format: 'binary',
    'fetch.min.bytes': -1,
    'consumer.request.timeout.ms': readMs,
  })
  await client.subscribe(topic)
  return client
}

test('a read of 64 MiB keeps the process within 96 MiB of its baseline, however slow the client is', async () => {
  const topic = uniqueName('t')
  await createTopic(kafkaAddress(), topic, { partitions: 4 })
  const value = Buffer.alloc(50_000, 7)
  // 68 MiB of values: a read stops at consumer.request.max.bytes, 64 MiB.
  for (let batch = 0; batch < 71; batch++)
    await producer.send(topic, Array(20).fill({ value, partition: batch % 4 }))
  const warm = await reading(topic)
  await warm.read('?max_bytes=5000000')
  await warm.delete()
  warm.close()
  const baseline = resident()
  let most = baseline
  const sampling = setInterval(() => {
    most = Math.max(most, resident())
  }, 5)
  try {
    const client = await reading(topic)
    const connection = await RawConnection.open(node.url)
    let bytes = 0
    let last = ''
    connection.socket.removeAllListeners('data')
    connection.socket.on('data', (text: string) => {
      bytes += text.length
      last = (last + text).slice(-10)
      // Slower than the node could write: what it holds meanwhile is the question.
      connection.socket.pause()
      setTimeout(() => connection.socket.resume(), bytes % 20 === 0 ? 5 : 0)
    })
    connection.send(`GET ${client.base}/records HTTP/1.1\r\nHost: x\r\nAccept: ${binary}\r\n\r\n`)
    await until('the whole answer', () => last.endsWith(']\r\n0\r\n\r\n'), { timeoutMs: readMs })
    expect(bytes).toBeGreaterThan((64 * MiB * 4) / 3 - MiB)
    connection.end()
    await client.delete()
    client.close()
  } finally {
    clearInterval(sampling)
  }
  console.info(`resident: ${Math.round(baseline / MiB)} MiB before, ${Math.round(most / MiB)} MiB at most`)
  expect(most - baseline).toBeLessThan(96 * MiB)
}, 300_000)

test('200 idle subscribed instances cost less than 1 MB each', async () => {
  const topic = uniqueName('t')
  await createTopic(kafkaAddress(), topic, { partitions: 4 })
  const group = uniqueName('g')
  const create = async (index: number) => {
    const client = await ConsumerClient.create(node.url, `${group}-${index % 20}`, `i-${index}`)
    await client.subscribe(topic)
    await client.records('?timeout=1')
    client.close()
  }
  for (let index = 0; index < 20; index++) await create(index)
  const baseline = resident()
  for (let from = 20; from < 220; from += 20)
    await Promise.all(Array.from({ length: 20 }, (_, index) => create(from + index)))
  const each = (resident() - baseline) / 200
  console.info(`an idle instance: ${Math.round(each / 1024)} KiB`)
  expect(each).toBeLessThan(1_000_000)
}, 300_000)
