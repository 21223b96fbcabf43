import { parsePartitions } from '../../../shared/rest/v2-consumer-shapes.ts'
import type { Handler } from '../handler.ts'
import {
  type ConsumerHandlerDeps,
  callOf,
  heldInstance,
  instanceAndBody,
  jsonText,
  noContent,
} from './consumers-lookup.ts'

/** POST …/assignments (contract v2 §2.12). */
export function assign(deps: ConsumerHandlerDeps): Handler {
  return async request => {
    const { instance, body } = await instanceAndBody(deps, request, (bytes, limits) =>
      parsePartitions(bytes, limits, 'assign.arg3'),
    )
    await instance.assign(body, callOf(request))
    return noContent()
  }
}

/** GET …/assignments: also what the group has assigned to a subscribed instance. */
export function getAssignments(deps: ConsumerHandlerDeps): Handler {
  return async request => {
    const { partitions } = await heldInstance(deps, request)
    return jsonText(
      request,
      JSON.stringify({ partitions: partitions.map(({ topic, partition }) => ({ topic, partition })) }),
    )
  }
}
