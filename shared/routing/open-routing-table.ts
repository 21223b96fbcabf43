import type { Clock } from '../clock.ts'
import type { Logger } from '../observability/logger.ts'
import type { SettingsOf } from '../settings/row.ts'
import type { redisSettings } from '../settings/tier-settings.ts'
import { MemoryRoutingTable } from './memory-routing-table.ts'
import type { RedisAddress } from './redis-client.ts'
import { openRedisRoutingTable } from './redis-routing-table.ts'
import type { RoutingTable } from './routing-table.ts'

/** The settings of either tier that name the table. */
export type RoutingTableSettings = SettingsOf<typeof redisSettings> & { readonly 'redis.url': string }

/**
 * Opens the routing table: Redis when there is a url, else one in memory, for a process that stands alone. Redis being
 * away is no reason not to start.
 */
export async function openRoutingTable(
  settings: RoutingTableSettings,
  deps: {
    readonly clock: Clock
    readonly log: Logger
    readonly onBadRecord?: (kind: 'member' | 'placement') => void
  },
): Promise<RoutingTable> {
  const url = settings['redis.url']
  if (url === '') return new MemoryRoutingTable(deps)
  return openRedisRoutingTable({
    ...deps,
    address: redisAddress(settings),
    keyPrefix: settings['redis.key.prefix'],
    timeoutMs: settings['redis.timeout.ms'],
  })
}

/** What the settings say of Redis. */
export function redisAddress(settings: RoutingTableSettings): RedisAddress {
  const mode = settings['redis.mode']
  return {
    url: settings['redis.url'],
    mode: mode === 'sentinel' || mode === 'cluster' ? mode : 'standalone',
    nodes: settings['redis.nodes'],
    sentinelMaster: settings['redis.sentinel.master'],
    sentinelPassword: settings['redis.sentinel.password'],
    caLocation: settings['redis.ssl.ca.location'],
    certificateLocation: settings['redis.ssl.certificate.location'],
    keyLocation: settings['redis.ssl.key.location'],
  }
}

/** What is wrong with the settings of Redis, for a start that is refused. */
export function redisProblems(settings: RoutingTableSettings): string[] {
  const problems: string[] = []
  const url = settings['redis.url']
  const mode = settings['redis.mode']
  if (url === '') return problems
  if (!/^rediss?:\/\//.test(url)) problems.push('redis.url: must be a redis:// or rediss:// URL')
  for (const node of settings['redis.nodes'])
    if (!/^(\[[0-9a-f:]+\]|[^\s:/@]+)(:\d{1,5})?$/i.test(node))
      problems.push(`redis.nodes: ${node} is no host:port`)
  if (mode === 'sentinel' && settings['redis.nodes'].length === 0)
    problems.push('redis.nodes: redis.mode=sentinel needs the Sentinels')
  if (mode === 'standalone' && settings['redis.nodes'].length > 0)
    problems.push('redis.nodes: is only for redis.mode=sentinel or cluster')
  const files = ['redis.ssl.ca.location', 'redis.ssl.certificate.location', 'redis.ssl.key.location'] as const
  for (const key of files)
    if (settings[key] !== '' && url.startsWith('redis:')) problems.push(`${key}: needs a rediss:// URL`)
  if ((settings['redis.ssl.certificate.location'] === '') !== (settings['redis.ssl.key.location'] === ''))
    problems.push('redis.ssl.certificate.location and redis.ssl.key.location need each other')
  return problems
}
