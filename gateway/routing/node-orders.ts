import { RestError } from '../../shared/errors/rest-error.ts'
import { internalHeaders, internalRoutes } from '../../shared/http/internal-headers.ts'
import type { InstanceRef } from '../../shared/ids.ts'
import { type NodeStatus, parseNodeStatus } from '../../shared/rest/node-status.ts'
import { type Forwarder, type NodeReply, UpstreamFailure } from '../upstream/forwarder.ts'
import type { KnownNode } from './node-view.ts'

export interface NodeOrdersDeps {
  readonly forwarder: Pick<Forwarder, 'ask'>
  /** Empty: nodes take no orders. */
  readonly token: string
  /** Longest wait for an answer, in ms. */
  readonly timeoutMs: number
}

/**
 * What operators ask of a proxy node, through this gateway. All methods throw RestError internalTokenMissing,
 * proxyNodeUnreachable, upstreamTimeout, upstreamFailed.
 */
export class NodeOrders {
  readonly #deps: NodeOrdersDeps

  constructor(deps: NodeOrdersDeps) {
    this.#deps = deps
  }

  /** What the node says of itself. */
  async status(node: KnownNode): Promise<NodeStatus> {
    return statusIn(await this.#ask(node, 'GET', internalRoutes.status))
  }

  /** Has the node begin to drain. */
  async drain(node: KnownNode, operator: string): Promise<NodeStatus> {
    return statusIn(await this.#ask(node, 'POST', internalRoutes.drain, { operator }))
  }

  /** Has the node go back into service. */
  async undrain(node: KnownNode, operator: string): Promise<NodeStatus> {
    return statusIn(await this.#ask(node, 'POST', internalRoutes.undrain, { operator }))
  }

  /** Has the node end an instance. @returns false: it is not held there. */
  async evict(node: KnownNode, ref: InstanceRef, operator: string): Promise<boolean> {
    const { status } = await this.#ask(node, 'POST', internalRoutes.evictions, { operator, ...ref })
    if (status === 200) return true
    if (status === 404) return false
    throw new RestError('proxyNodeUnreachable')
  }

  async #ask(
    node: KnownNode,
    method: 'GET' | 'POST',
    path: string,
    body?: Readonly<Record<string, string>>,
  ): Promise<NodeReply> {
    const { forwarder, token, timeoutMs } = this.#deps
    if (token === '') throw new RestError('internalTokenMissing')
    const headers = { [internalHeaders.token]: token }
    const question = { origin: node.internalUrl, method, path, headers, timeoutMs, newConnection: false }
    try {
      return await forwarder.ask(body ? { ...question, body: JSON.stringify(body) } : question)
    } catch (error) {
      throw error instanceof UpstreamFailure ? failure(error) : error
    }
  }
}

function statusIn(reply: NodeReply): NodeStatus {
  const status = reply.status === 200 ? parseNodeStatus(reply.body) : undefined
  if (status === undefined) throw new RestError('proxyNodeUnreachable')
  return status
}

/** After the request was sent nobody knows whether it was carried out. */
function failure(error: UpstreamFailure): RestError {
  if (error.stage === 'unsent') return new RestError('proxyNodeUnreachable', undefined, { cause: error })
  const row = error.reason === 'slow' ? 'upstreamTimeout' : 'upstreamFailed'
  return new RestError(row, undefined, { cause: error })
}
