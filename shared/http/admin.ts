import { Hono } from 'hono'
import { type Clock, systemClock } from '../clock.ts'
import { RestError } from '../errors/rest-error.ts'
import { type Logger, silentLogger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import { rawSegments } from '../rest/routes.ts'
import { errorResponse, toRestError } from './error-response.ts'
import type { HttpEnv } from './listen.ts'
import type { OperatorApi } from './operator-api.ts'

/** One part that readiness depends on. */
export interface ReadinessCheck {
  readonly name: string
  /** Resolves with undefined when ready, else with the reason in one sentence. */
  check(): Promise<string | undefined>
}

/**
 * A check that takes longer is a part that is not ready: a probe must get its answer before it gives up
 * itself.
 */
const checkTimeoutMs = 5000

/**
 * The admin app: `/health` (the process runs), `/ready` (it can serve: 200 or 503, with the reason for each
 * part) and `/metrics` (Prometheus text). Open, but bound to loopback by default.
 */
export function createAdmin<Name extends string>(deps: {
  readonly checks: readonly ReadinessCheck[]
  readonly metrics: Metrics<Name>
  readonly clock?: Clock
  readonly log?: Logger
}): Hono<{ Bindings: HttpEnv }> {
  const { checks, metrics, clock = systemClock, log = silentLogger } = deps
  const app = new Hono<{ Bindings: HttpEnv }>({ getPath: rawPath })
  app.notFound(() => errorResponse(new RestError('notFound'), 'application/json'))
  app.onError(error => errorResponse(toRestError(error, log, crypto.randomUUID()), 'application/json'))
  app.get('/health', context => context.json({ status: 'up' }))
  app.get('/ready', async context => {
    const parts: Record<string, string> = {}
    // The parts are told in their order, not in that of their answers.
    for (const { name } of checks) parts[name] = ''
    await Promise.all(
      checks.map(async check => {
        parts[check.name] = (await stateOf(check, clock)) ?? 'ready'
      }),
    )
    const ready = Object.values(parts).every(state => state === 'ready')
    return context.json({ status: ready ? 'ready' : 'not ready', parts }, ready ? 200 : 503)
  })
  app.get('/metrics', async () => {
    const { text, contentType } = await metrics.render()
    return new Response(text, { headers: { 'Content-Type': contentType } })
  })
  return app
}

/** The path as it came: hono's own would be folded (`/x/../health`). */
function rawPath(request: Request, options?: { readonly env?: Partial<HttpEnv> }): string {
  const target = options?.env?.incoming?.url ?? new URL(request.url).pathname
  return `/${rawSegments(target).join('/')}`
}

/** Answers the requests of an admin listener: the open routes, and those of operators. */
export function adminFetch(
  admin: Hono<{ Bindings: HttpEnv }>,
  operators: OperatorApi,
): (request: Request, env: HttpEnv) => Promise<Response> {
  return async (request, env) => (await operators(env)) ?? admin.fetch(request, env)
}

/** The reason why a part is not ready, within a bounded time. */
function stateOf(part: ReadinessCheck, clock: Clock): Promise<string | undefined> {
  return new Promise(resolve => {
    const timer = clock.after(checkTimeoutMs, () => resolve(`no answer within ${checkTimeoutMs} ms`))
    Promise.try(() => part.check())
      .then(resolve, error => resolve(failureText(error)))
      .finally(() => timer.cancel())
  })
}

function failureText(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
