import { afterAll, beforeAll, expect, test } from 'vitest'
import type { LocalTier } from '../../infra/local/tier.ts'
import { systemClock } from '../../shared/clock.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { standaloneRedis } from '../../shared/routing/redis-client.ts'
import { openRedisRoutingTable } from '../../shared/routing/redis-routing-table.ts'
import type { RoutingTable } from '../../shared/routing/routing-table.ts'
import { http, type RawResponse } from '../support/http-client.ts'
import { newDeployment, startGateway, startNode } from '../support/processes.ts'
import { redisUrl, uniqueName } from '../support/services.ts'
import { StandInNode } from '../support/stand-in-node.ts'
import { metricOf, ReadyWatch } from '../support/tier-watch.ts'
import { until } from '../support/until.ts'

// Only bounds a failing test: many processes on a busy machine.

/** A node that takes connections and requests, renews its lease, and answers nothing, beside one that works. */

let table: RoutingTable
let silent: StandInNode
let node: LocalTier
let gateway: LocalTier

beforeAll(async () => {
  const deployment = newDeployment()
  table = await openRedisRoutingTable({
    address: standaloneRedis(redisUrl()),
    keyPrefix: deployment.keyPrefix,
    timeoutMs: 5000,
    clock: systemClock,
    log: silentLogger,
  })
  silent = await StandInNode.start({ id: 'silent', table, token: deployment.token, leaseMs: 60_000 })
  node = await startNode(deployment, 'node')
  gateway = await startGateway(deployment, 'gateway', {
    // The node that works must answer within it on a busy machine.
    'node.response.timeout.ms': 8000,
    'node.failures.max': 3,
    // So long that what is left out stays so until the end of the test that looks at it.
    'node.pause.ms': 20_000,
  })
  await until('the gateway to know both', () => nodesOf('available').then(count => count === 2))
})

afterAll(async () => {
  await Promise.all([gateway, node].map(tier => tier?.kill()))
  await silent?.kill()
  await table?.stop()
})

const nodesOf = (state: string) => metricOf(gateway, `kafka_rest_gateway_members{state="${state}"}`)

const topics = () => http({ base: gateway.url, path: '/topics' })
const of = (answer: RawResponse) => [answer.status, (answer.json() as { error_code?: number }).error_code]

test('costs those that meet it one time-out, is left out, and is asked again when it answers', async () => {
  const group = uniqueName('g')
  // While it still answers, it gets a consumer: another one would be proof of its death, but not its silence.
  const created = await until('a consumer at the silent node', async () => {
    const name = uniqueName('i')
    const body = JSON.stringify({ name })
    const headers = { 'Content-Type': 'application/vnd.kafka.v2+json' }
    await http({ base: gateway.url, method: 'POST', path: `/consumers/${group}`, headers, body })
    return silent.held.size > 0 && name
  })
  const instance = `/consumers/${group}/instances/${created}`
  const watch = new ReadyWatch(gateway)
  silent.answersQuestions = false
  let met = 0
  silent.override = () => {
    met++
    return true
  }
  const records = () => http({ base: gateway.url, path: `${instance}/records` })
  const looking = http({ base: gateway.url, path: `${instance}/subscription` })
  const reading = records()
  // Who meets it waits for the time-out, once; all others are served.
  const answers = await Promise.all(Array.from({ length: 40 }, topics))
  const [look, read] = await Promise.all([looking, reading])
  expect(met).toBeGreaterThan(5)
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(40 - (met - 2))
  // Its consumer lives for all that is known: a look is told to come again, a read may have been applied.
  expect([...of(look), look.headers['retry-after']]).toEqual([503, 50311, '1'])
  expect(of(read)).toEqual([504, 50410])
  for (const answer of answers.filter(({ status }) => status !== 200))
    expect(of(answer)).toEqual([504, 50410])
  await until('the gateway to leave it out', async () => (await nodesOf('failing')) === 1)
  const metBefore = met
  const later = await Promise.all(Array.from({ length: 40 }, topics))
  expect(later.map(({ status }) => status)).toEqual(later.map(() => 200))
  expect(met).toBe(metBefore)
  // It answers again: its consumer at once, the rest when the pause is over.
  silent.override = () => false
  silent.answersQuestions = true
  expect((await records()).status).toBe(200)
  silent.seen.length = 0
  await until('the gateway to ask it again', async () => {
    expect((await topics()).status).toBe(200)
    return silent.seen.length > 0
  })
  await watch.stop()
  expect(watch.said.map(({ status }) => status)).toEqual([200])
})
