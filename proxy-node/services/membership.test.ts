import { expect, test } from 'vitest'
import { instanceKey } from '../../shared/ids.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import type { IdentityAnswer } from '../../shared/routing/death-proof.ts'
import { MemoryRoutingTable } from '../../shared/routing/memory-routing-table.ts'
import {
  type Holding,
  nobody,
  type Placement,
  RoutingTableUnavailable,
} from '../../shared/routing/routing-table.ts'
import { createMemberSigner } from '../../shared/security/member-signature.ts'
import { FaultyRoutingTable } from '../../test/support/faulty-routing-table.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { ProcessClock } from '../../test/support/process-clock.ts'
import { type Membership, type MembershipDeps, openMembership } from './membership.ts'
import { NodeIdTaken } from './node-id.ts'

const leaseMs = 5000
const tick = 1000

interface TestNode {
  readonly membership: Membership
  readonly network: FaultyRoutingTable
  readonly clock: ProcessClock
}

/** Nothing here waits for more than promises: one turn of the event loop ends them all. */
const drained = () => new Promise<void>(resolve => setImmediate(resolve))

/** Some nodes over one table in memory, each with a network of its own to it, on one clock that the test moves. */
class Cluster {
  readonly clock = new ManualClock()
  readonly table = new MemoryRoutingTable({ clock: this.clock })
  readonly refused: NodeIdTaken[] = []
  readonly events: string[] = []
  readonly identities = new Map<string, IdentityAnswer>()
  readonly nodes = new Map<string, TestNode>()

  /** Moves the time on, and lets everything that falls due come to its end. */
  async run(ms: number): Promise<void> {
    for (let left = ms; left >= 0; left -= tick) {
      await this.clock.advance(Math.min(left, tick))
      await drained()
    }
  }

  async start(id: string, options: { port?: number; cutOff?: boolean } = {}) {
    const network = new FaultyRoutingTable(this.table)
    const clock = new ProcessClock(this.clock)
    if (options.cutOff) network.cut()
    const url = `http://${id}:${options.port ?? 8083}`
    const deps: MembershipDeps = {
      table: network,
      clock,
      log: silentLogger,
      metrics: {
        count: (name, labels) => this.events.push(`${id} ${name} ${Object.values(labels ?? {})}`),
        read: () => undefined,
      },
      signer: createMemberSigner(''),
      probeIdentity: async asked => this.identities.get(asked) ?? { outcome: 'unclear', detail: 'no answer' },
      probeInstance: async (asked, ref) => {
        const node = [...this.nodes].find(([name]) => asked.startsWith(`http://${name}:`))?.[1]
        return node === undefined ? 'unclear' : node.membership.holds(instanceKey(ref)) ? 'held' : 'absent'
      },
      node: { id, url, internalUrl: url, zone: '', instancesMax: 100 },
      settings: {
        leaseMs,
        renewIntervalMs: tick,
        failover: 'recreate',
        tombstoneMs: 60_000,
        peerTimeoutMs: 200,
        refusedIsDead: true,
        sweepIntervalMs: leaseMs,
        pendingMax: 100,
        orphansMax: 100,
        adoptAfterMs: 15_000,
      },
      onRefused: error => this.refused.push(error),
    }
    const membership = await openMembership(deps, new AbortController().signal)
    const node = { membership, network, clock }
    this.nodes.set(id, node)
    return node
  }

  claim(node: { membership: Membership }, instance: string, options: { dead?: Holding; spec?: string } = {}) {
    return node.membership.claims.claim({
      ref: { group: 'g', instance },
      spec: options.spec ?? '{}',
      expiresAt: this.clock.now() + 300_000,
      provedDead: options.dead,
    })
  }

  async placement(instance: string): Promise<Placement | undefined> {
    return (await this.table.find(key(instance))).placement
  }
}

const key = (instance: string) => instanceKey({ group: 'g', instance })

test('a node registers, renews its lease, and leaves', async () => {
  const cluster = new Cluster()
  const { membership } = await cluster.start('a')
  await cluster.run(10 * leaseMs)
  const { members } = await cluster.table.members()
  expect(members).toMatchObject([{ ...membership.identity(), state: 'active', instances: 0 }])
  await membership.setState('draining')
  expect((await cluster.table.members()).members).toMatchObject([{ state: 'draining' }])
  await membership.leave()
  await cluster.run(2 * leaseMs)
  expect((await cluster.table.members()).members).toEqual([])
})

