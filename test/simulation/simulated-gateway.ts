import { forwardCreate } from '../../gateway/http/create-consumer.ts'
import type { ForwardDeps } from '../../gateway/http/deps.ts'
import { forwardToInstance } from '../../gateway/http/instance-request.ts'
import { ReadOutcomes } from '../../gateway/http/read-outcomes.ts'
import { noMeter } from '../../gateway/metrics.ts'
import { DeathCheck } from '../../gateway/routing/death-check.ts'
import { NodeLoad } from '../../gateway/routing/node-load.ts'
import type { NodeQuestions } from '../../gateway/routing/node-questions.ts'
import { type KnownNode, NodeView } from '../../gateway/routing/node-view.ts'
import { PlacementCache } from '../../gateway/routing/placement-cache.ts'
import { Router } from '../../gateway/routing/router.ts'
import { Selection } from '../../gateway/routing/selection.ts'
import { Withdrawals } from '../../gateway/routing/withdrawals.ts'
import {
  type Attempt,
  type ClientRequest,
  type UpstreamAnswer,
  UpstreamFailure,
} from '../../gateway/upstream/forwarder.ts'
import { RestError } from '../../shared/errors/rest-error.ts'
import { consumerGoneHeader, internalHeaders } from '../../shared/http/internal-headers.ts'
import { type InstanceRef, instanceKey } from '../../shared/ids.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { matchRoute } from '../../shared/rest/routes.ts'
import type { Holding, RoutingTable } from '../../shared/routing/routing-table.ts'
import { NoAnswer } from './simulated-network.ts'
import type { SimulatedNode } from './simulated-node.ts'
import type { SimulatedProcess } from './simulated-time.ts'
import { leaseMs, tickMs } from './timing.ts'
import type { NodeReplyHead, World } from './world.ts'

export type Operation = 'create' | 'read' | 'commit' | 'delete'

const targets = { read: ['GET', '/records'], commit: ['POST', '/offsets'], delete: ['DELETE', ''] } as const

/** A gateway: the real routing and forwarding of requests; only sockets and HTTP are the simulation's. */
export class SimulatedGateway {
  readonly process: SimulatedProcess
  readonly #world: World
  readonly #deps: ForwardDeps
  readonly view: NodeView
  readonly #crashed = Promise.withResolvers<undefined>()
  /** Resolves when the process ends. */
  readonly crashed = this.#crashed.promise

