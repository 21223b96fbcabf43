import { parseCreateConsumer } from '../../../shared/rest/v2-consumer-shapes.ts'
import type { Handler } from '../handler.ts'
import { type BaseUriSettings, directBase, instanceUri } from './base-uri.ts'
import {
  type ConsumerHandlerDeps,
  callOf,
  heldInstance,
  jsonText,
  noContent,
  refOf,
} from './consumers-lookup.ts'

/** POST /consumers/{group} (contract v2 §2.9): 200, and no Location header. */
export function createConsumer(deps: ConsumerHandlerDeps, baseUri: BaseUriSettings): Handler {
  return async request => {
    const { gateway, params, incoming } = request
    const { ref } = await deps.instances.create({
      group: params['group'] ?? '',
      body: parseCreateConsumer(await request.body(), deps.limits),
      drawnName: gateway?.drawnName,
      provedDead: gateway?.provedDead,
    })
    const base = gateway?.publicBase || directBase(incoming, baseUri)
    return jsonText(request, JSON.stringify({ instance_id: ref.instance, base_uri: instanceUri(base, ref) }))
  }
}

/** DELETE /consumers/{group}/instances/{instance} (contract v2 §2.10); a body is ignored. */
export function deleteConsumer(deps: ConsumerHandlerDeps): Handler {
  return async request => {
    await heldInstance(deps, request)
    await deps.instances.delete(refOf(request), callOf(request).way)
    return noContent()
  }
}
