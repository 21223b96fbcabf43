import { RestError } from '../../shared/errors/rest-error.ts'
import type { Route } from '../../shared/rest/routes.ts'
import { endpointNames } from './endpoint-names.ts'

/** `api.v2.enable`, `api.endpoints.allowlist` and `api.endpoints.blocklist` (contract v2 §5.1, §5.5). */
export interface AccessLists {
  readonly enabled: boolean
  readonly allow: readonly string[]
  readonly block: readonly string[]
}

/**
 * Makes the check whether an endpoint may be used. Names match exactly; a class as a whole is named `api.v2.topics.*`.
 * A blocked GET is answered as an unknown path, anything else as a wrong method, so that an endpoint that is switched
 * off looks as if it did not exist.
 */
export function createAccessCheck(lists: AccessLists): (route: Route, mediaType: string | undefined) => void {
  const allow = new Set(lists.allow)
  const block = new Set(lists.block)
  return (route, mediaType) => {
    if (!lists.enabled) throw new RestError('notFound')
    if (allow.size === 0 && block.size === 0) return
    const names = endpointNames(route, mediaType)
    const allowed = allow.size === 0 || names.some(name => allow.has(name))
    if (allowed && !names.some(name => block.has(name))) return
    throw new RestError(route.method === 'GET' ? 'notFound' : 'methodNotAllowed')
  }
}