  constructor(process: SimulatedProcess, table: RoutingTable, world: World) {
    this.process = process
    this.#world = world
    const shared = { clock: process, log: silentLogger, meter: noMeter }
    const view = new NodeView({
      ...shared,
      table,
      staticNodes: new Map(),
      allowed: [],
      verify: async () => true,
      refreshMs: tickMs,
      leaseMs,
    })
    const load = new NodeLoad({ clock: process, random: world.random, failuresMax: 5, pauseMs: 1000 })
    const selection = new Selection({
      nodes: () => view.nodes(),
      isVouchedFor: () => true,
      load,
      random: world.random,
      options: { zone: '', requestsMax: 1000, loadPercent: 125 },
    })
    const questions = this.#questions()
    const deaths = new DeathCheck({ view, questions, refusedIsDead: true, meter: noMeter })
    const cache = new PlacementCache(1000, process)
    const router = new Router({ table, view, cache, selection, load, questions, deaths, meter: noMeter })
    const reads = new ReadOutcomes({
      ...shared,
      report: async () => ({ notHeld: new Set<string>() }),
      holderOf: async () => undefined,
      isKnown: () => true,
      isDead: async () => false,
      quietMs: 100,
    })
    view.onRefreshed(() => load.refreshed(view.nodes()))
    this.view = view
    const publicBase = { publicUrl: 'http://gateway', trusted: [] }
    this.#deps = {
      ...shared,
      router,
      selection,
      load,
      withdrawals: new Withdrawals(view),
      reads,
      options: {
        token: 'secret',
        run: process.name,
        id: '',
        zone: '',
        publicBase,
        attemptsMax: 3,
        heldBytesMax: 65_536,
        jsonDepthMax: 16,
      },
    }
  }

  crash(): void {
    this.process.alive = false
    this.#crashed.resolve(undefined)
  }

  /** A client's request. @returns the status that it is answered with. */
  async handle(operation: Operation, ref: InstanceRef): Promise<number> {
    try {
      if (operation === 'create') {
        const client = this.#client(operation, ref, 'POST', `/consumers/${ref.group}`)
        return (await forwardCreate(this.#deps, client, ref.group, {})).status
      }
      const [method, path] = targets[operation]
      const target = `/consumers/${ref.group}/instances/${ref.instance}${path}`
      const matched = matchRoute(method, target)
      if (!('route' in matched)) throw new Error(`no route for ${target}`)
      const client = this.#client(operation, ref, method, target)
      const { answer } = await forwardToInstance(this.#deps, client, matched.route, ref, {})
      return answer.header('x-fenced') ? 410 : answer.status
    } catch (error) {
      if (error instanceof RestError) return error.status
      throw error
    }
  }

  #client(operation: Operation, ref: InstanceRef, method: string, target: string): ClientRequest {
    const body = operation === 'create' ? JSON.stringify({ name: ref.instance }) : ''
    return {
      method,
      target,
      header: () => undefined,
      scheme: 'http',
      peerAddress: undefined,
      bodyLength: body.length,
      signal: new AbortController().signal,
      hold: async () => new TextEncoder().encode(body),
      send: attempt => this.#send(attempt, operation, ref),
    }
  }

  async #send({ origin, headers, signal, onEnd }: Attempt, operation: Operation, ref: InstanceRef) {
    const trusted = headers[internalHeaders.token] !== undefined
    const withdrawn = Promise.withResolvers<never>()
    signal?.addEventListener('abort', () => withdrawn.reject(new UpstreamFailure('sent', 'withdrawn')))
    try {
      const asked = this.#world.ask(this.process, origin, 1000, node =>
        operation === 'create'
          ? node.create(ref, holdingOf(headers[internalHeaders.provedDead]))
          : node.operate(operation, instanceKey(ref), trusted),
      )
      return answerOf(await Promise.race([asked, withdrawn.promise]))
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
      throw new UpstreamFailure(error.reason === 'slow' ? 'sent' : 'unsent', error.reason)
    } finally {
      onEnd?.()
    }
  }

  #questions(): NodeQuestions {
    const weak = this.#world.options.without === 'death-proof'
    const ask = <Answer>(to: KnownNode, ms: number, what: (node: SimulatedNode) => Promise<Answer>) =>
      this.#world.ask(this.process, to.internalUrl, ms, what)
    return {
      identity: node =>
        ask(node, 200, async asked => asked.identity()).catch(error =>
          weak || error.reason === 'refused' ? { outcome: 'refused' } : { outcome: 'unclear', detail: '' },
        ),
      holds: (node, ref) =>
        ask(node, 200, async asked => asked.instances.has(instanceKey(ref))).catch(() => undefined),
      findsDead: async (asked, { id, incarnation = '', internalUrl }) =>
        weak ||
        ask(asked, 500, async witness =>
          witness.membership?.checkDeath({ id, incarnation, internalUrl }),
        ).catch(() => undefined),
      takeOver: (node, ref, replaces, proved) =>
        ask(node, 5000, asked => asked.takeOver(ref, replaces, proved)).catch(() => ({ outcome: 'refused' })),
    }
  }
}

function answerOf({ status, gone, refused, fenced }: NodeReplyHead): UpstreamAnswer {
  const headers: Record<string, string | undefined> = {
    [consumerGoneHeader.toLowerCase()]: gone,
    [internalHeaders.refused]: refused ? 'draining' : undefined,
    'x-fenced': fenced ? 'yes' : undefined,
  }
  return { status, header: name => headers[name], discard: () => {}, deliver: () => new Response() }
}

function holdingOf(header: string | undefined): Holding | undefined {
  const [node, incarnation, token] = (header ?? '').split(' ').map(decodeURIComponent)
  return node && incarnation && token ? { node, incarnation, token: Number(token) } : undefined
}
