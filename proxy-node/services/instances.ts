import { BoundedCache } from '../../shared/bounded-cache.ts'
import type { Timer } from '../../shared/clock.ts'
import { RestError } from '../../shared/errors/rest-error.ts'
import { type InstanceRef, instanceKey, parseInstanceKey } from '../../shared/ids.ts'
import type { CreateConsumerBody } from '../../shared/rest/v2-consumer-shapes.ts'
import type { Placement } from '../../shared/routing/routing-table.ts'
import { OrphanFound, type PlacementClaims } from '../ports/placements.ts'
import type { ConsumerInstance } from './consumer-instance.ts'
import type { CloseReason } from './instance-gone.ts'
import { checkGroupName, instanceNameOf } from './instance-name.ts'
import { InstanceOpener, NotTaken, type TakeoverRequest } from './instance-opener.ts'
import type { InstanceDeps } from './instance-parts.ts'
import { formatOf, instanceSettings } from './instance-settings.ts'
import { deadMemberOf } from './instance-spec.ts'
import { PatternRefresh } from './pattern-refresh.ts'
import { applyReadReports, type ReadReport, type Way } from './read-outcomes.ts'
import type { Successors } from './successors.ts'

export interface InstancesDeps extends InstanceDeps {
  readonly claims: PlacementClaims
  readonly successors: Pick<Successors, 'find'>
  /** The node's own `id`, part of the names that it draws for clients that come directly; may be empty. */
  readonly processId: string
}

export interface CreateRequest {
  readonly group: string
  readonly body: CreateConsumerBody
  /** The name that a gateway drew. */
  readonly drawnName: string | undefined
  readonly provedDead: Parameters<PlacementClaims['claim']>[0]['provedDead']
}

export type TakeoverOutcome =
  | { readonly outcome: 'held'; readonly incarnation: string; readonly token: number }
  /** Another node has it by now. */
  | { readonly outcome: 'lost' }
  /** There is nothing to take over. */
  | { readonly outcome: 'gone' }

/** How instances are let go when the node drains. */
export interface LettingGo {
  readonly concurrency: number
  readonly pauseMs: number
  /** Ends it; what is still held then stays. */
  readonly signal: AbortSignal
}

/** How often expired instances are looked for (contract v2 §4.1). */
const sweepIntervalMs = 1000
/** How many instances are closed at once when the node stops. */
const closingsAtOnce = 16
/** What is remembered of instances that are gone, for the header that tells why: 60 s and this many. */
const goneEntriesMax = 10_000
const goneFreshMs = 60_000

/** All consumer instances of this node: creates them within the limits, finds them, and ends them. */
export class Instances {
  readonly #deps: InstancesDeps
  readonly #held = new Map<string, ConsumerInstance>()
  /** Instances that are being created or taken over; each resolves when that is over, whatever came of it. */
  readonly #opening = new Map<string, Promise<void>>()
  readonly #closing = new Map<string, Promise<void>>()
  readonly #groupSizes = new Map<string, number>()
  readonly #takeovers = new Map<string, Promise<TakeoverOutcome>>()
  readonly #gone: BoundedCache<string, CloseReason>
  readonly #opener: InstanceOpener
  readonly #patterns: PatternRefresh
  #draining = false
  #stopped = false
  #sweepTimer: Timer | undefined

