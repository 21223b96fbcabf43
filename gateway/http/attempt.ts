import { RestError } from '../../shared/errors/rest-error.ts'
import { internalHeaders } from '../../shared/http/internal-headers.ts'
import type { KnownNode } from '../routing/node-view.ts'
import { type ClientRequest, type UpstreamAnswer, UpstreamFailure } from '../upstream/forwarder.ts'
import { nextStep } from '../upstream/retry.ts'
import type { ForwardDeps } from './deps.ts'

export interface TryOptions {
  /** Headers of the gateway's own besides those that prove who it is. */
  readonly headers: Readonly<Record<string, string>>
  /**
   * Whether the node may believe this request's internal headers. Not for requests that match no operation: the
   * routes between processes are among those, and a client must never reach one of them with our token.
   */
  readonly trusted: boolean
  /** Whether only this node can answer; it is given up when it turns out to be gone. */
  readonly pinned: boolean
}

/** Offers a request to a node once, and keeps count. */
export async function tryNode(
  deps: ForwardDeps,
  client: ClientRequest,
  node: KnownNode,
  { headers, trusted, pinned }: TryOptions,
): Promise<UpstreamAnswer> {
  const { load, meter, clock, withdrawals, options } = deps
  const own: Record<string, string> = { ...headers }
  if (trusted && options.token !== '') {
    own[internalHeaders.token] = options.token
    const { connection } = client
    own[internalHeaders.gatewayRun] = connection === undefined ? options.run : `${options.run}/${connection}`
  }
  const withdrawal = pinned ? withdrawals.watch(node) : undefined
  const begun = clock.monotonic()
  load.begin(node.id)
  const onEnd = () => {
    load.end(node.id)
    withdrawal?.release()
  }
  const attempt = { origin: node.url, headers: own, onEnd }
  try {
    const answer = await client.send(withdrawal ? { ...attempt, signal: withdrawal.signal } : attempt)
    load.succeeded(node.id)
    const seconds = (clock.monotonic() - begun) / 1000
    meter.observe('kafka_rest_gateway_node_response_seconds', seconds, { node: node.id })
    return answer
  } catch (error) {
    if (error instanceof UpstreamFailure) {
      const { stage, reason } = error
      meter.count('kafka_rest_gateway_node_failures_total', { node: node.id, stage, reason })
      if (reason !== 'withdrawn') load.failed(node.id)
    }
    throw error
  }
}

export interface SpreadOptions {
  readonly headers: (node: KnownNode) => Readonly<Record<string, string>>
  readonly trusted: boolean
  readonly repeatable: boolean
  readonly bodyAtHand: boolean
  /** The next node to try. */
  readonly choose: (tried: ReadonlySet<string>) => Promise<KnownNode | undefined>
}

/** Offers a request to one node after the other until one answers, as far as it may go again. */
export async function trySeveral(
  deps: ForwardDeps,
  client: ClientRequest,
  { headers, trusted, repeatable, bodyAtHand, choose }: SpreadOptions,
): Promise<{ answer: UpstreamAnswer; node: KnownNode }> {
  const { meter, options } = deps
  const tried = new Set<string>()
  let tries = 0
  let failure: UpstreamFailure | undefined
  let node = await choose(tried)
  for (;;) {
    if (!node) throw new RestError(rowWithoutNode(failure), undefined, { cause: failure })
    const zone = node.zone === options.zone ? 'own' : 'other'
    meter.count('kafka_rest_gateway_zone_requests_total', { zone })
    tries++
    try {
      const answer = await tryNode(deps, client, node, { headers: headers(node), trusted, pinned: false })
      tried.add(node.id)
      const refused = answer.header(internalHeaders.refused) !== undefined && bodyAtHand
      const next = refused && tried.size < options.attemptsMax ? await choose(tried) : undefined
      // A refusal is as good as any answer when there is nobody else to ask.
      if (!next) return { answer, node }
      answer.discard()
      meter.count('kafka_rest_gateway_retries_total', { reason: 'refused' })
      node = next
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error
      failure = error
      tried.add(node.id)
      const { stage, reason } = error
      const { attemptsMax: triesMax } = options
      const next = nextStep({ stage, reason, repeatable, bodyAtHand, pinned: false, tries, triesMax })
      if (next.step === 'fail') throw new RestError(next.row, undefined, { cause: error })
      meter.count('kafka_rest_gateway_retries_total', { reason: stage === 'unsent' ? 'unsent' : 'safe' })
      // Where there is one node only: a kept connection was lost, which says nothing of the next.
      const sameOnceMore = stage === 'sent' && tries === 1 ? node : undefined
      node = (await choose(tried)) ?? sameOnceMore
    }
  }
}

/** No node is left to try: nothing was applied if none could be reached. */
function rowWithoutNode(failure: UpstreamFailure | undefined): 'noProxyNode' | 'upstreamFailed' {
  return failure === undefined || failure.stage === 'unsent' ? 'noProxyNode' : 'upstreamFailed'
}
