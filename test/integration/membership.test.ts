import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { LocalRedis } from '../../infra/local/redis.ts'
import { createInternalRoutes } from '../../proxy-node/http/internal/internal-routes.ts'
import { type Membership, openMembership } from '../../proxy-node/services/membership.ts'
import { NodeIdTaken } from '../../proxy-node/services/node-id.ts'
import { systemClock } from '../../shared/clock.ts'
import { createIdentityProbe, createInstanceProbe } from '../../shared/http/identity-probe.ts'
import { internalHeaders } from '../../shared/http/internal-headers.ts'
import { instanceKey } from '../../shared/ids.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { standaloneRedis } from '../../shared/routing/redis-client.ts'
import { openRedisRoutingTable } from '../../shared/routing/redis-routing-table.ts'
import type { Holding, RoutingTable } from '../../shared/routing/routing-table.ts'
import { createTokenCheck } from '../../shared/security/internal-token.ts'
import { createMemberSigner } from '../../shared/security/member-signature.ts'
import { startPrivateRedis, uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

/** Members of a real Redis that ask each other over real sockets: what a node is without its Kafka side. */

/** Many renewals long: a busy machine must not let it run out while its node lives. */
const leaseMs = 4000
const token = 'integration-token'
let server: LocalRedis
let prefix = ''
let running: TestNode[] = []

beforeAll(async () => {
  server = await startPrivateRedis()
})
afterAll(() => server.stop())
beforeEach(() => {
  prefix = `{${uniqueName('membership')}}:`
})
afterEach(async () => {
  if (!server.process.running) await server.restart()
  await Promise.all(running.map(node => node.stop()))
  running = []
})

class TestNode {
  readonly url: string
  readonly membership: Membership
  readonly #table: RoutingTable
  readonly #server: Server

  private constructor(parts: { url: string; membership: Membership; table: RoutingTable; server: Server }) {
    this.url = parts.url
    this.membership = parts.membership
    this.#table = parts.table
    this.#server = parts.server
  }

  static async start(id: string): Promise<TestNode> {
    const http = createServer()
    await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
    const table = await openTable()
    try {
      const membership = await openMembership(
        {
          table,
          clock: systemClock,
          log: silentLogger,
          metrics: { count: () => undefined, read: () => undefined },
          signer: createMemberSigner(token),
          probeIdentity: createIdentityProbe(token),
          probeInstance: createInstanceProbe(token),
          node: { id, url, internalUrl: url, zone: '', instancesMax: 100 },
          settings: {
            leaseMs,
            renewIntervalMs: 200,
            failover: 'recreate',
            tombstoneMs: 60_000,
            peerTimeoutMs: 2000,
            refusedIsDead: true,
            sweepIntervalMs: 300,
            pendingMax: 1000,
            orphansMax: 1000,
            adoptAfterMs: 15_000,
          },
          onRefused: () => undefined,
        },
        new AbortController().signal,
      )
      serve(http, membership)
      const node = new TestNode({ url, membership, table, server: http })
      running.push(node)
      return node
    } catch (error) {
      http.close()
      await table.stop()
      throw error
    }
  }

  claim(instance: string, dead?: Holding) {
    return this.membership.claims.claim({
      ref: { group: 'g', instance },
      spec: '{}',
      expiresAt: Date.now() + 300_000,
      provedDead: dead,
    })
  }

  /** What is left of a process after kill -9: a port that refuses, and a record that nobody renews. */
  async die(): Promise<void> {
    await this.#table.stop()
    this.#server.close().closeAllConnections()
    await until('the port to be closed', () => !this.#server.listening)
  }

  async stop(): Promise<void> {
    await this.membership.leave()
    await this.#table.stop()
    this.#server.close().closeAllConnections()
  }
}

/** A node's calls give up soon, since it goes on without the table; a look from outside needs its answer. */
function openTable(timeoutMs = 500): Promise<RoutingTable> {
  return openRedisRoutingTable({
    address: standaloneRedis(server.url),
    keyPrefix: prefix,
    timeoutMs,
    log: silentLogger,
    clock: systemClock,
  })
}

function serve(http: Server, membership: Membership): void {
  const isToken = createTokenCheck(token)
  const internal = createInternalRoutes({
    membership,
    holds: key => membership.holds(key),
    applyReadOutcomes: async () => [],
    takeOver: async () => ({ outcome: 'gone' }),
  })
  http.on('request', async (incoming, outgoing) => {
    const response = await internal({
      target: incoming.url ?? '/',
      env: { incoming, outgoing },
      trusted: isToken(incoming.headers[internalHeaders.token]?.toString()),
      body: async () => Buffer.concat(await incoming.toArray()),
    })
    outgoing.writeHead(response?.status ?? 404).end(await response?.text())
  })
}

const key = (instance: string) => instanceKey({ group: 'g', instance })

/** A look at the table from outside. */
async function inTable<Result>(look: (table: RoutingTable) => Promise<Result>): Promise<Result> {
  const table = await openTable(10_000)
  try {
    return await look(table)
  } finally {
    await table.stop()
  }
}

const placementOf = (instance: string) => inTable(async table => (await table.find(key(instance))).placement)

test('signed members find each other, claim, and let go', async () => {
  const [a, b] = [await TestNode.start('a'), await TestNode.start('b')]
  const { members } = await inTable(table => table.members())
  expect(members.map(({ id }) => id).sort()).toEqual(['a', 'b'])
  for (const member of members) {
    expect(await createMemberSigner(token).verify(member)).toBe(true)
    expect(await createMemberSigner('another token').verify(member)).toBe(false)
  }
  const held = await a.claim('i')
  await expect(b.claim('i')).rejects.toMatchObject({ row: 'consumerAlreadyExists' })
  await held.release('deleted')
  expect((await b.claim('i')).token).toBeGreaterThan(held.token)
})

test('of many claims of one name on three nodes, one is granted', async () => {
  const nodes = [await TestNode.start('a'), await TestNode.start('b'), await TestNode.start('c')]
  const claims = Array.from({ length: 30 }, (_, index) => nodes[index % 3]?.claim('i'))
  const results = await Promise.allSettled(claims)
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

test('right after a node died, its consumer is recreated elsewhere; while it lives it is not', async () => {
  const [a, b] = [await TestNode.start('a'), await TestNode.start('b')]
  const held = await a.claim('i')
  const dead = { node: 'a', incarnation: a.membership.identity().incarnation, token: held.token }
  // The gateway may be wrong: b sees it alive.
  await expect(b.claim('i', dead)).rejects.toMatchObject({ row: 'ownerUnreachable' })
  await a.die()
  const next = await b.claim('i', dead)
  expect(next.replaced).toMatchObject({ node: 'a', token: held.token })
  expect((await inTable(table => table.members())).members.map(({ id }) => id)).toEqual(['b'])
})

test('Redis dies and comes back empty: nothing is lost, what happened meanwhile is written, no name has two owners', async () => {
  const [a, b] = [await TestNode.start('a'), await TestNode.start('b')]
  const old = await a.claim('old')
  const gone = await a.claim('gone')
  await until('both to know each other', () => a.membership.peers === 1 && b.membership.peers === 1)
  await server.kill()
  expect(await old.mayServe()).toBe(true)
  const meanwhile = await b.claim('meanwhile')
  expect(await meanwhile.setSpec('{"changed":true}')).toBe(false)
  await gone.release('deleted')
  await expect(b.claim('old')).rejects.toMatchObject({ row: 'consumerAlreadyExists' })
  await expect(a.claim('meanwhile')).rejects.toMatchObject({ row: 'consumerAlreadyExists' })
  await server.restart()
  await until('all to be written back', async () => {
    const [first, second] = [await placementOf('old'), await placementOf('meanwhile')]
    return first?.token === old.token && second?.spec === '{"changed":true}'
  })
  expect((await inTable(table => table.find(key('gone')))).placement).toBeUndefined()
  expect((await inTable(table => table.members())).members).toHaveLength(2)
  expect(await Promise.all([old.mayServe(), meanwhile.mayServe()])).toEqual([true, true])
  await expect(b.claim('old')).rejects.toMatchObject({ row: 'consumerAlreadyExists' })
})

test('Redis stands still beyond the leases: nobody loses anything', async () => {
  const [a, b] = [await TestNode.start('a'), await TestNode.start('b')]
  const [first, second] = [await a.claim('i'), await b.claim('j')]
  let lost = 0
  for (const held of [first, second]) held.onLost(() => lost++)
  server.process.signal('SIGSTOP')
  // A claim without the table; by the time it is answered the leases have run out at the table.
  const third = await a.claim('k')
  await systemClock.sleep(leaseMs)
  server.process.signal('SIGCONT')
  await until('everything to stand in the table', async () => {
    const { members } = await inTable(table => table.members())
    return members.length === 2 && (await placementOf('k'))?.token === third.token
  })
  expect(lost).toBe(0)
  expect(await Promise.all([first, second, third].map(held => held.mayServe()))).toEqual([true, true, true])
})

test('a second process with the id of one that lives does not start; of one that died it does', async () => {
  const a = await TestNode.start('a')
  await expect(TestNode.start('a')).rejects.toThrow(NodeIdTaken)
  await a.claim('i')
  await a.die()
  const again = await TestNode.start('a')
  expect((await again.claim('i')).replaced).toMatchObject({ node: 'a' })
})

test('what a dead node left is swept up by the others', async () => {
  const [a, b, c] = [await TestNode.start('a'), await TestNode.start('b'), await TestNode.start('c')]
  const names = Array.from({ length: 30 }, (_, index) => `i-${index}`)
  for (const name of names) await a.claim(name)
  await b.claim('alive')
  const removed: string[] = []
  for (const node of [b, c])
    node.membership.startSweeping({
      removeMember: async orphan => {
        removed.push(orphan.key)
      },
      adopt: async () => false,
    })
  await a.die()
  await until(
    'all to be swept',
    async () => (await inTable(table => table.list({ node: 'a' }, 100))).length === 0,
  )
  expect(new Set(removed)).toEqual(new Set(names.map(key)))
  expect(await placementOf('alive')).toMatchObject({ node: 'b' })
  expect(await inTable(table => table.find(key('i-0')))).toEqual({ placement: undefined, gone: 'owner-lost' })
})
