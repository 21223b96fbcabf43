import { afterEach, expect, test } from 'vitest'
import { createGateway } from '../../gateway/app.ts'
import { ReadOutcomes } from '../../gateway/http/read-outcomes.ts'
import { noMeter } from '../../gateway/metrics.ts'
import { AskedNodes } from '../../gateway/routing/asked-nodes.ts'
import { DeathCheck } from '../../gateway/routing/death-check.ts'
import { NodeLoad } from '../../gateway/routing/node-load.ts'
import { NodeView } from '../../gateway/routing/node-view.ts'
import { PlacementCache } from '../../gateway/routing/placement-cache.ts'
import { Router } from '../../gateway/routing/router.ts'
import { Selection } from '../../gateway/routing/selection.ts'
import { Withdrawals } from '../../gateway/routing/withdrawals.ts'
import { FetchForwarder } from '../../gateway/upstream/fetch-forwarder.ts'
import { systemClock as clock } from '../../shared/clock.ts'
import { silentLogger as log } from '../../shared/observability/logger.ts'
import { createRandom } from '../../shared/random.ts'
import { MemoryRoutingTable } from '../../shared/routing/memory-routing-table.ts'
import { StandInNode } from '../support/stand-in-node.ts'

const token = 'edge-token'
const meter = noMeter
const stops: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

/** The gateway as a runtime without sockets has it: a value that answers a Request, and `fetch`. */
async function edgeGateway(table: MemoryRoutingTable) {
  const forwarder = new FetchForwarder({
    clock,
    responseTimeoutMs: 10_000,
    bodyBytesMax: 1_000_000,
    fetch,
    peerAddress: () => undefined,
  })
  const random = createRandom(1)
  const view = new NodeView({
    table,
    staticNodes: new Map(),
    allowed: [],
    verify: async () => true,
    refreshMs: 50,
    leaseMs: 500,
    clock,
    log,
    meter,
  })
  stops.push(() => view.stop())
  const load = new NodeLoad({ clock, random, failuresMax: 5, pauseMs: 1000 })
  const selection = new Selection({
    nodes: () => view.nodes(),
    isVouchedFor: () => true,
    load,
    random,
    options: { zone: '', requestsMax: 100, loadPercent: 125 },
  })
  const questions = new AskedNodes({ forwarder, token, timeoutMs: 1000, takeoverTimeoutMs: 1000 })
  const deaths = new DeathCheck({ view, questions, refusedIsDead: true, meter })
  const cache = new PlacementCache(100, clock)
  await view.start()
  return createGateway({
    forwarder,
    router: new Router({ table, view, cache, selection, load, questions, deaths, meter }),
    selection,
    load,
    withdrawals: new Withdrawals(view),
    reads: new ReadOutcomes({
      report: (node, reports) => questions.report(node, reports),
      holderOf: async () => undefined,
      isKnown: () => true,
      isDead: async () => false,
      quietMs: 0,
      clock,
      log,
      meter,
    }),
    closing: () => false,
    clock,
    log,
    meter,
    options: {
      token,
      run: 'edge-run',
      id: '',
      zone: '',
      publicBase: { publicUrl: '', trusted: [] },
      attemptsMax: 3,
      heldBytesMax: 65_536,
      jsonDepthMax: 256,
    },
  })
}

test('creates, finds and deletes consumers by fetch alone', async () => {
  const table = new MemoryRoutingTable({ clock })
  for (const id of ['node-1', 'node-2']) {
    const node = await StandInNode.start({ id, table, token })
    stops.push(() => node.kill())
  }
  const gateway = await edgeGateway(table)
  const base = 'https://edge.example'
  const created = await gateway.request(`${base}/consumers/g`, { method: 'POST', body: '{"name":"i"}' })
  expect(created.status).toBe(200)
  expect(await created.json()).toEqual({ instance_id: 'i', base_uri: `${base}/consumers/g/instances/i` })
  const read = await gateway.request(`${base}/consumers/g/instances/i/records?timeout=1`)
  expect(read.status).toBe(200)
  expect(await read.json()).toMatchObject({ target: '/consumers/g/instances/i/records?timeout=1' })
  expect(read.headers.has('kafka-rest-read-id')).toBe(false)
  expect(read.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  const gone = await gateway.request(`${base}/consumers/g/instances/i`, { method: 'DELETE' })
  expect(gone.status).toBe(204)
  const missing = await gateway.request(`${base}/consumers/g/instances/i/records`)
  expect([missing.status, missing.headers.get('kafka-rest-consumer-gone')]).toEqual([404, 'deleted'])
})
