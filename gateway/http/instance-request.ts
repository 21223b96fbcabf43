import { RestError } from '../../shared/errors/rest-error.ts'
import { consumerGoneHeader } from '../../shared/http/internal-headers.ts'
import { type InstanceRef, instanceKey } from '../../shared/ids.ts'
import type { Route } from '../../shared/rest/routes.ts'
import type { KnownNode } from '../routing/node-view.ts'
import type { Located } from '../routing/router.ts'
import { type ClientRequest, type UpstreamAnswer, UpstreamFailure } from '../upstream/forwarder.ts'
import { nextStep, repeatable } from '../upstream/retry.ts'
import { tryNode } from './attempt.ts'
import type { ForwardDeps } from './deps.ts'
import { forwardStateless } from './stateless-request.ts'

export interface InstanceAnswer {
  readonly answer: UpstreamAnswer
  /** The node that holds the instance; undefined when there is none and any node told so. */
  readonly holder: KnownNode | undefined
  /** Headers that the gateway knows better than the node that answered. */
  readonly headers: Readonly<Record<string, string>>
}

type Gone = Extract<Located, { at: 'gone' }>
type AtNode = Extract<Located, { at: 'node' }>

/**
 * Forwards a request for a consumer instance to the node that holds it. A node that does not hold it says 421 before
 * it reads the body: the gateway then looks once more, past its cache, and sends the request again.
 * @throws RestError consumerInstanceNotFound, ownerUnreachable, placementUnknown, upstreamFailed, upstreamTimeout.
 */
export async function forwardToInstance(
  deps: ForwardDeps,
  client: ClientRequest,
  route: Route,
  ref: InstanceRef,
  common: Readonly<Record<string, string>>,
): Promise<InstanceAnswer> {
  await deps.reads.settled(instanceKey(ref), client.signal)
  const held = await client.hold(deps.options.heldBytesMax)
  const request: InstanceRequest = { client, route, ref, common, bodyAtHand: held !== undefined }
  const first = await deps.router.locate(ref, client.signal)
  if (first.at !== 'node') return withoutHolder(deps, request, first)
  const answered = await askHolder(deps, request, first)
  if (typeof answered !== 'string') return answered
  // Also when the owner is dead: what is cached may be stale, and the instance lives on another node by now.
  const second = await deps.router.relocate(ref, client.signal)
  if (second.at !== 'node' || isSamePlacement(first, second)) {
    const located = second.at === 'node' ? sayNot(second) : second
    const without = isGoneWithOwner(answered, first) ? withReason(located) : located
    // A body that is spent cannot go to another node, to be told in the contract's order what is wrong with it too.
    if (!request.bodyAtHand) throw errorWithoutHolder(without)
    return withoutHolder(deps, request, without)
  }
  // It moved, and the body is spent; the client's next try goes the right way.
  if (!request.bodyAtHand) throw new RestError('placementUnknown')
  deps.meter.count('kafka_rest_gateway_retries_total', { reason: 'moved' })
  const again = await askHolder(deps, request, second)
  if (typeof again !== 'string') return again
  if (isGoneWithOwner(again, second)) return withoutHolder(deps, request, ownerLost)
  // It moved twice while we asked: somebody has it, and the next request will find it.
  deps.router.forget(ref)
  throw new RestError('placementUnknown')
}

const ownerLost: Gone = { at: 'gone', reason: 'owner-lost' }

/** Nodes that were asked tell no reason; the owner's death is one. */
function withReason(located: Exclude<Located, AtNode>): Exclude<Located, AtNode> {
  return located.at === 'gone' && located.reason === 'unknown' ? ownerLost : located
}

/**
 * What may be taken over is not gone with its owner: the table tells who has it, or who could. So it is with what was
 * found at a node of the setting `nodes` while the table was away: nobody told then what is to become of it.
 */
function isGoneWithOwner(answer: 'not-held' | 'owner-dead', { placement }: AtNode): boolean {
  return answer === 'owner-dead' && placement.failover === 'recreate'
}

interface InstanceRequest {
  readonly client: ClientRequest
  readonly route: Route
  readonly ref: InstanceRef
  readonly common: Readonly<Record<string, string>>
  readonly bodyAtHand: boolean
}

/** Sends the request to the holder, and once more if that is right after a failure. */
async function askHolder(
  deps: ForwardDeps,
  request: InstanceRequest,
  { node }: AtNode,
): Promise<InstanceAnswer | 'not-held' | 'owner-dead'> {
  const { client, route, ref, common, bodyAtHand } = request
  for (let tries = 1; ; tries++) {
    try {
      const answer = await tryNode(deps, client, node, { headers: common, trusted: true, pinned: true })
      if (answer.status !== 421) return { answer, holder: node, headers: {} }
      answer.discard()
      return 'not-held'
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error
      const { stage, reason } = error
      const safe = repeatable(route, client.method)
      const triesMax = deps.options.attemptsMax
      const next = nextStep({ stage, reason, repeatable: safe, bodyAtHand, pinned: true, tries, triesMax })
      if (next.step === 'same-node') {
        deps.meter.count('kafka_rest_gateway_retries_total', { reason: 'safe' })
        continue
      }
      deps.router.forget(ref)
      if (next.step === 'check-death' && (await deps.router.isDead(node))) return 'owner-dead'
      throw new RestError(next.step === 'other-node' ? 'ownerUnreachable' : next.row, undefined, {
        cause: error,
      })
    }
  }
}

/**
 * The instance is gone for certain, or nobody can say. A request for one that is gone goes to any node, without our
 * token, so that it is checked in the contract's order (a wrong media type or body comes before the missing instance,
 * v2 §1.5) and answered in the same words by both tiers.
 */
async function withoutHolder(
  deps: ForwardDeps,
  { client, common }: InstanceRequest,
  located: Exclude<Located, AtNode>,
): Promise<InstanceAnswer> {
  if (located.at === 'unknown') throw errorWithoutHolder(located)
  try {
    const answer = await forwardStateless(deps, client, undefined, common)
    const isGone = answer.status === 404 && answer.header(consumerGoneHeader.toLowerCase()) !== undefined
    return {
      answer,
      holder: undefined,
      headers: isGone && located.reason !== 'unknown' ? reasonHeader(located) : {},
    }
  } catch (error) {
    // No node could be asked: what is known is enough.
    if (!(error instanceof RestError) || error.status < 500) throw error
    throw errorWithoutHolder(located, error)
  }
}

/** What a client is told when no node can be asked for the answer. */
function errorWithoutHolder(located: Exclude<Located, AtNode>, cause?: unknown): RestError {
  if (located.at === 'unknown') return new RestError('placementUnknown')
  return new RestError('consumerInstanceNotFound', undefined, { headers: reasonHeader(located), cause })
}

function reasonHeader({ reason }: Gone): Readonly<Record<string, string>> {
  return { [consumerGoneHeader.toLowerCase()]: reason }
}

function isSamePlacement(left: AtNode, right: AtNode): boolean {
  return (
    left.placement.node === right.placement.node &&
    left.placement.incarnation === right.placement.incarnation &&
    left.placement.token === right.placement.token
  )
}

/** The table names a holder that says twice that it is none: the instance was never opened, or is closed already. */
function sayNot({ placement }: AtNode): Gone | { at: 'unknown' } {
  // Found by asking the node itself, which now says the contrary: it is about to move.
  return placement.token === 0 ? { at: 'unknown' } : { at: 'gone', reason: 'unknown' }
}
