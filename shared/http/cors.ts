import type { SettingRow, SettingsOf } from '../settings/row.ts'

/** Settings of cross-origin access (contract v2 §5.3). Each table that listens to browsers spreads them. */
export const corsSettings = [
  {
    key: 'access.control.allow.origin',
    kind: 'list',
    default: '',
    doc: 'Web origins whose pages may call this API, comma-separated: https://app.example.com, with * for any part of a name, or * alone for all. Empty: cross-origin access is off.',
  },
  {
    key: 'access.control.allow.methods',
    kind: 'list',
    default: '',
    doc: 'Methods that pages of other origins may use. Empty: GET, POST, HEAD, as in the original; deleting consumers needs DELETE added.',
  },
  {
    key: 'access.control.allow.headers',
    kind: 'list',
    default: '',
    doc: 'Request headers that pages of other origins may set; * for all. Empty: X-Requested-With, Content-Type, Accept, Origin.',
  },
  {
    key: 'access.control.expose.headers',
    kind: 'list',
    default: '',
    doc: 'Headers of answers that pages of other origins may read. Empty: none but those that browsers always show.',
  },
] as const satisfies readonly SettingRow[]

export type CorsSettings = SettingsOf<typeof corsSettings>

/** Who may call from a browser, and how. Pure, and free of node:*. */
export interface CorsPolicy {
  readonly allows: (origin: string) => boolean
  /** Whether every origin is allowed: then answers do not depend on it. */
  readonly anyOrigin: boolean
  readonly methods: readonly string[]
  /** Lower-cased; undefined: all. */
  readonly headers: readonly string[] | undefined
  readonly exposed: readonly string[]
}

/** How long browsers may keep a preflight answer, in seconds: the original's. */
const preflightMaxAge = 1800

/** @returns undefined when cross-origin access is off. */
export function corsPolicy(settings: CorsSettings): CorsPolicy | undefined {
  const origins = settings['access.control.allow.origin'].filter(origin => origin !== '')
  if (origins.length === 0) return undefined
  const anyOrigin = origins.includes('*')
  const matchers = origins.map(originMatcher)
  const methods = settings['access.control.allow.methods'].filter(method => method !== '')
  const headers = settings['access.control.allow.headers'].filter(header => header !== '')
  return {
    anyOrigin,
    allows: origin => anyOrigin || matchers.some(matches => matches(origin)),
    methods: methods.length > 0 ? methods : ['GET', 'POST', 'HEAD'],
    headers: headers.includes('*')
      ? undefined
      : headers.length > 0
        ? headers
        : ['X-Requested-With', 'Content-Type', 'Accept', 'Origin'],
    exposed: settings['access.control.expose.headers'].filter(header => header !== ''),
  }
}

/**
 * What cross-origin access adds to the answer of a request (the Fetch standard §3.2; as the original's
 * servlet filter does it, except that credentials are offered only to origins that are listed, not to
 * everybody).
 * @param header the request's header of a name in lower case.
 * @returns headers in lower case, and whether the request was a preflight, which ends here with 200.
 */
export function corsAnswer(
  policy: CorsPolicy,
  method: string,
  header: (name: string) => string | undefined,
): { headers: Record<string, string>; preflight: boolean } {
  const headers: Record<string, string> = policy.anyOrigin ? {} : { vary: 'Origin' }
  const origin = header('origin')
  if (origin === undefined || !policy.allows(origin)) return { headers, preflight: false }
  const requestMethod = header('access-control-request-method')
  const preflight = method === 'OPTIONS' && requestMethod !== undefined
  const requested = namesOf(header('access-control-request-headers'))
  // Without these headers the browser refuses by itself.
  if (preflight && !allowsPreflight(policy, requestMethod, requested)) return { headers, preflight }
  headers['access-control-allow-origin'] = policy.anyOrigin ? '*' : origin
  if (!policy.anyOrigin) headers['access-control-allow-credentials'] = 'true'
  if (preflight) {
    headers['access-control-max-age'] = String(preflightMaxAge)
    headers['access-control-allow-methods'] = policy.methods.join(',')
    headers['access-control-allow-headers'] = (policy.headers ?? requested).join(',')
  } else if (policy.exposed.length > 0) headers['access-control-expose-headers'] = policy.exposed.join(',')
  return { headers, preflight }
}

/** The same around an app whose answers are web Responses, for runtimes without a listener of ours. */
export function withCors<Env>(
  policy: CorsPolicy,
  app: (request: Request, env: Env) => Response | Promise<Response>,
): (request: Request, env: Env) => Promise<Response> {
  return async (request, env) => {
    const added = corsAnswer(policy, request.method, name => request.headers.get(name) ?? undefined)
    const made = added.preflight ? new Response(null, { status: 200 }) : await app(request, env)
    // Answers that came from elsewhere have headers that cannot be changed.
    const headers = new Headers(made.headers)
    for (const [name, value] of Object.entries(added.headers)) {
      if (name === 'vary') headers.append(name, value)
      else headers.set(name, value)
    }
    return new Response(made.body, { status: made.status, statusText: made.statusText, headers })
  }
}

function allowsPreflight(policy: CorsPolicy, method: string, requested: readonly string[]): boolean {
  if (!policy.methods.includes(method)) return false
  const { headers } = policy
  if (headers === undefined) return true
  const allowed = new Set(headers.map(name => name.toLowerCase()))
  return requested.every(name => allowed.has(name.toLowerCase()))
}

/** Header names of a list; what is none is dropped, since the list may be echoed. */
function namesOf(list: string | undefined): string[] {
  const names = list?.split(',').map(name => name.trim()) ?? []
  return names.filter(name => /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name))
}

/** `*` in a pattern stands for any run of characters of a host name, dots among them. */
function originMatcher(pattern: string): (origin: string) => boolean {
  if (!pattern.includes('*')) return origin => origin === pattern
  const parts = pattern.split('*').map(part => part.replace(/[.\\+?^${}()|[\]/]/g, '\\$&'))
  const expression = new RegExp(`^${parts.join('[A-Za-z0-9.-]*')}$`)
  return origin => origin.length <= originCharsMax && expression.test(origin)
}

/** Longer than any origin, short enough for a pattern with many stars. */
const originCharsMax = 300