  constructor(deps: InstancesDeps) {
    this.#deps = deps
    this.#gone = new BoundedCache({ entriesMax: goneEntriesMax, freshMs: goneFreshMs }, deps.clock)
    this.#opener = new InstanceOpener({
      ...deps,
      onFenced: instance => void this.#close(instance, 'fenced'),
      isStopped: () => this.#stopped,
    })
    this.#patterns = new PatternRefresh({
      ...deps,
      intervalMs: deps.settings.patternRefreshMs,
      subscribers: () => this.#held.values(),
    })
  }

  /** Instances held and being opened. */
  get size(): number {
    return this.#held.size + this.#opening.size
  }

  /** Begins to look for expired instances and for new topics. */
  start(): void {
    this.#scheduleSweep()
    this.#patterns.start()
  }

  /**
   * The instance, whose idle time begins anew (contract v2 §4.1); undefined when it is not held here. One that is being
   * opened is waited for: its placement may name this node already, so that a gateway would look nowhere else.
   */
  async find(ref: InstanceRef): Promise<ConsumerInstance | undefined> {
    const key = instanceKey(ref)
    await this.#opening.get(key)
    const instance = this.#held.get(key)
    instance?.touch()
    return instance
  }

  /** Why an instance is not held here any more, as far as it is remembered. */
  goneReason(ref: InstanceRef): CloseReason | undefined {
    return this.#gone.fresh(instanceKey(ref))
  }

  /**
   * Creates an instance (contract v2 §2.9): the placement is claimed first, so that one node at most holds it; what
   * is left of a dead holder leaves the group before the new one can join.
   * @throws RestError validation, invalidFormat, invalidEmbeddedFormat, consumerAlreadyExists, invalidConsumerConfig,
   *   consumerConfigOutOfRange, tooManyInstances, tooManyInstancesInGroup, draining, what the claim throws.
   */
  async create(request: CreateRequest): Promise<ConsumerInstance> {
    const { group, body, drawnName } = request
    checkGroupName(group)
    formatOf(body.format)
    const ref = { group, instance: instanceNameOf(body, drawnName, this.#deps.processId) }
    const key = instanceKey(ref)
    // Deleted or let go a moment ago: until its placement is given up every node would take the name for taken.
    await this.#closing.get(key)
    if (this.#held.has(key) || this.#opening.has(key)) throw new RestError('consumerAlreadyExists')
    const settings = instanceSettings(body, this.#deps.settings.instanceDefaults)
    const open = () => this.#admitted(ref, () => this.#opener.create(ref, settings, request.provedDead))
    try {
      return await open()
    } catch (error) {
      if (!(error instanceof OrphanFound)) throw error
      // It exists and nobody holds it: it goes on here, as it was, and its name is taken.
      const { placement, deathProved } = error
      const taken = await this.takeOver({ ref, replaces: placement, deathProved })
      if (taken.outcome === 'gone') return open()
      throw new RestError('consumerAlreadyExists')
    }
  }

  /**
   * Takes over an instance whose node is gone, or gave it up, and goes on as it recorded.
   * @throws RestError tooManyInstances, tooManyInstancesInGroup, draining, placementUnknown.
   */
  takeOver(request: TakeoverRequest): Promise<TakeoverOutcome> {
    const key = instanceKey(request.ref)
    const running = this.#takeovers.get(key)
    if (running !== undefined) return running
    const taking = this.#takeOver(key, request).finally(() => this.#takeovers.delete(key))
    this.#takeovers.set(key, taking)
    return taking
  }

  /** Takes over an instance that nobody has asked for since its node is gone. @returns whether this node has it now. */
  async adopt(orphan: Placement): Promise<boolean> {
    const ref = parseInstanceKey(orphan.key)
    if (ref === undefined) return false
    try {
      const { outcome } = await this.takeOver({ ref, replaces: orphan, deathProved: false })
      return outcome === 'held'
    } catch (error) {
      if (!(error instanceof RestError)) throw error
      this.#deps.log.info({ ...ref, err: error }, 'an instance without a node cannot be adopted now')
      return false
    }
  }

  /**
   * Ends an instance at its client's request: it cannot be found from now on; resolves when it has left its group.
   * @returns false when it is not held here.
   */
  async delete(ref: InstanceRef, way: Way): Promise<boolean> {
    const instance = this.#held.get(instanceKey(ref))
    if (instance === undefined) return false
    if (instance.handedOver !== undefined) throw instance.handedOver
    await this.#close(instance, 'deleted', way)
    return true
  }

  /**
   * Ends an instance at an operator's request: like `delete`, but the last read counts only as far as it was reported.
   * @returns false when it is not held here.
   * @throws InstanceGone while it is being handed over.
   */
  async evict(ref: InstanceRef): Promise<boolean> {
    const instance = this.#held.get(instanceKey(ref))
    if (instance === undefined) return false
    if (instance.handedOver !== undefined) throw instance.handedOver
    await this.#close(instance, 'deleted')
    return true
  }

  /** All instances held now. */
  all(): ConsumerInstance[] {
    return [...this.#held.values()]
  }

  /**
   * What gateways report about reads that they forwarded.
   * @returns the keys of instances that are not held here (any more): whoever has them now has to be told.
   */
  applyReadOutcomes(reports: readonly ReadReport[]): Promise<string[]> {
    return applyReadReports(reports, key => this.#held.get(key))
  }

  /** Takes the group member of a dead node's instance out of its group, which would wait for it. @throws KafkaError */
  async removeMember(orphan: Placement): Promise<void> {
    const member = deadMemberOf(orphan)
    if (member !== undefined) await this.#deps.consumers.removeMember(member.group, member)
  }

  /** From now on nothing new is accepted. */
  drain(): void {
    this.#draining = true
  }

  /** Accepts new instances again. */
  undrain(): void {
    this.#draining = false
  }

  /**
   * Lets instances go in steps, so that neither Kafka nor the other nodes get all at once: to other nodes where they are
   * taken over, else they commit what was confirmed and leave their groups, and their clients create them anew.
   */
  async letGo({ concurrency, pauseMs, signal }: LettingGo): Promise<void> {
    const held = [...this.#held.values()]
    const takenOver = this.#deps.settings.failover === 'takeover'
    const next = async (): Promise<void> => {
      for (let one = held.pop(); one !== undefined && !signal.aborted; one = held.pop()) {
        await (takenOver ? this.#handOver(one) : this.#close(one, 'owner-lost'))
        if (held.length > 0) await this.#deps.clock.sleep(pauseMs, signal).catch(() => undefined)
      }
    }
    await Promise.all(Array.from({ length: concurrency }, next))
  }

  /** Ends all instances, some at a time: they commit what was confirmed and leave their groups. */
  async stop(): Promise<void> {
    this.#draining = true
    this.#stopped = true
    this.#sweepTimer?.cancel()
    this.#patterns.stop()
    await Promise.allSettled(this.#takeovers.values())
    const held = [...this.#held.values()]
    const closeNext = async (): Promise<void> => {
      for (let next = held.pop(); next !== undefined; next = held.pop()) await this.#close(next, 'owner-lost')
    }
    await Promise.all(Array.from({ length: closingsAtOnce }, closeNext))
    await Promise.all(this.#closing.values())
  }

  #checkLimits(group: string): void {
    const { instancesMax, instancesPerGroupMax } = this.#deps.settings
    if (this.#draining) throw new RestError('draining')
    if (this.size >= instancesMax) throw new RestError('tooManyInstances')
    if ((this.#groupSizes.get(group) ?? 0) >= instancesPerGroupMax)
      throw new RestError('tooManyInstancesInGroup')
  }

  /** Counts an instance that is being opened, and holds it once it is. */
  async #admitted(ref: InstanceRef, open: () => Promise<ConsumerInstance>): Promise<ConsumerInstance> {
    const key = instanceKey(ref)
    const { group } = ref
    this.#checkLimits(group)
    const over = Promise.withResolvers<void>()
    this.#opening.set(key, over.promise)
    this.#groupSizes.set(group, (this.#groupSizes.get(group) ?? 0) + 1)
    try {
      // The one before it ended a moment ago: its placement is still being given up.
      await this.#closing.get(key)
      const instance = await open()
      this.#held.set(key, instance)
      this.#gone.delete(key)
      instance.placement.onLost(() => void this.#close(instance, 'lost'))
      return instance
    } catch (error) {
      this.#leaveGroupSize(group)
      throw error
    } finally {
      this.#opening.delete(key)
      over.resolve()
    }
  }

  async #takeOver(key: string, request: TakeoverRequest): Promise<TakeoverOutcome> {
    const held = this.#held.get(key)
    if (held !== undefined && held.handedOver === undefined) return heldHere(held)
    // Its name is being given to a new one, which has found it gone.
    if (this.#opening.has(key)) return { outcome: 'lost' }
    await held?.handedOver?.over
    try {
      return heldHere(await this.#admitted(request.ref, () => this.#opener.takeOver(request)))
    } catch (error) {
      if (error instanceof NotTaken) return { outcome: error.outcome }
      throw error
    }
  }

  #close(instance: ConsumerInstance, reason: CloseReason, way?: Way): Promise<void> {
    const { key } = instance
    const closing = instance.close(reason, way)
    // What is handed over is held until then, so that requests for it wait.
    if (instance.handedOver !== undefined || !this.#forget(instance, reason)) return closing
    const done = closing.finally(() => {
      if (this.#closing.get(key) === done) this.#closing.delete(key)
    })
    this.#closing.set(key, done)
    return done
  }

  async #handOver(instance: ConsumerInstance): Promise<void> {
    await instance.handOver(() => this.#deps.successors.find(instance.ref))
    this.#forget(instance, 'handed-over')
  }

  #forget(instance: ConsumerInstance, reason: CloseReason): boolean {
    const { key, ref } = instance
    if (this.#held.get(key) !== instance) return false
    this.#held.delete(key)
    this.#gone.set(key, reason)
    this.#leaveGroupSize(ref.group)
    return true
  }

  #leaveGroupSize(group: string): void {
    const size = (this.#groupSizes.get(group) ?? 1) - 1
    if (size === 0) this.#groupSizes.delete(group)
    else this.#groupSizes.set(group, size)
  }

  #scheduleSweep(): void {
    this.#sweepTimer = this.#deps.clock.after(sweepIntervalMs, () => {
      for (const instance of this.#held.values()) {
        if (instance.idleMs > this.#deps.settings.instanceTimeoutMs) void this.#close(instance, 'expired')
      }
      this.#scheduleSweep()
    })
  }
}

function heldHere({ placement }: ConsumerInstance): TakeoverOutcome {
  const { incarnation, token } = placement
  return { outcome: 'held', incarnation, token }
}
