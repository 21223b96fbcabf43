import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { LocalKafka } from '../../infra/local/kafka.ts'
import { createTopic, deleteTopic, readTopic } from '../support/kafka-topics.ts'
import { ProduceNode } from '../support/produce-node.ts'
import { startPrivateKafka, uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

/** Produce while the broker fails, on a broker of this file's own. */

let kafka: LocalKafka
let node: ProduceNode

beforeAll(async () => {
  kafka = await startPrivateKafka({ properties: { 'auto.create.topics.enable': 'false' } })
  node = await ProduceNode.start({ 'bootstrap.servers': kafka.address })
})

afterAll(async () => {
  await node?.stop()
  await kafka?.stop()
})

interface Offsets {
  readonly offsets: readonly {
    readonly partition: number | null
    readonly offset: number | null
    readonly error_code: number | null
    readonly error: string | null
  }[]
}

const offsetsOf = (answer: { json(): unknown }) => (answer.json() as Offsets).offsets

test('§9 16: a topic that does not exist is 200 with an error for each record', async () => {
  const topic = uniqueName('nope')
  const answer = await node.produce(`/topics/${topic}`, { records: [{ value: 1 }, { value: 2 }] })
  expect(answer.status).toBe(200)
  for (const { partition, offset, error_code, error } of offsetsOf(answer)) {
    expect({ partition, offset, error_code }).toEqual({ partition: null, offset: null, error_code: 50003 })
    expect(error).toMatch(new RegExp(`^Topic ${topic} not present in metadata after \\d+ ms\\.$`))
  }
  // Once it is there, it is found.
  await createTopic(kafka.address, topic)
  await until('the topic is found', async () => {
    const [first] = offsetsOf(await node.produce(`/topics/${topic}`, { records: [{ value: 1 }] }))
    return first?.offset === 0
  })
})

test('a deleted topic fails for itself, and harms no other', async () => {
  const [kept, deleted] = [uniqueName('kept'), uniqueName('deleted')]
  await createTopic(kafka.address, kept)
  await createTopic(kafka.address, deleted)
  for (const topic of [kept, deleted]) await node.produce(`/topics/${topic}`, { records: [{ value: 1 }] })
  await deleteTopic(kafka.address, deleted)
  const [gone, fine] = await Promise.all([
    node.produce(`/topics/${deleted}`, { records: [{ value: 2 }] }),
    node.produce(`/topics/${kept}`, { records: [{ value: 2 }] }),
  ])
  expect(gone.status).toBe(200)
  expect(offsetsOf(gone)).toMatchObject([{ error_code: 50003 }])
  expect(offsetsOf(fine)).toMatchObject([{ offset: 1, error: null }])
})

test('a broker that is killed and started again in mid-load: what was acknowledged is there, once and where it was said', async () => {
  const topic = uniqueName('restart')
  await createTopic(kafka.address, topic, { partitions: 3 })
  const acknowledged = new Map<string, string>()
  const failed: string[] = []
  let running = true
  let sent = 0
  async function client(): Promise<void> {
    while (running) {
      const records = Array.from({ length: 4 }, () => ({ value: sent++ }))
      const answer = await node.produce(`/topics/${topic}`, { records })
      for (const [index, { partition, offset, error }] of offsetsOf(answer).entries()) {
        if (error === null) acknowledged.set(`${partition}@${offset}`, `${records[index]?.value}`)
        else failed.push(error)
      }
      await sleep(5)
    }
  }
  const clients = Array.from({ length: 12 }, client)
  for (const end of ['kill', 'stop'] as const) {
    const before = acknowledged.size
    await until('load runs', () => acknowledged.size > before + 200)
    await kafka[end]()
    await kafka.restart()
  }
  const after = acknowledged.size
  await until('load runs again', () => acknowledged.size > after + 200)
  running = false
  await Promise.all(clients)
  expect(failed).toEqual([])
  const found = await readTopic(kafka.address, topic)
  const places = new Map(found.map(({ partition, offset, value }) => [`${partition}@${offset}`, `${value}`]))
  for (const [place, value] of acknowledged) expect(`${place} ${places.get(place)}`).toBe(`${place} ${value}`)
  // No answer was an error, so everything that was sent is there, and sequence numbers keep it from being there twice.
  expect(found.map(({ value }) => Number(value)).sort((a, b) => a - b)).toEqual(
    Array.from({ length: sent }, (_, index) => index),
  )
}, 180_000)

test('without a broker a request waits max.block.ms for metadata, then each record has its error', async () => {
  const impatient = await ProduceNode.start({
    'bootstrap.servers': '127.0.0.1:1',
    'producer.max.block.ms': '300',
  })
  const answer = await impatient.produce('/topics/t', { records: [{ value: 1 }] })
  expect(answer.status).toBe(200)
  expect(offsetsOf(answer)).toMatchObject([
    { error_code: 50003, error: expect.stringMatching(/^Topic t not present in metadata after \d+ ms\.$/) },
  ])
  await impatient.stop()
})
