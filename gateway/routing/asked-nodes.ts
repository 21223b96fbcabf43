import { internalHeaders, internalRoutes } from '../../shared/http/internal-headers.ts'
import type { InstanceRef } from '../../shared/ids.ts'
import type { IdentityAnswer } from '../../shared/routing/death-proof.ts'
import type { Holding } from '../../shared/routing/routing-table.ts'
import { type Forwarder, type NodeReply, UpstreamFailure } from '../upstream/forwarder.ts'
import type { NodeQuestions, TakeoverAnswer } from './node-questions.ts'
import type { KnownNode } from './node-view.ts'

export interface AskedNodesDeps {
  readonly forwarder: Forwarder
  /** Empty: nodes answer no questions, and only refused connections can be seen. */
  readonly token: string
  readonly timeoutMs: number
  readonly takeoverTimeoutMs: number
}

/** What became of the reads that went through this gateway, as a node is told. */
export interface ReadReport {
  readonly key: string
  readonly read_id: string
  readonly delivered: boolean
}

/** How long the receipt for reports is waited for: as long as for any question, or as long as a hand-over may take. */
export type ReportPatience = 'question' | 'hand-over'

/** That a node has taken reports in. */
export interface ReportReceipt {
  /** Keys of instances that the node does not hold (any more): their reports are for whoever holds them now. */
  readonly notHeld: ReadonlySet<string>
}

/** Asks proxy nodes over HTTP, at their own sockets. */
export class AskedNodes implements NodeQuestions {
  readonly #deps: AskedNodesDeps

  constructor(deps: AskedNodesDeps) {
    this.#deps = deps
  }

  async identity(node: KnownNode): Promise<IdentityAnswer> {
    try {
      const reply = await this.#ask(node, 'GET', internalRoutes.identity, undefined, {
        newConnection: true,
      })
      const { id, incarnation } = parsed(reply)
      if (reply.status === 200 && typeof id === 'string' && typeof incarnation === 'string')
        return { outcome: 'identity', id, incarnation }
      return { outcome: 'unclear', detail: `status ${reply.status}` }
    } catch (error) {
      if (error instanceof UpstreamFailure && error.reason === 'refused') return { outcome: 'refused' }
      return { outcome: 'unclear', detail: String(error) }
    }
  }

  async holds(node: KnownNode, { group, instance }: InstanceRef): Promise<boolean | undefined> {
    // Without the token a node says 404 to everything: that is no answer.
    if (this.#deps.token === '') return undefined
    const path = `${internalRoutes.instances}/${encodeURIComponent(group)}/${encodeURIComponent(instance)}`
    const reply = await this.#ask(node, 'GET', path).catch(() => undefined)
    if (reply?.status === 200) return true
    return reply?.status === 404 ? false : undefined
  }

  async findsDead(asked: KnownNode, suspect: KnownNode): Promise<boolean | undefined> {
    const { id, incarnation, internalUrl } = suspect
    const body = JSON.stringify({ internal_url: internalUrl, id, incarnation: incarnation ?? '' })
    const reply = await this.#ask(asked, 'POST', internalRoutes.deathCheck, body).catch(() => undefined)
    if (reply?.status !== 200) return undefined
    const { dead } = parsed(reply)
    return typeof dead === 'boolean' ? dead : undefined
  }

  async takeOver(
    node: KnownNode,
    { group, instance }: InstanceRef,
    { node: owner, incarnation, token }: Holding,
    deathProved: boolean,
  ): Promise<TakeoverAnswer> {
    const replaces = { node: owner, incarnation, token }
    const body = JSON.stringify({ group, instance, replaces, death_proved: deathProved })
    const timeoutMs = this.#deps.takeoverTimeoutMs
    const reply = await this.#ask(node, 'POST', internalRoutes.takeovers, body, { timeoutMs }).catch(
      () => undefined,
    )
    if (reply === undefined) return { outcome: 'refused' }
    if (reply.status === 404) return { outcome: 'gone' }
    if (reply.status === 409) return { outcome: 'lost' }
    const { incarnation: holder, token: held } = parsed(reply)
    if (reply.status !== 200 || typeof holder !== 'string' || typeof held !== 'number')
      return { outcome: 'refused' }
    return { outcome: 'held', incarnation: holder, token: held }
  }

  /**
   * Reports outcomes of reads; undefined: the node did not confirm it.
   * @param patience `hand-over`: waits for a node that is handing over one of the instances. It takes the reports in at
   *   once, but answers only when the instance can be found elsewhere.
   */
  async report(
    node: KnownNode,
    reports: readonly ReadReport[],
    patience: ReportPatience = 'question',
  ): Promise<ReportReceipt | undefined> {
    const body = JSON.stringify(reports)
    const timeoutMs = patience === 'hand-over' ? this.#deps.takeoverTimeoutMs : this.#deps.timeoutMs
    const reply = await this.#ask(node, 'POST', internalRoutes.readOutcomes, body, { timeoutMs }).catch(
      () => undefined,
    )
    if (reply === undefined || reply.status < 200 || reply.status >= 300) return undefined
    const { not_held: notHeld } = parsed(reply)
    return { notHeld: new Set(Array.isArray(notHeld) ? notHeld : []) }
  }

  #ask(
    node: KnownNode,
    method: 'GET' | 'POST',
    path: string,
    body?: string,
    options: { readonly newConnection?: boolean; readonly timeoutMs?: number } = {},
  ): Promise<NodeReply> {
    const { forwarder, token } = this.#deps
    const { newConnection = false, timeoutMs = this.#deps.timeoutMs } = options
    const headers: Record<string, string> = token === '' ? {} : { [internalHeaders.token]: token }
    const question = { origin: node.internalUrl, method, path, headers, timeoutMs, newConnection }
    return forwarder.ask(body === undefined ? question : { ...question, body })
  }
}

/** The fields of a JSON object; none for anything else. */
function parsed(reply: NodeReply): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(reply.body)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}
