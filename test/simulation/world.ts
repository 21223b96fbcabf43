import { type InstanceRef, instanceKey } from '../../shared/ids.ts'
import { createRandom } from '../../shared/random.ts'
import { MemoryRoutingTable } from '../../shared/routing/memory-routing-table.ts'
import type { Placement } from '../../shared/routing/routing-table.ts'
import { Audit } from './audit.ts'
import { orphanMs, PlacementWatch } from './placement-watch.ts'
import { type Operation, SimulatedGateway } from './simulated-gateway.ts'
import { SimulatedKafka } from './simulated-kafka.ts'
import { SimulatedNetwork } from './simulated-network.ts'
import { SimulatedNode } from './simulated-node.ts'
import { tableOver } from './simulated-table.ts'
import { EventQueue, SimulatedProcess } from './simulated-time.ts'
import { adoptAfterMs, leaseMs, restMs, tickMs } from './timing.ts'

/** What a node answers to a request for an instance. */
export interface NodeReplyHead {
  readonly status: number
  readonly gone?: string
  readonly refused?: boolean
  /** The broker told its node only now that another holds the identity. */
  readonly fenced?: boolean
}

export interface WorldOptions {
  readonly seed: number
  readonly failover: 'recreate' | 'takeover'
  /** A safeguard that is switched off, to see that the audit notices. */
  readonly without?: Safeguard
}

/**
 * - token-check: a node asks before it hands out whether it still may.
 * - lease-deadline: it believes its lease no longer than the table does.
 * - death-proof: only a refused connection or another identity proves a death.
 * - release: a node ends the placement of what it closes.
 * - sweep: the nodes end or adopt what dead ones left.
 * - fencing: Kafka lets only the last one that joined under an identity commit.
 */
export type Safeguard = 'token-check' | 'lease-deadline' | 'death-proof' | 'release' | 'sweep' | 'fencing'

/** A breach of an invariant, with what happened before it. */
export class Violation extends Error {
  readonly events: readonly string[]

  constructor(what: string, events: readonly string[]) {
    super(what)
    this.name = 'Violation'
    this.events = events
  }
}

/** After the faults: a lease to forget what was, the wait of an adoption, sweeps, and the clients' next requests. */
const healMs = Math.max(restMs, 2 * leaseMs + adoptAfterMs + 4 * leaseMs) + 5 * tickMs

/** All processes of a deployment, what is between them, and the clients. */
export class World {
  readonly options: WorldOptions
  readonly random: () => number
  readonly queue = new EventQueue()
  readonly network: SimulatedNetwork
  readonly kafka = new SimulatedKafka()
  readonly kafkaHost: SimulatedProcess
  readonly tableHost: SimulatedProcess
  readonly table: MemoryRoutingTable
  readonly nodes = new Map<string, SimulatedNode>()
  readonly gateways = new Map<string, SimulatedGateway>()
  readonly audit: Audit
  readonly #watch: PlacementWatch
  readonly refs: readonly InstanceRef[] = ['i', 'j', 'k'].map(instance => ({ group: 'g', instance }))
  /** What each client knows of its instance: the status of its last request. */
  readonly statuses = new Map<string, number>()
  tableLostAt = Number.NEGATIVE_INFINITY
  /** True time of the last fault. */
  disturbedAt = Number.NEGATIVE_INFINITY
  /** What happened, in order. */
  readonly events: string[] = []
  #violation: string | undefined
  #kept: (() => void)[] = []
  #healing = false
  #clientsEnd = false
  #ended = false

  constructor(options: WorldOptions) {
    this.options = options
    this.random = createRandom(options.seed)
    this.network = new SimulatedNetwork(this.queue, this.random)
    this.kafkaHost = new SimulatedProcess('kafka', this.queue, 1)
    this.tableHost = this.#process('table')
    this.table = new MemoryRoutingTable({ clock: this.tableHost })
    this.kafka.fences = options.without !== 'fencing'
    this.audit = new Audit(this)
    this.#watch = new PlacementWatch(this, this.audit)
  }

  async start(): Promise<void> {
    for (const id of ['a', 'b', 'c']) this.startNode(id)
    for (const name of ['g1', 'g2']) this.startGateway(name)
    this.#keep()
    await this.advance(2000)
    for (const ref of this.refs) this.#client(ref)
  }