test('a claim, its refresh, its spec and its release stand in the table', async () => {
  const cluster = new Cluster()
  const a = await cluster.start('a')
  const held = await cluster.claim(a, 'i', { spec: '{"v":1}' })
  expect(await cluster.placement('i')).toMatchObject({ node: 'a', token: held.token, spec: '{"v":1}' })
  expect(await held.setSpec('{"v":2}')).toBe(true)
  expect((await cluster.placement('i'))?.spec).toBe('{"v":2}')
  const updates = a.network.calls.get('update')
  for (let second = 0; second < 29; second++) {
    await cluster.run(1000)
    held.touch(cluster.clock.now() + 300_000)
  }
  expect(a.network.calls.get('update')).toBe(updates)
  await cluster.run(2000)
  held.touch(cluster.clock.now() + 300_000)
  await cluster.run(0)
  expect(a.network.calls.get('update')).toBe((updates ?? 0) + 1)
  // Late rather than early, by the tenth that may pass until the next refresh.
  expect((await cluster.placement('i'))?.expiresAt).toBe(cluster.clock.now() + 330_000)
  expect(a.membership.size).toBe(1)
  await held.release('expired')
  expect(await cluster.table.find(key('i'))).toEqual({ placement: undefined, gone: 'expired' })
  expect(a.membership.size).toBe(0)
})

test('a name that lives is refused, also while its first claim is under way', async () => {
  const cluster = new Cluster()
  const [a, b] = [await cluster.start('a'), await cluster.start('b')]
  const results = await Promise.allSettled([
    cluster.claim(a, 'i'),
    cluster.claim(a, 'i'),
    cluster.claim(b, 'i'),
    cluster.claim(b, 'i'),
  ])
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  for (const result of results)
    if (result.status === 'rejected') expect(result.reason.row).toBe('consumerAlreadyExists')
  await expect(cluster.claim(b, 'i')).rejects.toMatchObject({ row: 'consumerAlreadyExists' })
})

test('a placement whose owner has no lease any more is replaced, with what was there', async () => {
  const cluster = new Cluster()
  const [a, b] = [await cluster.start('a'), await cluster.start('b')]
  const first = await cluster.claim(a, 'i', { spec: 'old' })
  a.network.cut()
  await cluster.run(leaseMs + 1)
  const second = await cluster.claim(b, 'i')
  expect(second.token).toBeGreaterThan(first.token)
  expect(second.replaced).toMatchObject({ node: 'a', spec: 'old', token: first.token })
})

test('a death that the gateway saw is confirmed by this node before it counts', async () => {
  const cluster = new Cluster()
  const [a, b] = [await cluster.start('a'), await cluster.start('b')]
  const held = await cluster.claim(a, 'i')
  const dead = { ...a.membership.identity(), node: 'a', token: held.token }
  await expect(cluster.claim(b, 'i', { dead })).rejects.toMatchObject({ row: 'ownerUnreachable' })
  cluster.identities.set('http://a:8083', { outcome: 'identity', ...a.membership.identity() })
  await expect(cluster.claim(b, 'i', { dead })).rejects.toMatchObject({ row: 'ownerUnreachable' })
  cluster.identities.set('http://a:8083', { outcome: 'refused' })
  const next = await cluster.claim(b, 'i', { dead })
  expect(next.replaced).toMatchObject({ node: 'a', token: held.token })
})

test('a proof of one death does not count against another holder', async () => {
  const cluster = new Cluster()
  const [a, b] = [await cluster.start('a'), await cluster.start('b')]
  await cluster.claim(a, 'i')
  cluster.identities.set('http://a:8083', { outcome: 'refused' })
  const dead = { node: 'ghost', incarnation: 'gone', token: 1 }
  await expect(cluster.claim(b, 'i', { dead })).rejects.toMatchObject({ row: 'consumerAlreadyExists' })
})

