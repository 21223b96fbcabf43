import type { TakeoverAnswer } from '../../gateway/routing/node-questions.ts'
import { type HeldPlacement, OrphanFound } from '../../proxy-node/ports/placements.ts'
import { type Membership, openMembership } from '../../proxy-node/services/membership.ts'
import { RestError } from '../../shared/errors/rest-error.ts'
import { type InstanceRef, instanceKey } from '../../shared/ids.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import type { IdentityAnswer } from '../../shared/routing/death-proof.ts'
import type { GoneReason, Holding, RoutingTable } from '../../shared/routing/routing-table.ts'
import { createMemberSigner } from '../../shared/security/member-signature.ts'
import { NoAnswer } from './simulated-network.ts'
import type { SimulatedProcess } from './simulated-time.ts'
import { adoptAfterMs, idleMs, leaseMs, sweepMs, tickMs } from './timing.ts'
import type { NodeReplyHead, World } from './world.ts'

/** A consumer instance as its node has it: what the real one has of a position, a member and a placement. */
export interface HeldInstance {
  readonly key: string
  readonly ref: InstanceRef
  readonly held: HeldPlacement
  readonly epoch: number
  readonly openedAt: number
  position: number
  usedAt: number
  /** One operation at a time. */
  last: Promise<unknown>
  /** Being handed to another node: nothing is done for it here meanwhile. */
  leaving: boolean
}

/** A proxy node: the real membership, placements, lease, peers and sweeper, and consumer instances of the simulation. */
export class SimulatedNode {
  readonly id: string
  readonly process: SimulatedProcess
  readonly instances = new Map<string, HeldInstance>()
  readonly #world: World
  readonly #table: RoutingTable
  membership: Membership | undefined
  draining = false
  /** On its way out, which nobody can take back. */
  leaving = false

  constructor(id: string, process: SimulatedProcess, table: RoutingTable, world: World) {
    this.id = id
    this.process = process
    this.#table = table
    this.#world = world
  }

  async start(): Promise<void> {
    const { options } = this.#world
    const url = `http://${this.id}:1`
    const ask = <Answer>(
      internalUrl: string,
      timeoutMs: number,
      what: (node: SimulatedNode) => Promise<Answer>,
    ) => this.#world.ask(this.process, internalUrl, timeoutMs, what)
    this.membership = await openMembership(
      {
        table: this.#table,
        clock: this.process,
        log: silentLogger,
        metrics: { count: () => undefined, read: () => undefined },
        signer: createMemberSigner(''),
        probeIdentity: (internalUrl, { timeoutMs }) =>
          ask(internalUrl, timeoutMs, async node => node.identity()).catch(failedProbe),
        probeInstance: (internalUrl, ref, { timeoutMs }) =>
          ask(internalUrl, timeoutMs, async node =>
            node.instances.has(instanceKey(ref)) ? ('held' as const) : ('absent' as const),
          ).catch(() => 'unclear' as const),
        node: { id: this.id, url, internalUrl: url, zone: '', instancesMax: 100 },
        settings: {
          // Without the deadline a process believes its lease for ever.
          leaseMs: options.without === 'lease-deadline' ? 20 * leaseMs : leaseMs,
          renewIntervalMs: tickMs,
          failover: options.failover,
          tombstoneMs: 60_000,
          peerTimeoutMs: 200,
          refusedIsDead: true,
          sweepIntervalMs: sweepMs,
          pendingMax: 100,
          orphansMax: 100,
          adoptAfterMs,
        },
        onRefused: () => this.crash(),
      },
      new AbortController().signal,
    )
    this.membership.startSweeping({
      removeMember: async orphan => {
        const { epoch } = this.#world.kafka.group(orphan.key)
        if (orphan.spec === String(epoch)) await this.#kafka(() => this.#world.kafka.leave(orphan.key, epoch))
      },
      adopt: async orphan => {
        const [group = '', instance = ''] = orphan.key.split('/')
        return (await this.takeOver({ group, instance }, orphan, false)).outcome === 'held'
      },
    })
    this.#beat()
  }

  crash(): void {
    this.process.alive = false
    this.instances.clear()
  }

  identity(): IdentityAnswer {
    if (!this.membership) return { outcome: 'unclear', detail: 'starting' }
    return { outcome: 'identity', ...this.membership.identity() }
  }