  startNode(id: string): void {
    const process = this.#process(id)
    const node = new SimulatedNode(id, process, this.#tableOf(process), this)
    this.nodes.set(id, node)
    void node.start()
  }

  /** Starts a gateway, or kills it and starts it anew. */
  startGateway(name: string): void {
    this.gateways.get(name)?.crash()
    const process = this.#process(name)
    const gateway = new SimulatedGateway(process, this.#tableOf(process), this)
    this.gateways.set(name, gateway)
    void gateway.view.start()
  }

  /** Lets time go by. @throws Violation */
  async advance(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 250) {
      await this.queue.advance(Math.min(left, 250))
      await this.#watch.look()
      if (this.#violation !== undefined) throw new Violation(this.#violation, this.events)
    }
  }

  /** Asks whatever process listens at an address. */
  ask<Answer>(
    from: SimulatedProcess,
    url: string,
    timeoutMs: number,
    what: (node: SimulatedNode) => Promise<Answer>,
  ): Promise<Answer> {
    const id = new URL(url).hostname
    const node = this.nodes.get(id)
    const work = () => (node ? what(node) : Promise.reject(new Error('nobody')))
    return this.network.request(from, node?.process, id, work, { timeoutMs })
  }

  /** What the table says at the moment of the call, whoever can reach it. */
  async placementOf(key: string): Promise<Placement | undefined> {
    return (await this.table.find(key)).placement
  }

  loseTable(what: 'everything' | 'last second'): void {
    this.tableLostAt = this.queue.time
    if (what === 'everything') this.table.clear()
    else this.#kept[0]?.()
  }

  trace(what: string): void {
    this.events.push(`${(this.queue.time / 1000).toFixed(3).padStart(9)} s  ${what}`)
  }

  violate(what: string): void {
    if (this.#ended) return
    this.trace(`VIOLATION: ${what}`)
    this.#violation ??= what
  }

  /** Ends the faults, gives everyone time to find out, and looks at what came of it. @throws Violation */
  async heal(): Promise<void> {
    this.trace('the faults end')
    this.#healing = true
    this.disturbedAt = this.queue.time
    this.network.mendAll()
    if (this.tableHost.stopped) this.tableLostAt = this.queue.time
    for (const process of [
      this.tableHost,
      ...[...this.nodes.values(), ...this.gateways.values()].map(each => each.process),
    ])
      process.continueProcess()
    for (const [id, node] of this.nodes) {
      if (node.leaving) node.crash()
      if (!node.process.alive) this.startNode(id)
      else if (node.draining) void node.undrain()
    }
    await this.advance(healMs)
    this.statuses.clear()
    await this.advance(10 * tickMs)
    for (const ref of this.refs) this.#expectUsable(instanceKey(ref))
    // What is under way when the clients end has its end within their time-out.
    this.#clientsEnd = true
    await this.advance(6 * tickMs)
    for (const ref of this.refs) await this.#expectWhole(instanceKey(ref))
    // Nobody asks any more: what one more dead node leaves is for the sweepers.
    const victim = [...this.nodes.values()].find(({ instances }) => instances.size > 0)
    this.trace(`${victim?.id} crashes for good`)
    victim?.crash()
    this.disturbedAt = this.queue.time
    await this.advance(orphanMs(this.options.failover) + 3 * leaseMs)
    for (const ref of this.refs) await this.#expectWhole(instanceKey(ref))
    if (this.#violation !== undefined) throw new Violation(this.#violation, this.events)
    this.#ended = true
    for (const node of this.nodes.values()) node.crash()
    for (const gateway of this.gateways.values()) gateway.crash()
  }

  #expectUsable(key: string): void {
    const status = this.statuses.get(key)
    if (status === undefined || status >= 500)
      this.violate(`${key} is not usable after the faults: ${status}`)
  }

  /** The table and the nodes agree to the token. */
  async #expectWhole(key: string): Promise<void> {
    const placement = await this.placementOf(key)
    const holders = [...this.nodes.values()].filter(({ instances }) => instances.has(key))
    if (holders.length > 1) this.violate(`${holders.map(({ id }) => id)} hold ${key} after the faults`)
    const [holder] = holders
    const held = holder?.instances.get(key)?.held
    const agree = placement?.incarnation === held?.incarnation && placement?.token === held?.token
    if (placement && !agree)
      this.violate(
        `the placement of ${key} points to nobody who holds it: ${placement.node} ${placement.token}`,
      )
    if (holder && !placement) this.violate(`${holder.id} holds ${key}, which is not in the table`)
  }

  /** A client that creates its instance, reads, commits and deletes, through any gateway. */
  #client(ref: InstanceRef): void {
    const key = instanceKey(ref)
    const next = (operation: Operation) =>
      this.queue.later(this.#pauseMs(), () => {
        if (!this.#clientsEnd) void this.#request(operation, ref, key).then(next)
      })
    next('create')
  }

  #pauseMs(): number {
    const rests = !this.#healing && this.random() < 0.02
    return rests ? restMs * this.random() : 100 + 900 * this.random()
  }

