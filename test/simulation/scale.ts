import { noMeter } from '../../gateway/metrics.ts'
import { DeathCheck } from '../../gateway/routing/death-check.ts'
import { NodeLoad } from '../../gateway/routing/node-load.ts'
import type { NodeQuestions } from '../../gateway/routing/node-questions.ts'
import { NodeView } from '../../gateway/routing/node-view.ts'
import { PlacementCache } from '../../gateway/routing/placement-cache.ts'
import { createRing } from '../../gateway/routing/ring.ts'
import { Router } from '../../gateway/routing/router.ts'
import { Selection } from '../../gateway/routing/selection.ts'
import { openMembership } from '../../proxy-node/services/membership.ts'
import { OrphanSweeper } from '../../proxy-node/services/orphan-sweeper.ts'
import { type Clock, systemClock } from '../../shared/clock.ts'
import { drawIncarnation, drawInstanceName, type InstanceRef, instanceKey } from '../../shared/ids.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { createRandom } from '../../shared/random.ts'
import type { RoutingTable } from '../../shared/routing/routing-table.ts'
import { createMemberSigner } from '../../shared/security/member-signature.ts'
import { member } from '../support/routing-table-samples.ts'
import { takeoverSpec } from '../support/takeover-spec.ts'

export interface ScaleOptions {
  readonly nodes: number
  readonly placements: number
}

/** What one thing costs, in ms, and how it was measured. */
export interface Cost {
  readonly what: string
  readonly ms: number
  readonly note: string
}

const group = 'order-service'
/** As long as nothing is measured can run out. */
const leaseMs = 600_000

/** What routing costs with many nodes and placements, one request at a time. The table must be empty. */
export async function measureScale(table: RoutingTable, options: ScaleOptions): Promise<Cost[]> {
  const scale = new Scale(table, options)
  await scale.fill()
  return [
    ...(await scale.lookUps()),
    ...(await scale.membershipChange()),
    ...(await scale.renewal()),
    ...(await scale.sweep()),
  ]
}

class Scale {
  readonly #table: RoutingTable
  readonly #options: ScaleOptions
  readonly #random = createRandom(1)
  readonly #members: ReturnType<typeof member>[]
  readonly #refs: InstanceRef[] = []

