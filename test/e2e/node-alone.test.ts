import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { LocalTier } from '../../infra/local/tier.ts'
import { http } from '../support/http-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { newDeployment, startNode } from '../support/processes.ts'
import { typeOf, v2 } from '../support/produce-node.ts'
import { schemaSamples } from '../support/schema-samples.ts'
import { kafkaAddress, schemaRegistryUrl, uniqueName } from '../support/services.ts'

/** One node without Redis and without a gateway, as the original is deployed, that only produces. */
let node: LocalTier
const topic = uniqueName('alone')

beforeAll(async () => {
  node = await startNode(newDeployment(), 'alone', {
    'redis.url': '',
    'schema.registry.url': schemaRegistryUrl(),
    'host.name': 'proxy.example',
  })
  await createTopic(kafkaAddress(), topic, { partitions: 4 })
})

afterAll(async () => {
  await node?.stop()
})

const post = (path: string, type: string, body: unknown) =>
  http({
    base: node.url,
    path,
    method: 'POST',
    headers: { 'Content-Type': type },
    body: JSON.stringify(body),
  })

/** A body for each format: what a first request says, and what all others say. */
const bodies: Record<string, { readonly first: object; readonly record: object }> = {
  binary: { first: {}, record: { value: Buffer.alloc(100, 7).toString('base64') } },
  json: { first: {}, record: { value: { text: 'x'.repeat(88) } } },
  ...Object.fromEntries(
    schemaSamples.map(({ format, schema, value }) => [
      format,
      { first: { value_schema: schema }, record: { value } },
    ]),
  ),
}

test('base_uri names the host that clients come to without a gateway', async () => {
  const { status, json } = await post(`/consumers/${uniqueName('g')}`, v2, { name: 'i', format: 'binary' })
  expect(status).toBe(200)
  expect((json() as { base_uri: string }).base_uri).toMatch(/^http:\/\/proxy\.example:\d+\/consumers\//)
})

test('a load of all formats stays under 256 MB; metrics show each buffer, and schemas come from the cache', async () => {
  for (const [format, { first, record }] of Object.entries(bodies)) {
    const of = `${topic}-${format}`
    await createTopic(kafkaAddress(), of, { partitions: 4 })
    const send = (body: object) => post(`/topics/${of}`, typeOf(format), body)
    const { status, text, json } = await send({ ...first, records: [record] })
    expect(status, text).toBe(200)
    const id = (json() as { value_schema_id: number | null }).value_schema_id
    const schema = id === null ? {} : { value_schema_id: id }
    const sendMany = async () => {
      for (let count = 0; count < 40; count++) {
        const answer = await send({ ...schema, records: Array(10).fill(record) })
        expect(answer.status, answer.text).toBe(200)
      }
    }
    await Promise.all(Array.from({ length: 16 }, sendMany))
  }
  const most = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${node.pid}/status`, 'utf8'))?.[1])
  console.info(`resident at most: ${Math.round(most / 1024)} MiB`)
  expect(most).toBeLessThan(256e6 / 1024)

  const { text } = await node.admin('/metrics')
  const metric = (series: string) =>
    Number(
      text
        .split('\n')
        .find(line => line.startsWith(`${series} `))
        ?.split(' ')[1],
    )
  for (const format of Object.keys(bodies)) {
    expect(metric(`kafka_rest_node_producer_buffer_bytes{format="${format}"}`), format).toBe(0)
    expect(metric(`kafka_rest_node_produced_records_total{format="${format}"}`), format).toBe(6401)
  }
  const lookUps = [
    ...text.matchAll(/^kafka_rest_node_schema_cache_total\{cache="(.+)",result="(hit|miss)"\} (\d+)$/gm),
  ]
  const sum = (result: string) =>
    lookUps
      .filter(([, , found]) => found === result)
      .reduce((total, [, , , count]) => total + Number(count), 0)
  expect(sum('miss')).toBeGreaterThan(0)
  expect(sum('hit')).toBeGreaterThan(100 * sum('miss'))
})