test('a process that was declared dead and lives closes everything and comes back as a new incarnation', async () => {
  const cluster = new Cluster()
  const a = await cluster.start('a')
  const lost: string[] = []
  for (const instance of ['i', 'j']) {
    const held = await cluster.claim(a, instance)
    held.onLost(() => lost.push(instance))
  }
  const old = a.membership.identity()
  await cluster.table.retire('a', old.incarnation, 50_000)
  await cluster.run(tick)
  expect(lost).toEqual(['i', 'j'])
  expect(a.membership.identity().incarnation).not.toBe(old.incarnation)
  expect((await cluster.table.members()).members).toMatchObject([a.membership.identity()])
  // Its own name may be taken anew at once: the placement is a dead incarnation's.
  const held = await cluster.claim(a, 'i')
  expect(held.replaced).toMatchObject({ incarnation: old.incarnation })
})

test('while the table is away the node serves what it holds, and claims provisionally', async () => {
  const cluster = new Cluster()
  const a = await cluster.start('a')
  const old = await cluster.claim(a, 'old')
  a.network.cut()
  await cluster.run(3 * leaseMs)
  expect(await old.mayServe()).toBe(true)
  const fresh = await cluster.claim(a, 'new', { spec: '1' })
  expect(await fresh.mayServe()).toBe(true)
  expect(await fresh.setSpec('2')).toBe(false)
  await old.release('deleted')
  a.network.mend()
  await cluster.run(tick)
  expect(await cluster.placement('new')).toMatchObject({ node: 'a', token: fresh.token, spec: '2' })
  expect(await cluster.table.find(key('old'))).toEqual({ placement: undefined, gone: 'deleted' })
})

test('a node that starts without the table registers when it is there', async () => {
  const cluster = new Cluster()
  const a = await cluster.start('a', { cutOff: true })
  expect(a.membership.registered).toBe(false)
  const held = await cluster.claim(a, 'i')
  a.network.mend()
  await cluster.run(tick)
  expect(a.membership.registered).toBe(true)
  expect(await cluster.placement('i')).toMatchObject({ node: 'a', token: held.token })
})

test('after a lease that lapsed, what another node claimed meanwhile is closed before the lease counts', async () => {
  const cluster = new Cluster()
  const [a, b] = [await cluster.start('a'), await cluster.start('b')]
  const held = await cluster.claim(a, 'i')
  const kept = await cluster.claim(a, 'kept')
  let lost = 0
  held.onLost(() => lost++)
  a.network.cut()
  await cluster.run(leaseMs + 1)
  await cluster.claim(b, 'i')
  // Cut off from the table it cannot know: it goes on (Kafka's group protocol is the fence for subscribed instances).
  expect(await held.mayServe()).toBe(true)
  a.network.mend()
  await cluster.run(0)
  expect(lost).toBe(1)
  expect(await held.mayServe()).toBe(false)
  expect(await kept.mayServe()).toBe(true)
})

test('a process that was stopped asks before it hands out, as soon as it runs again', async () => {
  const cluster = new Cluster()
  const [a, b] = [await cluster.start('a'), await cluster.start('b')]
  const [held, kept] = [await cluster.claim(a, 'i'), await cluster.claim(a, 'kept')]
  a.clock.stopProcess()
  await cluster.run(leaseMs + tick)
  const taken = await cluster.claim(b, 'i')
  // SIGCONT: a request is served before the timer of the next renewal fires.
  expect(await Promise.all([held.mayServe(), kept.mayServe()])).toEqual([false, true])
  expect(await cluster.placement('i')).toMatchObject({ node: 'b', token: taken.token })
  a.clock.continueProcess()
  await cluster.run(tick)
  expect(await kept.mayServe()).toBe(true)
})

test('a renewal that was under way when the process was stopped, and failed, does not make it serve unasked', async () => {
  const cluster = new Cluster()
  const [a, b] = [await cluster.start('a'), await cluster.start('b')]
  const held = await cluster.claim(a, 'i')
  const failed = Promise.withResolvers<void>()
  a.network.hold('renew', failed.promise)
  await cluster.run(tick)
  a.clock.stopProcess()
  a.network.hold('renew', undefined)
  await cluster.run(2 * leaseMs)
  const taken = await cluster.claim(b, 'i')
  // SIGCONT: the time-out of the old renewal fires first.
  failed.reject(new RoutingTableUnavailable('no answer in time'))
  a.clock.continueProcess()
  await drained()
  expect(await held.mayServe()).toBe(false)
  expect(await cluster.placement('i')).toMatchObject({ node: 'b', token: taken.token })
})

