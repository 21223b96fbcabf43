import { parseSubscription } from '../../../shared/rest/v2-consumer-shapes.ts'
import { compileTopicPattern } from '../../services/topic-pattern.ts'
import type { Handler } from '../handler.ts'
import {
  type ConsumerHandlerDeps,
  callOf,
  heldInstance,
  instanceAndBody,
  jsonText,
  noContent,
} from './consumers-lookup.ts'

/** POST …/subscription (contract v2 §2.11). */
export function subscribe(deps: ConsumerHandlerDeps): Handler {
  return async request => {
    const { instance, body } = await instanceAndBody(deps, request, parseSubscription)
    const call = callOf(request)
    if (body.kind === 'topics') await instance.subscribe(body.topics, call)
    else if (body.kind === 'pattern') await instance.subscribePattern(compileTopicPattern(body.pattern), call)
    else await instance.subscribeNothing(call)
    return noContent()
  }
}

/** GET …/subscription: for a pattern the topics that match now. */
export function getSubscription(deps: ConsumerHandlerDeps): Handler {
  return async request => {
    const { topics } = await heldInstance(deps, request)
    return jsonText(request, JSON.stringify({ topics }))
  }
}

/** DELETE …/subscription: drops a manual assignment too; idempotent. */
export function unsubscribe(deps: ConsumerHandlerDeps): Handler {
  return async request => {
    const instance = await heldInstance(deps, request)
    await instance.unsubscribe(callOf(request))
    return noContent()
  }
}
