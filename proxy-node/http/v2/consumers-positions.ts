import { parsePartitions, parsePositions } from '../../../shared/rest/v2-consumer-shapes.ts'
import type { Handler } from '../handler.ts'
import { type ConsumerHandlerDeps, callOf, instanceAndBody, noContent } from './consumers-lookup.ts'

/** POST …/positions: offsets, then times (contract v2 §2.13). */
export function seekToOffset(deps: ConsumerHandlerDeps): Handler {
  return async request => {
    const { instance, body } = await instanceAndBody(deps, request, parsePositions)
    await instance.seek(body, callOf(request))
    return noContent()
  }
}

/** POST …/positions/beginning and …/positions/end. */
export function seekToEnd(deps: ConsumerHandlerDeps, target: 'earliest' | 'latest'): Handler {
  const argument = target === 'earliest' ? 'seekToBeginning.arg3' : 'seekToEnd.arg3'
  return async request => {
    const { instance, body } = await instanceAndBody(deps, request, (bytes, limits) =>
      parsePartitions(bytes, limits, argument),
    )
    await instance.seekTo(target, body, callOf(request))
    return noContent()
  }
}