test('within its lease a node does not ask', async () => {
  const cluster = new Cluster()
  const a = await cluster.start('a')
  const held = await cluster.claim(a, 'i')
  const calls = () => [...a.network.calls.values()].reduce((sum, count) => sum + count, 0)
  const before = calls()
  for (let read = 0; read < 100; read++) expect(await held.mayServe()).toBe(true)
  expect(calls()).toBe(before)
})

test('a table that cannot be reached is not asked for each record', async () => {
  const cluster = new Cluster()
  const a = await cluster.start('a')
  const held = await cluster.claim(a, 'i')
  a.network.cut()
  await cluster.run(2 * leaseMs)
  const before = a.network.calls.get('renew')
  for (let read = 0; read < 100; read++) expect(await held.mayServe()).toBe(true)
  expect(a.network.calls.get('renew')).toBe(before)
})

test('past its lease and cut off from the table a node serves what it has, and takes no place in a group again', async () => {
  const cluster = new Cluster()
  const [a, b] = [await cluster.start('a'), await cluster.start('b')]
  const held = await cluster.claim(a, 'i')
  a.network.cut()
  await cluster.run(tick)
  expect(await held.mayRejoin()).toBe('yes')
  await cluster.run(2 * leaseMs)
  expect([await held.mayServe(), await held.mayRejoin()]).toEqual([true, 'unknown'])
  // Created meanwhile: the table knows of nobody else.
  const created = await cluster.claim(a, 'created')
  expect(await created.mayRejoin()).toBe('yes')
  await cluster.claim(b, 'i')
  a.network.mend()
  await cluster.run(tick)
  expect([await held.mayRejoin(), await created.mayRejoin()]).toEqual(['no', 'yes'])
})

test('a table that comes back empty is filled again, and the higher token wins', async () => {
  const cluster = new Cluster()
  const [a, b] = [await cluster.start('a'), await cluster.start('b')]
  const held = await cluster.claim(a, 'i')
  const contested = await cluster.claim(a, 'contested')
  let lost = 0
  contested.onLost(() => lost++)
  // Two holders of one name: b claimed it while neither the table nor a could be asked.
  b.network.cut()
  a.network.cut()
  cluster.nodes.delete('a')
  await cluster.run(10)
  const winner = await cluster.claim(b, 'contested')
  expect(winner.token).toBeGreaterThan(contested.token)
  cluster.table.clear()
  a.network.mend()
  await cluster.run(tick)
  expect(await cluster.placement('contested')).toMatchObject({ node: 'a' })
  b.network.mend()
  await cluster.run(tick)
  expect(await cluster.placement('contested')).toMatchObject({ node: 'b', token: winner.token })
  expect(await cluster.placement('i')).toMatchObject({ node: 'a', token: held.token })
  // b wrote after a had: a is told with its next renewal.
  await cluster.run(tick)
  expect(lost).toBe(1)
  expect(await contested.mayServe()).toBe(false)
})

test('while the table is new or away, the other nodes are asked for a name', async () => {
  const cluster = new Cluster()
  const [a, b] = [await cluster.start('a'), await cluster.start('b')]
  await cluster.claim(a, 'i')
  a.network.cut()
  cluster.table.clear()
  // Both before b has noticed that the table is new, and after.
  await expect(cluster.claim(b, 'i')).rejects.toMatchObject({ row: 'consumerAlreadyExists' })
  await cluster.run(tick / 2)
  await expect(cluster.claim(b, 'i')).rejects.toMatchObject({ row: 'consumerAlreadyExists' })
  await cluster.claim(b, 'free')
  b.network.cut()
  await expect(cluster.claim(b, 'i')).rejects.toMatchObject({ row: 'consumerAlreadyExists' })
  b.network.mend()
  await cluster.run(2 * tick)
  // All others had their time: a missing placement is believed again.
  await cluster.claim(b, 'i')
})

test('a claim whose answer was lost leaves nothing behind when the instance is gone by then', async () => {
  const cluster = new Cluster()
  const a = await cluster.start('a')
  a.network.loseAnswersOf('claim')
  const held = await cluster.claim(a, 'i')
  a.network.loseAnswersOf(undefined)
  await held.release('deleted')
  await cluster.run(2 * tick)
  expect(await cluster.placement('i')).toBeUndefined()
  expect(a.membership.size).toBe(0)
})