  async #request(operation: Operation, ref: InstanceRef, key: string): Promise<Operation> {
    const gateway = this.gateways.get(this.random() < 0.5 ? 'g1' : 'g2')
    if (!gateway || gateway.process.stopped) return operation
    const began = this.queue.time
    let status: number | undefined
    try {
      status = await Promise.race([gateway.handle(operation, ref), gateway.crashed])
    } catch (error) {
      this.violate(`${gateway.process.name} failed: ${error instanceof Error ? error.stack : error}`)
      return operation
    }
    // The connection was lost with the gateway.
    if (status === undefined) return operation
    this.statuses.set(key, status)
    this.trace(`${gateway.process.name} answers ${operation} ${key}: ${status}`)
    if (operation !== 'create' && status === 404) await this.#expectGone(gateway, key, began)
    if (status === 404 || status === 410 || status === 204) return 'create'
    if (operation === 'create' && status !== 200 && status !== 409) return 'create'
    const drawn = this.random()
    return drawn < 0.6 ? 'read' : drawn < 0.97 ? 'commit' : 'delete'
  }

  /**
   * 40403 only if no node holds the instance that lives and that the gateway can reach. Exempt is a node whose lease may
   * have run out for a good reason (it was stopped or could not renew it, or the table lost its data), one that another
   * has fenced, and one that joined since the gateway last saw the table: while it cannot, it knows the members of then
   * and the static list, and asks all of them; an instance that a later one holds cannot be told from one that is gone.
   */
  async #expectGone(gateway: SimulatedGateway, key: string, began: number): Promise<void> {
    const since = Math.min(began, this.queue.time - 2 * tickMs)
    const placement = await this.placementOf(key)
    for (const node of this.nodes.values()) {
      const { id, process, instances } = node
      const instance = instances.get(key)
      if (!instance || !process.alive || process.stopped || instance.openedAt > since) continue
      // A death is only proved of who is dead, reachable or not.
      if (gateway.view.isDead(instance.held.incarnation))
        this.violate(`${gateway.process.name} says that ${key} is gone; ${id} holds it`)
      if (this.queue.time - process.continuedAt < 2 * leaseMs) continue
      const current = placement ? placement.incarnation === instance.held.incarnation : false
      // A lease that ran out is a proof too, however alive its owner is: it must have been able to renew.
      if (!this.audit.sawTable(node, 2 * leaseMs)) continue
      if (!gateway.view.holder({ node: id, incarnation: instance.held.incarnation })) continue
      if (current && this.network.wholeSince(gateway.process.name, id, since))
        this.violate(`${gateway.process.name} says that ${key} is gone; ${id} holds it`)
    }
  }

  /** Keeps what the table was a second ago. */
  #keep(): void {
    this.#kept = [...this.#kept, this.table.keep()].slice(-4)
    this.queue.later(250, () => {
      if (!this.#ended) this.#keep()
    })
  }

  #process(name: string): SimulatedProcess {
    return new SimulatedProcess(name, this.queue, 0.9 + 0.2 * this.random())
  }

  #tableOf(process: SimulatedProcess) {
    return tableOver(this.network, process, this.tableHost, this.table, this.options.without)
  }
}
