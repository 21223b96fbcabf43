import { RestError } from '../errors/rest-error.ts'
import type { Logger } from '../observability/logger.ts'
import { matchOperatorRoute, type OperatorRoute } from '../rest/operator-routes.ts'
import { queryOf } from '../rest/routes.ts'
import type { OperatorTokens } from '../security/operator-tokens.ts'
import { errorResponse, toRestError } from './error-response.ts'
import type { HttpEnv } from './listen.ts'

/** One request of an operator. */
export interface OperatorCall {
  /** Who asks: the name in `admin.tokens`. */
  readonly operator: string
  /** Percent-decoded. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
}

/** Answers an operator with what becomes JSON. @throws RestError */
export type OperatorHandler = (call: OperatorCall) => Promise<Readonly<Record<string, unknown>>>

export interface OperatorApiDeps<Row extends OperatorRoute> {
  readonly routes: readonly Row[]
  readonly handlers: Readonly<Record<Row['id'], OperatorHandler>>
  readonly tokens: OperatorTokens
  readonly log: Logger
}

/** Answers a request on the admin listener; undefined when no operator's route has its path. */
export type OperatorApi = (env: HttpEnv) => Promise<Response | undefined>

/**
 * The routes of operators on an admin listener. Each request needs a token of `admin.tokens`, and is refused before
 * anything else is looked at; each action is logged with the operator's name, the target and the outcome. Bodies are
 * never read: the listener drops them.
 */
export function createOperatorApi<Row extends OperatorRoute>(deps: OperatorApiDeps<Row>): OperatorApi {
  return async ({ incoming }) => {
    const method = incoming.method ?? 'GET'
    const target = incoming.url ?? '/'
    const match = matchOperatorRoute(deps.routes, method, target)
    if (match.outcome === 'not-found') return undefined
    const client = incoming.socket.remoteAddress
    try {
      const operator = authenticated(deps, incoming.headers.authorization, { method, client })
      if (match.outcome === 'method-not-allowed') throw new RestError('methodNotAllowed')
      if (match.outcome === 'malformed') throw new RestError('notFound')
      const { route, params } = match
      return await logged(deps, { operator, client }, route, { operator, params, query: queryOf(target) })
    } catch (error) {
      return errorResponse(toRestError(error, deps.log, crypto.randomUUID()), 'application/json')
    }
  }
}

/** @returns the operator's name. @throws RestError operatorsOff, operatorUnknown. */
function authenticated(
  { tokens, log }: Pick<OperatorApiDeps<OperatorRoute>, 'tokens' | 'log'>,
  authorization: string | undefined,
  from: { readonly method: string; readonly client: string | undefined },
): string {
  if (tokens.empty) throw new RestError('operatorsOff')
  const operator = tokens.operatorOf(authorization)
  if (operator !== undefined) return operator
  const token = authorization === undefined ? 'none' : 'unknown'
  log.warn({ ...from, token }, 'a request without an operator was refused')
  throw new RestError('operatorUnknown')
}

async function logged<Row extends OperatorRoute>(
  { handlers, log }: OperatorApiDeps<Row>,
  who: { readonly operator: string; readonly client: string | undefined },
  route: Row,
  call: OperatorCall,
): Promise<Response> {
  const action = { ...who, action: route.id, target: call.params }
  const write = (outcome: string) => {
    if (route.reads) log.debug({ ...action, outcome }, 'an operator looked')
    else log.info({ ...action, outcome }, 'an operator acted')
  }
  try {
    const handler: OperatorHandler = handlers[route.id as Row['id']]
    const answer = Response.json(await handler(call))
    write('done')
    return answer
  } catch (error) {
    write(error instanceof RestError ? error.row : 'internal')
    throw error
  }
}
