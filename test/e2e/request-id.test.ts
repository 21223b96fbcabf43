import { afterAll, beforeAll, expect, test } from 'vitest'
import type { LocalTier } from '../../infra/local/tier.ts'
import { http } from '../support/http-client.ts'
import { newDeployment, startGateway, startNode } from '../support/processes.ts'
import { until } from '../support/until.ts'

/** One id for a request, in the answer and in the logs of both tiers. */

/** A node that a busy machine keeps from answering a question would make the gateway say 503. */
const patient = { 'node.question.timeout.ms': 10_000 }

let gateway: LocalTier
let node: LocalTier

beforeAll(async () => {
  const deployment = newDeployment()
  node = await startNode(deployment, 'node-1', patient)
  gateway = await startGateway(deployment, 'gateway', patient)
})

afterAll(async () => {
  await gateway?.stop()
  await node?.stop()
})

/** The lines that a process has logged about a request. */
const linesOf = (tier: LocalTier, id: string) => tier.log().filter(line => line['request_id'] === id)

async function untilLogged(id: string, expected: Record<string, unknown>): Promise<void> {
  for (const tier of [gateway, node]) {
    await until(`${tier.id} has logged ${id}`, () => linesOf(tier, id).length > 0)
    expect(linesOf(tier, id)).toMatchObject([{ msg: 'request', ...expected }])
  }
}

test('a client’s own id is kept', async () => {
  const answer = await http({ base: gateway.url, path: '/brokers', headers: { 'X-Request-Id': 'theirs-1' } })
  expect([answer.status, answer.headers['x-request-id']]).toEqual([200, 'theirs-1'])
  await untilLogged('theirs-1', { operation: 'brokers.list', target: '/brokers', status: 200 })
})

test('one is drawn for whoever has none, or one that is not fit to be printed', async () => {
  const drawn = new Set<string>()
  for (const headers of [{}, { 'X-Request-Id': 'a b' }, { 'X-Request-Id': 'x'.repeat(129) }]) {
    const answer = await http({ base: gateway.url, method: 'POST', path: '/consumers/g', headers, body: '' })
    const id = String(answer.headers['x-request-id'])
    expect([answer.status, id]).toEqual([200, expect.stringMatching(/^[0-9a-f-]{36}$/)])
    drawn.add(id)
    await untilLogged(id, { operation: 'consumers.create', method: 'POST', status: 200 })
  }
  expect(drawn.size).toBe(3)
})

test('a refusal has it too', async () => {
  const path = '/consumers/g/instances/none/records'
  const answer = await http({ base: gateway.url, path, headers: { 'X-Request-Id': 'refused-1' } })
  expect([answer.status, answer.headers['x-request-id']]).toEqual([404, 'refused-1'])
  await until('the gateway has logged it', () => linesOf(gateway, 'refused-1').length > 0)
  expect(linesOf(gateway, 'refused-1')).toMatchObject([{ operation: 'consumers.consume', status: 404 }])
})
