import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { RestError } from '../../../shared/errors/rest-error.ts'
import { consumerGoneHeader } from '../../../shared/http/internal-headers.ts'
import type { InstanceRef } from '../../../shared/ids.ts'
import type { JsonLimits } from '../../../shared/rest/json-body.ts'
import { KafkaError } from '../../ports/kafka-error.ts'
import type { Call, ConsumerInstance } from '../../services/consumer-instance.ts'
import { type CloseReason, InstanceGone } from '../../services/instance-gone.ts'
import type { Instances } from '../../services/instances.ts'
import { toRestError } from '../../services/kafka-failures.ts'
import type { Handler, NodeRequest } from '../handler.ts'

/** What the handlers of consumer endpoints share. */
export interface ConsumerHandlerDeps {
  readonly instances: Instances
  readonly limits: JsonLimits
}

export function refOf({ params }: NodeRequest): InstanceRef {
  return { group: params['group'] ?? '', instance: params['instance'] ?? '' }
}

/** How the request came and whether its client is still there. */
export function callOf({ gateway, incoming, signal }: NodeRequest): Call {
  return {
    way: gateway === undefined ? { connection: incoming.socket } : { gateway: gateway.gatewayRun },
    signal,
  }
}

/**
 * The instance that a request is about.
 * @throws RestError misdirected to a gateway, which then looks once more; consumerInstanceNotFound to anyone else.
 */
export async function heldInstance(
  { instances }: ConsumerHandlerDeps,
  request: NodeRequest,
): Promise<ConsumerInstance> {
  const ref = refOf(request)
  const instance = await instances.find(ref)
  if (instance !== undefined) return instance
  if (request.gateway !== undefined) throw new RestError('misdirected')
  throw notFound(instances.goneReason(ref))
}

/**
 * The instance and the parsed body. A gateway is told before the body is read that the instance is not here, so that
 * it can send the request elsewhere; a client that comes directly hears of a bad body first (contract v2 §1.5).
 */
export async function instanceAndBody<Body>(
  deps: ConsumerHandlerDeps,
  request: NodeRequest,
  parse: (bytes: Buffer, limits: JsonLimits) => Body,
): Promise<{ instance: ConsumerInstance; body: Body }> {
  if (request.gateway !== undefined) await heldInstance(deps, request)
  const body = parse(await request.body(), deps.limits)
  return { instance: await heldInstance(deps, request), body }
}

/** 204 without a body and without a Content-Type. */
export function noContent(): Response {
  return new Response(null, { status: 204 })
}

/** 200 with JSON text in the negotiated type. */
export function jsonText(request: NodeRequest, text: string): Response {
  return new Response(text, { headers: { 'Content-Type': request.contentTypeHeader } })
}

/** Makes the contract's errors of what services throw; a client that has left gets no answer. */
export function answering(handler: Handler): Handler {
  return async request => {
    try {
      return await handler(request)
    } catch (error) {
      if (error instanceof InstanceGone) {
        // Whoever looks elsewhere now should find it there.
        await error.over
        throw goneWhileServed(error.reason, request)
      }
      if (error instanceof KafkaError) throw toRestError(error)
      if (request.signal.aborted && !(error instanceof RestError)) return RESPONSE_ALREADY_SENT
      throw error
    }
  }
}

/** Another node has the instance by now, or may have it. */
const movedOn: ReadonlySet<CloseReason> = new Set(['lost', 'fenced', 'handed-over'])

/** The instance was ended under a request. Where another node may have it by now, a gateway looks once more. */
function goneWhileServed(reason: CloseReason, request: NodeRequest): RestError {
  if (movedOn.has(reason) && request.gateway !== undefined) return new RestError('misdirected')
  return notFound(reason)
}

/** 404 / 40403, and in a header why: a client that knows can tell an expired instance from a lost node. */
function notFound(reason: CloseReason | undefined): RestError {
  const told = reason !== undefined && movedOn.has(reason) ? 'owner-lost' : (reason ?? 'unknown')
  return new RestError('consumerInstanceNotFound', undefined, { headers: { [consumerGoneHeader]: told } })
}
