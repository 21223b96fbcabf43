import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LocalTier } from '../../infra/local/tier.ts'
import { type BadRequest, badRequests, type Expected, tableLimits } from '../support/bad-requests.ts'
import { http } from '../support/http-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { newDeployment, startGateway, startNode } from '../support/processes.ts'
import { kafkaAddress, schemaRegistryUrl, uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'
import { WireClient, type WireReply } from '../support/wire-client.ts'

const v2 = 'application/vnd.kafka.v2+json'

/** Longer than any limit of time in the table: it only bounds a hang. */
const answerTimeoutMs = 20_000
const rowsAtOnce = 8

const subjects = {
  topic: uniqueName('bad-requests'),
  group: uniqueName('bad-requests'),
  idle: 'idle',
  assigned: 'assigned',
  subscribed: 'subscribed',
}
let node: LocalTier
let gateway: LocalTier

async function post(path: string, body: object): Promise<void> {
  const { status, text } = await http({
    base: gateway.url,
    method: 'POST',
    path,
    headers: { 'Content-Type': v2 },
    body: JSON.stringify(body),
  })
  if (status >= 300) throw new Error(`POST ${path}: ${status} ${text}`)
}

beforeAll(async () => {
  const { topic, group, idle, assigned, subscribed } = subjects
  await createTopic(kafkaAddress(), topic)
  const deployment = newDeployment()
  node = await startNode(deployment, 'bad-node', {
    ...tableLimits,
    'schema.registry.url': schemaRegistryUrl(),
    // A busy machine's registry is slow; the rows here are not about that.
    'schema.registry.http.read.timeout.ms': 15_000,
    'kafka.unknown.topic.doubt.ms': 0,
    'consumer.request.timeout.ms': 100,
  })
  gateway = await startGateway(deployment, 'bad-gateway', {
    ...tableLimits,
    // While the gateway is new it asks nodes about unknown instances; one that is busy would make it say 503.
    'node.question.timeout.ms': 10_000,
  })
  await post(`/consumers/${group}`, { name: idle })
  await post(`/consumers/${group}`, { name: assigned, format: 'json' })
  await post(`/consumers/${group}`, { name: subscribed, format: 'avro' })
  await post(`/consumers/${group}/instances/${assigned}/assignments`, {
    partitions: [{ topic, partition: 0 }],
  })
  await post(`/consumers/${group}/instances/${subscribed}/subscription`, { topics: [topic] })
})

afterAll(async () => {
  await Promise.all([gateway?.stop(), node?.stop()])
})

async function answerOf({ url }: LocalTier, { bytes, end }: BadRequest): Promise<WireReply> {
  const client = new WireClient(url)
  try {
    const reply = await client.ask(bytes, { timeoutMs: answerTimeoutMs, end: end === true })
    if (client.surplus !== '') throw new Error(`more than one answer: ${client.surplus.slice(0, 200)}`)
    return reply
  } finally {
    client.close()
  }
}

/** What is wrong with an answer, or undefined. */
function problemOf(reply: WireReply, expected: Expected): string | undefined {
  if (reply.status !== expected.status) return `status, not ${expected.status}`
  const hasType = reply.headers.has('content-type')
  if (expected.code === undefined) {
    return reply.text.includes(expected.includes ?? '') ? undefined : `body, without ${expected.includes}`
  }
  if (hasType === (expected.bare === true)) return `Content-Type ${reply.headers.get('content-type')}`
  const body = JSON.parse(reply.text) as Record<string, unknown>
  if (Object.keys(body).join() !== 'error_code,message') return 'fields of the body'
  if (body['error_code'] !== expected.code) return `error_code, not ${expected.code}`
  const message = String(body['message'])
  if (expected.text !== undefined && message !== expected.text) return `message, not ${expected.text}`
  if (!message.startsWith(expected.prefix ?? '')) return `message, not ${expected.prefix}…`
  return undefined
}

async function judge(row: BadRequest): Promise<string[]> {
  const problems: string[] = []
  const replies: string[] = []
  for (const tier of [node, gateway]) {
    const expected = (tier === gateway ? row.atGateway : undefined) ?? row.expected
    const said = (text: string) => problems.push(`${row.name} at ${tier.id}: ${text}`)
    try {
      const reply = await answerOf(tier, row)
      const { status, headers, text } = reply
      const problem = problemOf(reply, expected)
      if (problem) said(`${problem}: ${status} ${text.slice(0, 300)}`)
      if (/\n\s+at |node:internal|\.ts:\d+/.test(text)) said(`a stack trace: ${text}`)
      replies.push(`${status} ${headers.get('content-type')} ${expected.code === undefined ? '' : text}`)
    } catch (error) {
      said(String(error))
    }
  }
  if (!row.atGateway && replies.length === 2 && replies[0] !== replies[1])
    problems.push(`${row.name}: not the same: ${replies.join(' | ')}`)
  return problems
}

async function gauge(tier: LocalTier, name: string): Promise<number> {
  const { text } = await tier.admin('/metrics')
  const values = text.split('\n').filter(line => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
  return values.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

/** Open sockets of a process, of both directions. */
async function sockets(tier: LocalTier): Promise<number> {
  const { text } = await tier.admin('/metrics')
  const count = /^nodejs_active_handles\{type="Socket"\} (\d+)$/m.exec(text)?.[1]
  if (count === undefined) throw new Error('the metric of open sockets is missing')
  return Number(count)
}

describe('bad requests, at a gateway and at a node', () => {
  test('each has its status, code and text, from both alike', { timeout: 300_000 }, async () => {
    const rows = badRequests(subjects)
    expect(rows.length).toBeGreaterThan(200)
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length)
    const problems: string[] = []
    const queue = rows.values()
    const worker = async () => {
      for (const row of queue) problems.push(...(await judge(row)))
    }
    await Promise.all(Array.from({ length: rowsAtOnce }, worker))
    expect(problems.join('\n')).toBe('')
  })

  test('good requests are served after all that, by both', async () => {
    const { topic, group, assigned } = subjects
    const json = 'application/vnd.kafka.json.v2+json'
    for (const { url } of [node, gateway]) {
      const body = '{"records":[{"value":"good"}]}'
      const headers = { 'Content-Type': json }
      const produced = await http({ base: url, method: 'POST', path: `/topics/${topic}`, headers, body })
      expect([produced.status, produced.json()]).toMatchObject([200, { offsets: [{ error: null }] }])
      const path = `/consumers/${group}/instances/${assigned}/records`
      const read = await http({ base: url, path, headers: { Accept: json } })
      expect(read.status).toBe(200)
    }
  })

  test('nothing is left of them: no body, no request, no connection, no error in a log', async () => {
    const isZero = (tier: LocalTier, name: string) =>
      until(`${name} to be 0`, async () => (await gauge(tier, name)) === 0)
    await isZero(node, 'kafka_rest_node_request_body_bytes')
    await isZero(gateway, 'kafka_rest_gateway_node_requests_in_flight')
    // The hundreds of connections of the table are closed; what stays are those to Kafka, Redis and between the two.
    for (const tier of [node, gateway])
      await until(`the sockets of ${tier.id} to be few`, async () => (await sockets(tier)) < 24)
    for (const tier of [node, gateway]) {
      const errors = tier.log().filter(({ level, text }) => level === 'error' || level === 'fatal' || text)
      expect(errors, tier.id).toEqual([])
      expect((await tier.admin('/ready')).status).toBe(200)
    }
  })
})