  async create(ref: InstanceRef, provedDead: Holding | undefined): Promise<NodeReplyHead> {
    const key = instanceKey(ref)
    if (!this.membership || this.draining) return { status: 503, refused: true }
    try {
      const expiresAt = this.process.now() + idleMs
      const held = await this.membership.claims.claim({ ref, spec: '', expiresAt, provedDead })
      return { status: (await this.#open(ref, held)) ? 200 : 503 }
    } catch (error) {
      if (error instanceof OrphanFound) {
        const { outcome } = await this.takeOver(ref, error.placement, error.deathProved)
        return { status: outcome === 'held' || outcome === 'lost' ? 409 : 503 }
      }
      if (error instanceof RestError) return { status: error.status }
      if (error instanceof NoAnswer) return { status: 503 }
      this.#world.violate(`node ${this.id} failed to create ${key}: ${error}`)
      return { status: 500 }
    }
  }

  async takeOver(ref: InstanceRef, replaces: Holding, deathProved: boolean): Promise<TakeoverAnswer> {
    if (!this.membership || this.draining) return { outcome: 'refused' }
    try {
      const held = await this.membership.claims.takeOver({ ref, replaces, deathProved })
      if (typeof held === 'string') return { outcome: held }
      if (!(await this.#open(ref, held))) return { outcome: 'refused' }
      return { outcome: 'held', incarnation: held.incarnation, token: held.token }
    } catch (error) {
      if (error instanceof RestError || error instanceof NoAnswer) return { outcome: 'refused' }
      throw error
    }
  }

  /** Joins the group under the instance's own identity, which fences whoever had it before. */
  async #open(ref: InstanceRef, held: HeldPlacement): Promise<boolean> {
    const { key } = held
    await this.#world.audit.claimed(held)
    try {
      if (!(await this.#mayServe(held))) return false
      const { epoch, committed } = await this.#kafka(() => this.#world.kafka.join(key))
      await held.setSpec(String(epoch))
      const openedAt = this.#world.queue.time
      const instance: HeldInstance = {
        key,
        ref,
        held,
        epoch,
        openedAt,
        position: committed,
        usedAt: this.process.monotonic(),
        leaving: false,
        last: Promise.resolve(),
      }
      let lost = false
      held.onLost(() => {
        lost = true
        if (this.instances.get(key) === instance) this.instances.delete(key)
      })
      if (lost) return false
      this.instances.set(key, instance)
      this.#world.trace(`${this.process.name} holds ${key} (token ${held.token}, from ${committed})`)
      return true
    } catch (error) {
      await held.release('owner-lost')
      throw error
    }
  }

  async operate(what: 'read' | 'commit' | 'delete', key: string, trusted: boolean): Promise<NodeReplyHead> {
    const instance = this.instances.get(key)
    if (!instance) return trusted ? { status: 421 } : { status: 404, gone: 'unknown' }
    instance.usedAt = this.process.monotonic()
    instance.held.touch(this.process.now() + idleMs)
    if (what === 'delete') {
      await this.close(instance, 'deleted')
      return { status: 204 }
    }
    const running = instance.last.then(() => this.#operate(instance, what, trusted))
    instance.last = running
    return running
  }

  async #operate(instance: HeldInstance, what: 'read' | 'commit', trusted: boolean): Promise<NodeReplyHead> {
    const { key } = instance
    if (instance.leaving) return { status: 503 }
    if (!(await this.#mayServe(instance.held)) || this.instances.get(key) !== instance)
      return trusted ? { status: 421 } : { status: 404, gone: 'unknown' }
    if (what === 'read') {
      const from = instance.position
      instance.position += 1 + Math.floor(this.#world.random() * 5)
      this.#world.audit.handedOut(this, instance, from, instance.position)
      return { status: 200 }
    }
    const { position, epoch } = instance
    try {
      const accepted = await this.#kafka(() =>
        this.#world.kafka.commit(key, epoch, position, group =>
          this.#world.audit.committed(this, instance, group, position),
        ),
      )
      if (accepted) return { status: 200 }
      await this.close(instance, 'owner-lost')
      return { status: 404, gone: 'owner-lost', fenced: true }
    } catch {
      return { status: 500 }
    }
  }

  async close(instance: HeldInstance, reason: GoneReason): Promise<void> {
    const { key, held, epoch } = instance
    if (this.instances.get(key) === instance) this.instances.delete(key)
    this.#world.trace(`${this.process.name} closes ${key} (${reason})`)
    if (reason !== 'owner-lost')
      await this.#kafka(() => this.#world.kafka.leave(key, epoch)).catch(() => undefined)
    await held.release(reason)
  }

  /** Lets all instances go; `stays` keeps the process as a member that takes nothing. */
  async drain(): Promise<void> {
    this.draining = true
    await this.membership?.setState('draining')
    await this.process.sleep(2 * tickMs)
    for (const instance of [...this.instances.values()]) {
      if (!this.draining) return
      if (this.#world.options.failover === 'recreate') {
        await this.close(instance, 'owner-lost')
        continue
      }
      instance.leaving = true
      await instance.last
      if (await instance.held.handBack(String(instance.epoch))) this.instances.delete(instance.key)
      else instance.leaving = false
    }
  }

  async undrain(): Promise<void> {
    if (this.leaving) return
    this.draining = false
    await this.membership?.setState('active')
  }

  async leave(): Promise<void> {
    this.leaving = true
    await this.drain()
    for (const instance of [...this.instances.values()]) await this.close(instance, 'owner-lost')
    await this.membership?.leave()
    this.crash()
  }

  #mayServe(held: HeldPlacement): Promise<boolean> {
    return this.#world.options.without === 'token-check' ? Promise.resolve(true) : held.mayServe()
  }

  #kafka<Result>(work: () => Promise<Result>): Promise<Result> {
    const { network, kafkaHost } = this.#world
    return network.request(this.process, kafkaHost, kafkaHost.name, work, { timeoutMs: 5000 })
  }

  /** Heartbeats of all instances, and the end of idle ones. */
  #beat(): void {
    this.process.after(3000, () => {
      for (const instance of [...this.instances.values()]) void this.#beatOf(instance)
      this.#beat()
    })
  }

  async #beatOf(instance: HeldInstance): Promise<void> {
    if (this.process.monotonic() - instance.usedAt > idleMs) return this.close(instance, 'expired')
    const { key, epoch } = instance
    const isMember = await this.#kafka(() => this.#world.kafka.isMember(key, epoch)).catch(() => true)
    if (!isMember && this.instances.get(key) === instance) await this.close(instance, 'owner-lost')
  }
}

function failedProbe(error: Error): IdentityAnswer {
  if (error instanceof NoAnswer && error.reason === 'refused') return { outcome: 'refused' }
  return { outcome: 'unclear', detail: error.message }
}
