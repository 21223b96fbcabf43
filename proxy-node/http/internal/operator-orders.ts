import { RestError } from '../../../shared/errors/rest-error.ts'
import { errorResponse } from '../../../shared/http/error-response.ts'
import { internalRoutes } from '../../../shared/http/internal-headers.ts'
import type { Logger } from '../../../shared/observability/logger.ts'
import type { NodeOperations } from '../../services/node-operations.ts'
import type { InternalHandler } from './internal-handler.ts'

export interface OperatorOrdersDeps {
  readonly operations: Pick<NodeOperations, 'status' | 'drain' | 'undrain' | 'evict'>
  readonly log: Logger
}

/**
 * What a gateway asks of this node for an operator, who has shown a token there. Like all routes between processes they
 * exist only for requests with the internal token.
 */
export function createOperatorOrders(deps: OperatorOrdersDeps): InternalHandler {
  return async ({ target, env, trusted, body }) => {
    if (!trusted) return undefined
    try {
      return await answer(deps, `${env.incoming.method} ${target}`, body)
    } catch (error) {
      if (error instanceof RestError) return errorResponse(error, 'application/json')
      throw error
    }
  }
}

async function answer(
  { operations, log }: OperatorOrdersDeps,
  request: string,
  body: () => Promise<Buffer>,
): Promise<Response | undefined> {
  const note = (order: Order, action: string) =>
    log.info({ ...order, action }, 'an operator acts through a gateway')
  switch (request) {
    case `GET ${internalRoutes.status}`:
      return Response.json(operations.status())
    case `POST ${internalRoutes.drain}`:
      note(parseOrder(await body()), 'node.drain')
      return Response.json(operations.drain())
    case `POST ${internalRoutes.undrain}`:
      note(parseOrder(await body()), 'node.undrain')
      return Response.json(await operations.undrain())
    case `POST ${internalRoutes.evictions}`: {
      const order = parseOrder(await body())
      note(order, 'instances.evict')
      await operations.evict({ group: order.group ?? '', instance: order.instance ?? '' })
      return Response.json({})
    }
  }
  return undefined
}

interface Order {
  readonly operator: string
  readonly group?: string
  readonly instance?: string
}

const nameLengthMax = 4096

function parseOrder(body: Buffer): Order {
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    throw new RestError('badRequest', 'the body is no JSON')
  }
  const fields = new Map<string, unknown>(
    typeof value === 'object' && value !== null ? Object.entries(value) : [],
  )
  const name = (field: string): string | undefined => {
    const text = fields.get(field)
    if (text === undefined) return undefined
    if (typeof text === 'string' && text.length <= nameLengthMax) return text
    throw new RestError('validation', `${field} must be a string of at most ${nameLengthMax} characters`)
  }
  const operator = name('operator')
  if (operator === undefined) throw new RestError('validation', 'operator is missing')
  const group = name('group')
  const instance = name('instance')
  return {
    operator,
    ...(group === undefined ? {} : { group }),
    ...(instance === undefined ? {} : { instance }),
  }
}
