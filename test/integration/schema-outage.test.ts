import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LocalSchemaRegistry } from '../../infra/local/schema-registry.ts'
import { schemaSettings } from '../../proxy-node/schema-settings.ts'
import { ConsumerClient } from '../support/consumer-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { ProduceNode, typeOf } from '../support/produce-node.ts'
import { RecordProducer } from '../support/record-producer.ts'
import { kafkaAddress, startPrivateSchemaRegistry, uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

/** The registry goes away under load and comes back: what needs it not goes on, the rest is told quickly. */

/** The product's own default: it is what bounds the wait for a registry that does not answer, and the wait is to be below 2 s. */
const defaultTimeoutMs = Number(
  schemaSettings.find(({ key }) => key === 'schema.registry.http.read.timeout.ms')?.default,
)

/** Of the node here: so long that one wait and two waits are told apart on a busy machine too. */
const callTimeoutMs = 6000

let registry: LocalSchemaRegistry
let node: ProduceNode
let producer: RecordProducer

beforeAll(async () => {
  registry = await startPrivateSchemaRegistry()
  node = await ProduceNode.start({
    'schema.registry.url': registry.url,
    'schema.registry.http.read.timeout.ms': String(callTimeoutMs),
  })
  producer = await RecordProducer.start(kafkaAddress())
})

afterAll(async () => {
  await producer?.stop()
  await node?.stop()
  await registry?.kill()
})

async function newTopic(): Promise<string> {
  const topic = uniqueName('outage')
  await createTopic(kafkaAddress(), topic)
  return topic
}

const schemaNamed = (name: string) =>
  `{"type":"record","name":"${name}","fields":[{"name":"a","type":"int"}]}`
const avro = (name: string) => ({ value_schema: schemaNamed(name), records: [{ value: { a: 1 } }] })

async function produce(topic: string, format: string, body: unknown) {
  const answer = await node.produce(`/topics/${topic}`, body, format)
  return {
    status: answer.status,
    body: answer.json() as { error_code?: number; value_schema_id?: number; message?: string },
  }
}

/** Traffic that has no need of the registry; every answer but 200 is kept. */
function load(requests: () => Promise<{ status: number; body: unknown }>) {
  const failures: unknown[] = []
  let sent = 0
  let going = true
  const loop = async () => {
    while (going) {
      const answer = await requests()
      sent++
      if (answer.status !== 200) failures.push(answer)
    }
  }
  const done = Promise.all([loop(), loop()])
  return {
    sent: () => sent,
    async stop() {
      going = false
      await done
      return failures
    },
  }
}

async function readAvro(topic: string) {
  const client = await ConsumerClient.create(node.url, uniqueName('g'), uniqueName('i'), {
    format: 'avro',
    // The read ends with the record or its error, however long a busy machine takes for it.
    'consumer.request.timeout.ms': 30_000,
  })
  await client.assign([topic, 0])
  const answer = await client.read('', { headers: { Accept: typeOf('avro') } })
  client.close()
  return { status: answer.status, body: answer.json() as { error_code: number } }
}

describe.each([
  {
    how: 'killed',
    leave: async (): Promise<unknown> => registry.kill(),
    comeBack: async (): Promise<unknown> => registry.restart(),
  },
  {
    how: 'stopped, so that it takes connections and never answers',
    leave: async (): Promise<unknown> => process.kill(registry.process.pid, 'SIGSTOP'),
    comeBack: async (): Promise<unknown> => process.kill(registry.process.pid, 'SIGCONT'),
  },
])('the registry is $how', ({ leave, comeBack }) => {
  test('other formats and known schemas go on, unknown ones get the contract’s error, and all is well again', async () => {
    const topic = await newTopic()
    // The first schema of a registry that has just started may take it longer than a call may take.
    const known = await until('the registry takes a schema', async () => {
      const answer = await produce(topic, 'avro', avro('Known'))
      return answer.status === 200 ? answer : undefined
    })
    const { value_schema_id } = known.body
    const [plain, binary] = [await newTopic(), await newTopic()]
    const unaffected = [
      load(() => produce(plain, 'json', { records: [{ value: { a: 1 } }] })),
      load(() => produce(binary, 'binary', { records: [{ value: 'AQ==' }] })),
      load(() => produce(topic, 'avro', avro('Known'))),
      load(() => produce(topic, 'avro', { value_schema_id, records: [{ value: { a: 2 } }] })),
    ]
    await until('each kind of traffic flows', () => unaffected.every(({ sent }) => sent() > 5))
    await leave()
    const before = unaffected.map(({ sent }) => sent())

    // Each of these needs a registry that does not answer; together they must not take longer than one.
    const foreign = await newTopic()
    await producer.send(foreign, [{ value: Buffer.of(0, 0x7f, 0, 0, 0, 0) }])
    const startMs = performance.now()
    const refused = await Promise.all([
      produce(topic, 'avro', avro('Unknown')),
      produce(topic, 'avro', { value_schema_id: 2 ** 30, records: [{ value: 1 }] }),
    ])
    const tookMs = performance.now() - startMs
    expect(refused).toMatchObject([
      {
        status: 422,
        body: {
          error_code: 42207,
          message: expect.stringContaining('Error when registering schema. format = AVRO'),
        },
      },
      {
        status: 422,
        body: {
          error_code: 42207,
          message: expect.stringContaining('Error when fetching schema by id. schemaId = 1073741824'),
        },
      },
    ])
    console.info(
      `unknown schemas were refused after ${Math.round(tookMs)} ms, by a time-out of ${callTimeoutMs} ms`,
    )
    expect(defaultTimeoutMs).toBeLessThan(2000)
    // Not a measure of speed: two waits, one after the other, would show here.
    expect(tookMs).toBeLessThan(2 * callTimeoutMs)
    expect(await readAvro(foreign)).toMatchObject({ status: 500, body: { error_code: 50003 } })
    expect(await readAvro(topic)).toMatchObject({ status: 200 })

    await until('traffic goes on', () =>
      unaffected.every(({ sent }, kind) => sent() > (before[kind] ?? 0) + 5),
    )
    await comeBack()
    // The first schema may take a process that has just started long; the node is not to blame for that.
    await until('the registry itself takes a schema', async () => {
      const schema = JSON.stringify({ schema: schemaNamed('Direct') })
      const headers = { 'Content-Type': 'application/vnd.schemaregistry.v1+json' }
      const target = `${registry.url}/subjects/${uniqueName('direct')}/versions`
      const answer = await fetch(target, { method: 'POST', headers, body: schema })
      await answer.text()
      return answer.ok
    })
    await until(
      'unknown schemas work again',
      async () => (await produce(topic, 'avro', avro('Unknown'))).status === 200,
    )
    expect((await Promise.all(unaffected.map(traffic => traffic.stop()))).flat()).toEqual([])
  })
})