test('a claim whose answer was lost and that is held takes over the token of the table', async () => {
  const cluster = new Cluster()
  const a = await cluster.start('a')
  a.network.loseAnswersOf('claim')
  const held = await cluster.claim(a, 'i', { spec: '1' })
  a.network.loseAnswersOf(undefined)
  await held.setSpec('2')
  await cluster.run(2 * tick)
  expect(await cluster.placement('i')).toMatchObject({ token: held.token, spec: '2' })
  await held.release('deleted')
  expect(await cluster.placement('i')).toBeUndefined()
})

test('a claim that arrives after its sender gave up is refused once a renewal has passed', async () => {
  const cluster = new Cluster()
  const a = await cluster.start('a')
  a.network.delay('claim')
  const held = await cluster.claim(a, 'i')
  a.network.delay(undefined)
  await held.release('deleted')
  await cluster.run(tick)
  expect(await a.network.deliverLate()).toEqual([{ outcome: 'late' }])
  expect(await cluster.placement('i')).toBeUndefined()
})

test('a re-assertion that arrives after the release does not bring the placement back', async () => {
  const cluster = new Cluster()
  const a = await cluster.start('a')
  const held = await cluster.claim(a, 'i')
  a.network.delay('reassert')
  a.network.mend()
  await cluster.run(tick)
  a.network.delay(undefined)
  await held.release('deleted')
  await a.network.deliverLate()
  expect(await cluster.table.find(key('i'))).toEqual({ placement: undefined, gone: 'deleted' })
})

test('a release that could not be written is written later', async () => {
  const cluster = new Cluster()
  const a = await cluster.start('a')
  const held = await cluster.claim(a, 'i')
  a.network.delay('release')
  await held.release('expired')
  a.network.delay(undefined)
  expect(await cluster.placement('i')).toBeDefined()
  await cluster.run(tick)
  expect(await cluster.table.find(key('i'))).toEqual({ placement: undefined, gone: 'expired' })
})

test.each(['release', 'handBack'] as const)(
  'a %s that the table forgot in a fail-over is written again',
  async how => {
    const cluster = new Cluster()
    const a = await cluster.start('a')
    const held = await cluster.claim(a, 'i')
    const before = cluster.table.keep()
    await (how === 'release' ? held.release('deleted') : held.handBack('{"v":2}'))
    before()
    expect(await cluster.placement('i')).toMatchObject({ node: 'a', token: held.token })
    await cluster.run(tick)
    const placement = await cluster.placement('i')
    if (how === 'release') expect(placement).toBeUndefined()
    else expect(placement).toMatchObject({ incarnation: nobody, spec: '{"v":2}' })
  },
)

test('a release is not written again over a claim that came after it', async () => {
  const cluster = new Cluster()
  const a = await cluster.start('a')
  const held = await cluster.claim(a, 'i')
  await held.release('deleted')
  const again = await cluster.claim(a, 'i')
  cluster.table.keep()()
  await cluster.run(tick)
  expect(await cluster.placement('i')).toMatchObject({ token: again.token })
})

test('a change that could not be written is written later, and only once', async () => {
  const cluster = new Cluster()
  const a = await cluster.start('a')
  const held = await cluster.claim(a, 'i')
  a.network.delay('update')
  expect(await held.setSpec('later')).toBe(false)
  a.network.delay(undefined)
  await cluster.run(2 * tick)
  expect((await cluster.placement('i'))?.spec).toBe('later')
  const reasserts = a.network.calls.get('reassert')
  await cluster.run(10 * tick)
  expect(a.network.calls.get('reassert')).toBe(reasserts)
})

test('a spec that is too long is not written, and the one before it stays', async () => {
  const cluster = new Cluster()
  const a = await cluster.start('a')
  const held = await cluster.claim(a, 'i', { spec: 'short' })
  expect(await held.setSpec('x'.repeat(16_385))).toBe(false)
  await cluster.run(2 * tick)
  expect((await cluster.placement('i'))?.spec).toBe('short')
})

test('the next process at the same address takes the id over at once', async () => {
  const cluster = new Cluster()
  const first = await cluster.start('a')
  await cluster.claim(first, 'i')
  first.network.cut()
  const second = await cluster.start('a')
  expect((await cluster.table.members()).members).toMatchObject([second.membership.identity()])
  const held = await cluster.claim(second, 'i')
  expect(held.replaced?.incarnation).not.toBe(second.membership.identity().incarnation)
})

