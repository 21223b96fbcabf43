import { RestError } from '../../../shared/errors/rest-error.ts'
import { errorResponse } from '../../../shared/http/error-response.ts'
import { internalRoutes } from '../../../shared/http/internal-headers.ts'
import { instanceKey } from '../../../shared/ids.ts'
import { memberUrl } from '../../../shared/routing/table-records.ts'
import type { TakeoverRequest } from '../../services/instance-opener.ts'
import type { TakeoverOutcome } from '../../services/instances.ts'
import type { Membership } from '../../services/membership.ts'
import type { ReadReport } from '../../services/read-outcomes.ts'
import type { InternalHandler } from './internal-handler.ts'

export interface InternalRoutesDeps {
  readonly membership: Pick<Membership, 'identity' | 'checkDeath'>
  /** Whether this node holds an instance, by its key. */
  readonly holds: (key: string) => boolean
  /**
   * Takes in what a gateway says about reads; done when it resolves, since the gateway goes on then.
   * @returns the keys of instances that are not held here (any more).
   */
  readonly applyReadOutcomes: (reports: readonly ReadReport[]) => Promise<readonly string[]>
  /** Takes an instance over from a node that is gone or has given it up. @throws RestError */
  readonly takeOver: (request: TakeoverRequest) => Promise<TakeoverOutcome>
}

type Method = 'GET' | 'POST'

/**
 * The routes between the processes. They exist only for requests with the internal token; to all others a path is
 * answered as any unknown one. HEAD and other methods are unknown too.
 */
export function createInternalRoutes(deps: InternalRoutesDeps): InternalHandler {
  return async ({ target, env, trusted, body }) => {
    if (!trusted) return undefined
    const method = env.incoming.method
    if (method !== 'GET' && method !== 'POST') return undefined
    try {
      return await answer(deps, method, target, body)
    } catch (error) {
      if (error instanceof RestError) return errorResponse(error, 'application/json')
      throw error
    }
  }
}

async function answer(
  deps: InternalRoutesDeps,
  method: Method,
  target: string,
  body: () => Promise<Buffer>,
): Promise<Response | undefined> {
  switch (`${method} ${target}`) {
    case `GET ${internalRoutes.identity}`:
      return Response.json(deps.membership.identity())
    case `POST ${internalRoutes.deathCheck}`:
      return Response.json({ dead: await deps.membership.checkDeath(parseDeathCheck(await body())) })
    case `POST ${internalRoutes.readOutcomes}`:
      return readOutcomesAnswer(await deps.applyReadOutcomes(parseReadReports(await body())))
    case `POST ${internalRoutes.takeovers}`:
      return takeoverAnswer(await deps.takeOver(parseTakeover(await body())))
  }
  const key = method === 'GET' ? lookedUpKey(target) : undefined
  if (key === undefined) return undefined
  if (deps.holds(key)) return Response.json({ held: true })
  return errorResponse(new RestError('consumerInstanceNotFound'), 'application/json')
}

/** The key that `GET /internal/instances/{group}/{instance}` asks for. */
function lookedUpKey(target: string): string | undefined {
  const prefix = `${internalRoutes.instances}/`
  if (!target.startsWith(prefix)) return undefined
  const [group, instance, ...more] = target.slice(prefix.length).split('/')
  if (!group || !instance || more.length > 0) return undefined
  try {
    return instanceKey({ group: decodeURIComponent(group), instance: decodeURIComponent(instance) })
  } catch {
    return undefined
  }
}

/** Reports about instances that are not held here must reach whoever holds them now. */
function readOutcomesAnswer(notHeld: readonly string[]): Response {
  return notHeld.length === 0
    ? new Response(null, { status: 204 })
    : Response.json({ not_held: [...new Set(notHeld)] })
}

function takeoverAnswer(taken: TakeoverOutcome): Response {
  switch (taken.outcome) {
    case 'held':
      return Response.json(taken)
    case 'lost':
      return Response.json(taken, { status: 409 })
    case 'gone':
      return errorResponse(new RestError('consumerInstanceNotFound'), 'application/json')
  }
}

function parseTakeover(body: Buffer): TakeoverRequest {
  const { group, instance, replaces, death_proved: deathProved } = objectOf(parseJson(body))
  const { node, incarnation, token } = objectOf(replaces)
  if (typeof deathProved !== 'boolean')
    throw new RestError('validation', 'death_proved must be true or false')
  if (typeof token !== 'number' || !Number.isSafeInteger(token))
    throw new RestError('validation', 'token must be an integer')
  return {
    ref: { group: name(group, 'group'), instance: name(instance, 'instance') },
    replaces: { node: name(node, 'node'), incarnation: name(incarnation, 'incarnation'), token },
    deathProved,
  }
}

/** `incarnation` may be empty: the gateway knows the node by its address only. */
function parseDeathCheck(body: Buffer): { id: string; incarnation: string; internalUrl: string } {
  const { internal_url: url, id, incarnation } = objectOf(parseJson(body))
  const internalUrl = memberUrl(url)
  if (internalUrl === undefined) throw new RestError('validation', 'internal_url must be http(s)://host:port')
  return { internalUrl, id: name(id, 'id'), incarnation: name(incarnation, 'incarnation') }
}

/** One batch of a gateway is far below this. */
const reportsMax = 10_000

function parseReadReports(body: Buffer): ReadReport[] {
  const parsed = parseJson(body)
  if (!Array.isArray(parsed) || parsed.length > reportsMax)
    throw new RestError('validation', `read outcomes must be an array of at most ${reportsMax}`)
  return parsed.map(entry => {
    const { key, read_id: readId, delivered } = objectOf(entry)
    if (typeof delivered !== 'boolean') throw new RestError('validation', 'delivered must be true or false')
    return { key: name(key, 'key'), readId: name(readId, 'read_id'), delivered }
  })
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    throw new RestError('badRequest', 'the body is no JSON')
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw new RestError('validation', 'an object is missing')
  return { ...value }
}

const nameLengthMax = 4096

function name(value: unknown, field: string): string {
  if (typeof value === 'string' && value.length <= nameLengthMax) return value
  throw new RestError('validation', `${field} must be a string of at most ${nameLengthMax} characters`)
}
