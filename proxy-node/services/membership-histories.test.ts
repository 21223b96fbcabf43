import fc from 'fast-check'
import { expect, test } from 'vitest'
import { instanceKey } from '../../shared/ids.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { MemoryRoutingTable } from '../../shared/routing/memory-routing-table.ts'
import { createMemberSigner } from '../../shared/security/member-signature.ts'
import { FaultyRoutingTable } from '../../test/support/faulty-routing-table.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { ProcessClock } from '../../test/support/process-clock.ts'
import { checkProperty } from '../../test/support/property.ts'
import type { HeldPlacement } from '../ports/placements.ts'
import { type Membership, openMembership } from './membership.ts'

const leaseMs = 5000
const tick = 1000
const nodeIds = ['a', 'b', 'c']
const instances = ['i', 'j']
const faulty = ['renew', 'claim', 'release', 'update', 'reassert'] as const

type Step =
  | { do: 'claim' | 'release' | 'setSpec'; node: number; instance: number }
  | { do: 'delay' | 'loseAnswers'; node: number; operation: number }
  | { do: 'cut' | 'mend' | 'deliverLate' | 'stop' | 'continue' | 'retire'; node: number }
  | { do: 'loseTable' }
  | { do: 'wait'; ms: number }

const node = fc.nat(nodeIds.length - 1)
const instance = fc.nat(instances.length - 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('claim', 'release', 'setSpec'), node, instance }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('delay', 'loseAnswers'),
      node,
      operation: fc.nat(faulty.length - 1),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('cut', 'mend', 'deliverLate', 'stop', 'continue', 'retire'),
      node,
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'loseTable' as const }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait'), ms: fc.integer({ min: 1, max: 7000 }) }) },
)

const drained = () => new Promise<void>(resolve => setImmediate(resolve))

class Node {
  readonly id: string
  readonly network: FaultyRoutingTable
  readonly clock: ProcessClock
  membership: Membership | undefined
  /** What the consumer side believes to hold. */
  readonly held = new Map<string, HeldPlacement>()
  stopped = false

  constructor(id: string, table: MemoryRoutingTable, clock: ManualClock) {
    this.id = id
    this.network = new FaultyRoutingTable(table)
    this.clock = new ProcessClock(clock)
  }

  async claim(name: string, expiresAt: number): Promise<void> {
    const ref = { group: 'g', instance: name }
    const held = await this.membership?.claims.claim({ ref, spec: '', expiresAt, provedDead: undefined })
    if (!held) return
    this.held.set(instanceKey(ref), held)
    held.onLost(() => {
      if (this.held.get(held.key) === held) this.held.delete(held.key)
    })
  }
}

/** Nodes, networks, clocks and a table, driven step by step. */
class World {
  readonly clock = new ManualClock()
  readonly table = new MemoryRoutingTable({ clock: this.clock })
  readonly nodes = nodeIds.map(id => new Node(id, this.table, this.clock))

  async start(): Promise<void> {
    for (const each of this.nodes) {
      const url = `http://${each.id}:1`
      each.membership = await openMembership(
        {
          table: each.network,
          clock: each.clock,
          log: silentLogger,
          metrics: { count: () => undefined, read: () => undefined },
          signer: createMemberSigner(''),
          probeIdentity: async () => ({ outcome: 'unclear', detail: '' }),
          // A node that is cut off from the table is cut off from the other nodes too, the worst case.
          probeInstance: async () => 'unclear',
          node: { id: each.id, url, internalUrl: url, zone: '', instancesMax: 100 },
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
          onRefused: error => {
            throw error
          },
        },
        new AbortController().signal,
      )
    }
  }

