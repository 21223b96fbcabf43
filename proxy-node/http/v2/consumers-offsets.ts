import { parseCommit, parseCommittedQuery } from '../../../shared/rest/v2-consumer-shapes.ts'
import type { Handler } from '../handler.ts'
import { type ConsumerHandlerDeps, callOf, instanceAndBody, jsonText } from './consumers-lookup.ts'

/** POST …/offsets (contract v2 §2.15): 200 and an empty array, whatever was committed; `async` changes nothing. */
export function commitOffsets(deps: ConsumerHandlerDeps): Handler {
  return async request => {
    const { instance, body } = await instanceAndBody(deps, request, parseCommit)
    if (body === undefined) await instance.commitHandedOut(callOf(request))
    else await instance.commitOffsets(body, callOf(request))
    return jsonText(request, '[]')
  }
}

/** GET …/offsets with a body (contract v2 §2.16): what Kafka stores; partitions without a commit are left out. */
export function getCommittedOffsets(deps: ConsumerHandlerDeps): Handler {
  return async request => {
    const { instance, body } = await instanceAndBody(deps, request, parseCommittedQuery)
    const committed = await instance.committed(body, callOf(request))
    const entries = committed.map(
      ({ topic, partition, offset, metadata }) =>
        // Offsets are written as they are: a double would round them beyond 2^53.
        `{"topic":${JSON.stringify(topic)},"partition":${partition},"offset":${offset},"metadata":${JSON.stringify(metadata)}}`,
    )
    return jsonText(request, `{"offsets":[${entries.join(',')}]}`)
  }
}
