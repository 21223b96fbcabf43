import type { Clock } from '../../shared/clock.ts'
import { RestError } from '../../shared/errors/rest-error.ts'
import type { Route } from '../../shared/rest/routes.ts'
import type { RateSettings } from '../rate-settings.ts'
import { endpointNames } from './endpoint-names.ts'
import { RateLimiter } from './rate-limiter.ts'

/** Waits for a request's permits. @throws RestError rateLimited; the signal's reason. */
export type RateLimit = (route: Route, mediaType: string | undefined, signal: AbortSignal) => Promise<void>

/** The limit on all requests of this process together; without `rate.limit.enable` it lets everything through. */
export function createRateLimit(settings: RateSettings, clock: Clock): RateLimit {
  if (!settings['rate.limit.enable']) return async () => undefined
  const limiter = new RateLimiter(settings['rate.limit.permits.per.sec'], clock)
  const costs = new Map(
    settings['rate.limit.costs'].map(entry => {
      const [name = '', cost] = entry.split('=')
      return [name, Number(cost)]
    }),
  )
  return async (route, mediaType, signal) => {
    const [own, group] = endpointNames(route, mediaType)
    const cost = costs.get(own) ?? costs.get(group) ?? settings['rate.limit.default.cost']
    if (cost === 0) return
    const waitMs = limiter.take(cost, settings['rate.limit.timeout.ms'])
    if (waitMs === undefined) throw new RestError('rateLimited')
    if (waitMs > 0) await clock.sleep(waitMs, signal)
  }
}
