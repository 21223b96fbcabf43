import { redisProblems } from '../shared/routing/open-routing-table.ts'
import { internalTokenCharsMin } from '../shared/security/internal-token.ts'
import { operatorTokenProblems } from '../shared/security/operator-tokens.ts'
import { SettingsError } from '../shared/settings/load.ts'
import { shownValue } from '../shared/settings/shown-value.ts'
import { rateCostProblems } from './rate-settings.ts'
import type { LoadedProxyNodeSettings } from './settings.ts'

/** What the settings say, checked against each other. */
export interface CheckedSettings {
  /** `http(s)://host:port` of the data listener. */
  readonly listener: string
  /** `bootstrap.servers`, parsed. */
  readonly bootstrap: readonly { readonly host: string; readonly port: number }[]
}

/**
 * Checks what the rows of the table cannot say one by one.
 * @param found problems that others have found in the settings already, to be told with these.
 * @throws SettingsError with all problems at once.
 */
export function checkSettings(
  { settings }: LoadedProxyNodeSettings,
  found: readonly string[] = [],
): CheckedSettings {
  const problems = [...found]
  const [listener = '', ...more] = settings['listeners']
  if (more.length > 0) problems.push('listeners: one address')
  if (!/^https?:\/\//.test(listener) || !URL.canParse(listener))
    problems.push('listeners: must be http(s)://host:port')
  else if (settings['internal.token'].length < internalTokenCharsMin && !isLoopback(listener))
    problems.push(
      `listeners=${shownValue(listener)}: an address other than loopback needs internal.token, of ${internalTokenCharsMin} characters at least`,
    )
  else if (isUnspecified(listener) && settings['internal.url'] === '')
    problems.push(
      `listeners=${shownValue(listener)}: internal.url must say where gateways reach this process`,
    )
  if (settings['failover.mode'] === 'takeover' && settings['internal.token'] === '')
    problems.push('failover.mode=takeover needs internal.token: gateways and nodes ask for takeovers with it')
  if (settings['lease.renew.interval.ms'] * 2 > settings['lease.ms'])
    problems.push('lease.renew.interval.ms must be at most half of lease.ms')
  problems.push(
    ...redisProblems(settings),
    ...rateCostProblems(settings),
    ...operatorTokenProblems(settings['admin.tokens']),
  )
  const bootstrap = settings['bootstrap.servers'].flatMap(address => {
    const parsed = parseAddress(address)
    if (parsed === undefined) problems.push(`bootstrap.servers: ${address} is not host:port`)
    return parsed ?? []
  })
  if (settings['bootstrap.servers'].length === 0) problems.push('bootstrap.servers needs to be configured')
  // A renewal that fails later than that is taken for one that the process slept over (services/lease.ts).
  if (settings['redis.timeout.ms'] * 3 > settings['lease.ms'])
    problems.push('redis.timeout.ms must be at most a third of lease.ms')
  if (problems.length > 0) throw new SettingsError(problems)
  return { listener, bootstrap }
}

/** `host:port`, with an optional security protocol in front, as Kafka's own clients accept it. */
function parseAddress(text: string): { host: string; port: number } | undefined {
  const parts = /^(?:[A-Za-z_]+:\/\/)?(\[[0-9A-Fa-f:.]+\]|[^:/[\]\s]+):(\d{1,5})$/.exec(text)
  const port = Number(parts?.[2])
  if (parts?.[1] === undefined || port < 1 || port > 65_535) return undefined
  return { host: parts[1].replace(/^\[|\]$/g, ''), port }
}

/** An address that means all interfaces is none that others can connect to. */
function isUnspecified(url: string): boolean {
  const { hostname } = new URL(url)
  return hostname === '0.0.0.0' || hostname === '[::]'
}

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url)
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}