  async wait(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= tick) {
      await this.clock.advance(Math.min(left, tick))
      await drained()
    }
  }

  async take(now: Step): Promise<void> {
    if (now.do === 'wait') return this.wait(now.ms)
    if (now.do === 'loseTable') return this.table.clear()
    const on = this.nodes[now.node]
    if (!on) return
    switch (now.do) {
      case 'claim':
      case 'release':
      case 'setSpec':
        return on.stopped ? undefined : this.operate(on, now.do, instances[now.instance] ?? '')
      case 'delay':
        return on.network.delay(faulty[now.operation])
      case 'loseAnswers':
        return on.network.loseAnswersOf(faulty[now.operation])
      case 'cut':
        return on.network.cut()
      case 'mend':
        return this.mend(on)
      case 'deliverLate':
        await on.network.deliverLate()
        return
      case 'stop':
        on.stopped = true
        return on.clock.stopProcess()
      case 'continue':
        on.stopped = false
        return on.clock.continueProcess()
      case 'retire': {
        const identity = on.membership?.identity()
        if (identity) await this.table.retire(identity.id, identity.incarnation, 10 * leaseMs)
      }
    }
  }

  mend(on: Node): void {
    on.network.delay(undefined)
    on.network.loseAnswersOf(undefined)
    on.network.mend()
  }

  async operate(on: Node, operation: 'claim' | 'release' | 'setSpec', name: string): Promise<void> {
    const held = on.held.get(instanceKey({ group: 'g', instance: name }))
    if (operation === 'claim') await on.claim(name, this.clock.now() + 600_000).catch(expectRefusal)
    else if (operation === 'setSpec') await held?.setSpec(`at ${this.clock.now()}`)
    else if (held) {
      on.held.delete(held.key)
      await held.release('deleted')
    }
  }

  /** Ends all faults and gives everyone time to find out. */
  async heal(): Promise<void> {
    for (const on of this.nodes) {
      await on.network.deliverLate()
      this.mend(on)
      on.stopped = false
      on.clock.continueProcess()
    }
    await this.wait(leaseMs + 3 * tick)
  }
}

function expectRefusal(error: { row?: string }): void {
  expect(['consumerAlreadyExists', 'placementUnknown']).toContain(error.row)
}

/** After the faults: what the nodes hold and what the table says are the same, and each instance has one holder. */
async function expectAgreement(world: World): Promise<void> {
  for (const name of instances) {
    const key = instanceKey({ group: 'g', instance: name })
    const holders = world.nodes.filter(each => each.held.has(key))
    expect(holders.length, `holders of ${key}: ${holders.map(({ id }) => id)}`).toBeLessThanOrEqual(1)
    const found = await world.table.find(key)
    const [holder] = holders
    const held = holder?.held.get(key)
    if (!holder || !held) {
      // A placement that nobody holds may only be one of a dead incarnation.
      expect(found.placement !== undefined && found.ownerAlive, `nobody holds ${key}`).toBe(false)
      continue
    }
    expect(found).toMatchObject({
      placement: {
        node: holder.id,
        incarnation: holder.membership?.identity().incarnation,
        token: held.token,
      },
      ownerAlive: true,
    })
    expect(await held.mayServe()).toBe(true)
  }
}

/** No two processes that see the table hand out records of one instance: whoever asks has its token in the table. */
async function expectNoTwoServe(world: World): Promise<void> {
  for (const name of instances) {
    const key = instanceKey({ group: 'g', instance: name })
    const answers = await Promise.all(
      world.nodes.map(async each => (await each.held.get(key)?.mayServe()) === true && each.id),
    )
    const serving = answers.filter(Boolean)
    expect(serving.length, `${serving} serve ${key} at ${world.clock.now()}`).toBeLessThanOrEqual(1)
  }
}

test('after any history of faults the nodes and the table agree again', async () => {
  await checkProperty(
    'membership histories',
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async steps => {
      const world = new World()
      await world.start()
      for (const each of steps) {
        await world.take(each)
        await drained()
      }
      await world.heal()
      await expectAgreement(world)
    }),
    300,
  )
}, 120_000)

test('while all see the table, no two serve one instance, however processes are stopped and declared dead', async () => {
  const harmless = step.filter(({ do: what }) =>
    ['claim', 'release', 'setSpec', 'wait', 'stop', 'continue'].includes(what),
  )
  await checkProperty(
    'serving histories',
    fc.asyncProperty(fc.array(harmless, { maxLength: 60, size: 'max' }), async steps => {
      const world = new World()
      await world.start()
      for (const each of steps) {
        await world.take(each)
        await drained()
        await expectNoTwoServe(world)
      }
      await world.heal()
      await expectAgreement(world)
    }),
    300,
  )
}, 120_000)