test('the next process at another address waits for the lease of one that is gone', async () => {
  const cluster = new Cluster()
  const first = await cluster.start('a')
  first.network.cut()
  const starting = cluster.start('a', { port: 9000 })
  await cluster.run(leaseMs + 2 * tick)
  const second = await starting
  expect((await cluster.table.members()).members).toMatchObject([second.membership.identity()])
})

test('a second process with the same id refuses to start while the first goes on', async () => {
  const cluster = new Cluster()
  const first = await cluster.start('a')
  const starting = cluster.start('a', { port: 9000 }).catch((error: unknown) => error)
  await cluster.run(leaseMs + 3 * tick)
  expect(await starting).toBeInstanceOf(NodeIdTaken)
  expect((await cluster.table.members()).members).toMatchObject([first.membership.identity()])
  expect(cluster.refused).toEqual([])
})

test('two processes that claim one id and one address do not fight for ever: the older one gives up', async () => {
  const cluster = new Cluster()
  const first = await cluster.start('a')
  let lost = 0
  const held = await cluster.claim(first, 'i')
  held.onLost(() => lost++)
  const second = await cluster.start('a')
  await cluster.run(3 * leaseMs)
  expect(lost).toBe(1)
  expect(cluster.refused).toHaveLength(1)
  expect((await cluster.table.members()).members).toMatchObject([second.membership.identity()])
})

test('the start ends when it is told to stop while it waits for an id', async () => {
  const cluster = new Cluster()
  await cluster.start('a')
  const controller = new AbortController()
  const reason = new Error('stopped')
  const network = new FaultyRoutingTable(cluster.table)
  const starting = openMembership(
    {
      table: network,
      clock: cluster.clock,
      log: silentLogger,
      metrics: { count: () => undefined, read: () => undefined },
      signer: createMemberSigner(''),
      probeIdentity: async () => ({ outcome: 'refused' }),
      probeInstance: async () => 'absent',
      node: { id: 'a', url: 'http://b:1', internalUrl: 'http://b:1', zone: '', instancesMax: 1 },
      settings: {
        leaseMs,
        renewIntervalMs: tick,
        failover: 'recreate',
        tombstoneMs: 1,
        peerTimeoutMs: 1,
        refusedIsDead: true,
        sweepIntervalMs: 1,
        pendingMax: 1,
        orphansMax: 1,
        adoptAfterMs: 15_000,
      },
      onRefused: () => undefined,
    },
    controller.signal,
  )
  await cluster.run(tick)
  controller.abort(reason)
  await expect(starting).rejects.toBe(reason)
})

test('dead nodes are swept up: the group member first, then the placement, once', async () => {
  const cluster = new Cluster()
  const [a, b, c] = [await cluster.start('a'), await cluster.start('b'), await cluster.start('c')]
  const instances = Array.from({ length: 40 }, (_, index) => `i-${index}`)
  for (const instance of instances) await cluster.claim(a, instance, { spec: instance })
  await cluster.claim(b, 'alive')
  const removed: string[] = []
  for (const node of [b, c])
    node.membership.startSweeping({
      removeMember: async orphan => {
        expect(await cluster.placement(orphan.spec)).toMatchObject({ token: orphan.token })
        removed.push(orphan.spec)
      },
      adopt: async () => false,
    })
  a.network.cut()
  await cluster.run(leaseMs)
  expect(removed).toEqual([])
  await cluster.run(4 * leaseMs)
  expect(removed.sort()).toEqual(instances.sort())
  for (const instance of instances)
    expect(await cluster.table.find(key(instance))).toEqual({ placement: undefined, gone: 'owner-lost' })
  expect(await cluster.placement('alive')).toMatchObject({ node: 'b' })
})

test('a sweep leaves alone what came back, and tries again where the group could not be asked', async () => {
  const cluster = new Cluster()
  const [a, b] = [await cluster.start('a'), await cluster.start('b')]
  await cluster.claim(a, 'i')
  let tries = 0
  b.membership.startSweeping({
    removeMember: async () => {
      tries += 1
      if (tries === 1) throw new Error('no coordinator')
      // The owner is back just now: the table refuses to end its placement.
      a.network.mend()
      await drained()
    },
    adopt: async () => false,
  })
  a.network.cut()
  await cluster.run(6 * leaseMs)
  expect(tries).toBe(2)
  expect(await cluster.placement('i')).toMatchObject({ node: 'a' })
})
