import { internalHeaders } from '../../shared/http/internal-headers.ts'
import { drawInstanceName, type InstanceRef, instanceNameProblem } from '../../shared/ids.ts'
import { peekInstanceName } from '../../shared/rest/v2-shapes.ts'
import type { Holding } from '../../shared/routing/routing-table.ts'
import type { KnownNode } from '../routing/node-view.ts'
import type { Placing } from '../routing/router.ts'
import type { ClientRequest, UpstreamAnswer } from '../upstream/forwarder.ts'
import { trySeveral } from './attempt.ts'
import type { ForwardDeps } from './deps.ts'
import { publicBase } from './public-base.ts'

/**
 * Forwards the creation of a consumer instance to the node that its name belongs to. The body is not changed: the
 * gateway looks for the name in it with the code that the node reads it with, and else draws one, which it passes in a
 * header. The node claims the placement. A body that names none that could be placed (unreadable, too large, a name
 * that is refused) goes to any node, which answers the error.
 */
export async function forwardCreate(
  deps: ForwardDeps,
  client: ClientRequest,
  group: string,
  common: Readonly<Record<string, string>>,
): Promise<UpstreamAnswer> {
  const { router, load, options } = deps
  const body = await client.hold(options.heldBytesMax)
  const wanted = body && wantedInstance(body, group, options)
  const placings: Placing[] = []
  let holder: KnownNode | undefined
  try {
    const { answer, node } = await trySeveral(deps, client, {
      trusted: true,
      repeatable: false,
      bodyAtHand: body !== undefined,
      async choose(tried) {
        const placing = await router.place(wanted?.ref, wanted?.chosen ?? false, tried)
        if (placing) placings.push(placing)
        return placing?.node
      },
      headers: chosen => ({
        ...common,
        [internalHeaders.publicBase]: publicBaseOf(client, options),
        ...(wanted && !wanted.chosen ? { [internalHeaders.drawnName]: wanted.ref.instance } : {}),
        ...provedDeadHeader(placings.find(placing => placing.node === chosen)?.provedDead),
      }),
    })
    if (answer.status === 200) holder = node
    if (holder && wanted) router.forget(wanted.ref)
    return answer
  } finally {
    for (const { node } of placings) load.settle(node.id, node === holder)
  }
}

/** The instance that the body asks for, or one with a name that is drawn; undefined: any node will answer an error. */
function wantedInstance(
  body: Uint8Array,
  group: string,
  { id, jsonDepthMax }: { readonly id: string; readonly jsonDepthMax: number },
): { ref: InstanceRef; chosen: boolean } | undefined {
  const peeked = peekInstanceName(body, { depthMax: jsonDepthMax })
  if (!peeked) return undefined
  if (peeked.name === undefined) return { ref: { group, instance: drawInstanceName(id) }, chosen: false }
  if (instanceNameProblem(peeked.name) !== undefined) return undefined
  return { ref: { group, instance: peeked.name }, chosen: true }
}

function provedDeadHeader(holding: Holding | undefined): Record<string, string> {
  if (!holding) return {}
  const parts = [holding.node, holding.incarnation, String(holding.token)]
  return { [internalHeaders.provedDead]: parts.map(encodeURIComponent).join(' ') }
}

function publicBaseOf(client: ClientRequest, options: ForwardDeps['options']): string {
  return publicBase(
    {
      scheme: client.scheme,
      host: client.header('host'),
      peerAddress: client.peerAddress,
      forwarded: client.header('forwarded'),
      xForwardedFor: client.header('x-forwarded-for'),
      xForwardedHost: client.header('x-forwarded-host'),
      xForwardedProto: client.header('x-forwarded-proto'),
      xForwardedPort: client.header('x-forwarded-port'),
      xForwardedPrefix: client.header('x-forwarded-prefix'),
    },
    options.publicBase,
  )
}
