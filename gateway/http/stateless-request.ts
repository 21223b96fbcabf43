import type { Route } from '../../shared/rest/routes.ts'
import type { ClientRequest, UpstreamAnswer } from '../upstream/forwarder.ts'
import { repeatable } from '../upstream/retry.ts'
import { trySeveral } from './attempt.ts'
import type { ForwardDeps } from './deps.ts'

/**
 * Forwards a request that any node can answer.
 * @param headers the gateway's own.
 * @throws RestError noProxyNode, upstreamFailed, upstreamTimeout.
 */
export async function forwardStateless(
  deps: ForwardDeps,
  client: ClientRequest,
  route: Route | undefined,
  headers: Readonly<Record<string, string>>,
): Promise<UpstreamAnswer> {
  const { answer } = await trySeveral(deps, client, {
    headers: () => headers,
    trusted: route !== undefined,
    repeatable: repeatable(route, client.method),
    // A produce is never held: its body streams, once.
    bodyAtHand: client.bodyLength === 0,
    choose: async tried => deps.selection.stateless(tried),
  })
  return answer
}