  constructor(table: RoutingTable, options: ScaleOptions) {
    this.#table = table
    this.#options = options
    this.#members = Array.from({ length: options.nodes }, (_, index) =>
      member(`node-${index + 1}`, { incarnation: drawIncarnation() }),
    )
  }

  get #share(): number {
    return Math.floor(this.#options.placements / this.#options.nodes)
  }

  /** Each node holds its share, with the specs of a takeover. */
  async fill(): Promise<void> {
    for (const each of this.#members) {
      await this.#table.renew({ ...each, instances: this.#share }, leaseMs)
      for (let start = 0; start < this.#share; start += batchSize) {
        const batch = Array.from({ length: Math.min(batchSize, this.#share - start) }, () =>
          this.#placement(each),
        )
        await this.#table.reassert(batch)
      }
    }
  }

  #placement({ id, incarnation }: { readonly id: string; readonly incarnation: string }) {
    const ref = { group, instance: drawInstanceName('gw-1') }
    this.#refs.push(ref)
    const expiresAt = systemClock.now() + leaseMs
    const holding = { node: id, incarnation, token: systemClock.now() * 1000 + this.#refs.length }
    return {
      key: instanceKey(ref),
      ...holding,
      expiresAt,
      failover: 'recreate',
      spec: takeoverSpec(ref),
    } as const
  }

  async lookUps(): Promise<Cost[]> {
    const { router, view, selection } = this.#gateway()
    await view.refresh()
    const some = Array.from({ length: 5000 }, () => this.#any())
    const locate = async (ref: InstanceRef) => {
      const located = await router.locate(ref)
      if (located.at !== 'node') throw new Error(`${ref.instance} is not found`)
    }
    return [
      await cost('look-up in the table', 'gateway, placement not cached', some, locate),
      await cost('look-up in the cache', 'gateway', some, locate),
      await cost('choice of a node for a new instance', 'gateway, ring built', some, async ref => {
        selection.forInstance(instanceKey(ref), new Set())
      }),
      await cost(
        'refresh of the view',
        `gateway, each second: all ${this.#options.nodes} members`,
        times(100),
        () => view.refresh(),
      ),
    ]
  }

  async membershipChange(): Promise<Cost[]> {
    const ids = this.#members.map(({ id }) => id)
    const all = createRing(ids)
    const fewer = createRing(ids.slice(1))
    const moved = this.#refs.filter(ref => {
      const key = instanceKey(ref)
      return all.order(key)[0] !== fewer.order(key)[0]
    }).length
    const percent = ((100 * moved) / this.#refs.length).toFixed(2)
    return [
      await cost(
        'ring over all nodes',
        `gateway, when the members change; losing one node moves ${percent} % of new names`,
        times(20),
        async () => {
          createRing(ids)
        },
      ),
    ]
  }

  /** A real node that holds its share claims, renews, and writes everything back. */
  async renewal(): Promise<Cost[]> {
    const calls = new Map<string, number>()
    const membership = await openMembership(
      {
        table: counted(this.#table, calls),
        clock: { ...systemClock, after: () => ({ cancel: () => undefined }) },
        log: silentLogger,
        metrics: { count: () => undefined, read: () => undefined },
        signer: createMemberSigner(''),
        probeIdentity: async () => ({ outcome: 'unclear', detail: '' }),
        probeInstance: async () => 'unclear',
        node: { ...member('node-0'), instancesMax: this.#share },
        settings: {
          leaseMs,
          renewIntervalMs: 1000,
          failover: 'takeover',
          tombstoneMs: 60_000,
          peerTimeoutMs: 200,
          refusedIsDead: true,
          sweepIntervalMs: 5000,
          pendingMax: 1000,
          orphansMax: 1000,
          adoptAfterMs: 15_000,
        },
        onRefused: error => {
          throw error
        },
      },
      new AbortController().signal,
    )
    const names = times(this.#share).map(() => ({ group, instance: drawInstanceName('gw-1') }))
    const claiming = await cost('claim', 'node', names, async ref => {
      const expiresAt = systemClock.now() + leaseMs
      await membership.claims.claim({ ref, spec: takeoverSpec(ref), expiresAt, provedDead: undefined })
    })
    calls.clear()
    const rounds = times(100)
    const renewing = await cost('', '', rounds, () => membership.setState('active'))
    const perRound = [...calls]
      .map(([name, count]) => `${Math.round(count / rounds.length)} ${name}`)
      .join(', ')
    await membership.leave()
    return [
      claiming,
      {
        ...renewing,
        what: 'renewal of a lease',
        note: `node, each second, however many it holds (here ${this.#share}): ${perRound}`,
      },
    ]
  }

  /** One node dies: every other one sweeps its share of the buckets. */
  async sweep(): Promise<Cost[]> {
    const [dead, ...others] = this.#members
    let sinceMs = 0
    const clock: Clock = { ...systemClock, monotonic: () => sinceMs }
    // A few of them are enough to see what one has to do.
    const sweepers = others.slice(0, 5).map(
      ({ id }) =>
        new OrphanSweeper({
          table: this.#table,
          clock,
          log: silentLogger,
          nodeId: id,
          settings: { leaseMs: 5000, tombstoneMs: 60_000, orphansMax: 1000, adoptAfterMs: 15_000 },
          removeMember: async () => undefined,
          adopt: async () => false,
        }),
    )
    const idle = await cost(
      'sweep that finds nothing',
      'node, each 5 s: its share of the buckets (in memory each is a walk over all)',
      sweepers,
      async each => {
        await each.sweep()
      },
    )
    if (dead) await this.#table.leave(dead.id, dead.incarnation)
    for (const each of sweepers) await each.sweep()
    sinceMs += 5000
    let ended = 0
    const ending = await cost('', '', sweepers, async each => {
      ended += await each.sweep()
    })
    return [
      idle,
      {
        ...ending,
        what: 'sweep after a node died',
        note: `node: ends its share, ${Math.round(ended / sweepers.length)} orphans`,
      },
    ]
  }

  #gateway() {
    const shared = { clock: systemClock, log: silentLogger, meter: noMeter }
    const table = this.#table
    const view = new NodeView({
      ...shared,
      table,
      staticNodes: new Map(),
      allowed: [],
      verify: async () => true,
      refreshMs: 1000,
      leaseMs: 5000,
    })
    const load = new NodeLoad({ clock: systemClock, random: this.#random, failuresMax: 5, pauseMs: 1000 })
    const selection = new Selection({
      nodes: () => view.nodes(),
      isVouchedFor: () => true,
      load,
      random: this.#random,
      options: { zone: '', requestsMax: 1000, loadPercent: 125 },
    })
    const deaths = new DeathCheck({ view, questions: noQuestions, refusedIsDead: true, meter: noMeter })
    const cache = new PlacementCache(this.#options.placements, systemClock)
    const router = new Router({
      ...shared,
      table,
      view,
      cache,
      selection,
      load,
      questions: noQuestions,
      deaths,
    })
    return { router, view, selection }
  }

  #any(): InstanceRef {
    const ref = this.#refs[Math.floor(this.#random() * this.#refs.length)]
    if (!ref) throw new Error('there are no placements')
    return ref
  }
}

/** Placements in one re-assertion, as a node writes them. */
const batchSize = 50

const noQuestions: NodeQuestions = {
  identity: async () => ({ outcome: 'unclear', detail: '' }),
  holds: async () => undefined,
  findsDead: async () => undefined,
  takeOver: async () => ({ outcome: 'refused' }),
}

const times = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

/** The mean of doing something for each of the items, one after the other. */
async function cost<Item>(
  what: string,
  note: string,
  items: readonly Item[],
  act: (item: Item) => Promise<void>,
): Promise<Cost> {
  const began = systemClock.monotonic()
  for (const item of items) await act(item)
  return { what, ms: (systemClock.monotonic() - began) / items.length, note }
}

/** Counts the calls by their names. */
function counted(table: RoutingTable, calls: Map<string, number>): RoutingTable {
  return new Proxy(table, {
    get(target, name: string) {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return (...args: unknown[]) => {
        calls.set(name, (calls.get(name) ?? 0) + 1)
        return Reflect.apply(method, target, args)
      }
    },
  })
}
