import ipaddr from 'ipaddr.js'
import { redisProblems } from '../shared/routing/open-routing-table.ts'
import { internalTokenCharsMin } from '../shared/security/internal-token.ts'
import { operatorTokenProblems } from '../shared/security/operator-tokens.ts'
import { SettingsError } from '../shared/settings/load.ts'
import { shownValue } from '../shared/settings/shown-value.ts'
import { parseRange, plainHost } from './addresses.ts'
import type { GatewaySettings } from './settings.ts'

/** What the settings say, checked against each other. */
export interface CheckedSettings {
  /** `http(s)://host:port` of the data listener. */
  readonly listener: string
  /** Static nodes by id. */
  readonly nodes: ReadonlyMap<string, string>
  /** Without a trailing slash. */
  readonly publicUrl: string
}

/**
 * Checks what the rows of the table cannot say one by one.
 * @param hasTable whether a routing table is handed in by whoever starts the gateway.
 * @throws SettingsError with all problems at once.
 */
export function checkSettings(settings: GatewaySettings, hasTable: boolean): CheckedSettings {
  const problems: string[] = []
  const [listener = '', ...more] = settings['listeners']
  if (more.length > 0) problems.push('listeners: one address')
  if (plainHost(listener) === undefined) problems.push('listeners: must be http(s)://host:port')
  else if (settings['internal.token'].length < internalTokenCharsMin && !isLoopback(listener))
    problems.push(
      `listeners=${shownValue(listener)}: an address other than loopback needs internal.token, of ${internalTokenCharsMin} characters at least`,
    )
  if (!/^[A-Za-z0-9._-]*$/.test(settings['id'])) problems.push('id: only letters, digits, dots, - and _')
  for (const range of settings['forwarded.trusted'])
    if (parseRange(range) === undefined) problems.push(`forwarded.trusted: ${range} is no address or CIDR`)
  problems.push(...redisProblems(settings))
  problems.push(...operatorTokenProblems(settings['admin.tokens']))
  const nodes = staticNodes(settings['nodes'], problems)
  if (!hasTable && settings['redis.url'] === '' && nodes.size === 0)
    problems.push('redis.url or nodes needs to be configured: there is no way to know the proxy nodes')
  const publicUrl = publicUrlOf(settings['public.url'], problems)
  if (problems.length > 0) throw new SettingsError(problems)
  return { listener, nodes, publicUrl }
}

function staticNodes(entries: readonly string[], problems: string[]): Map<string, string> {
  const nodes = new Map<string, string>()
  for (const entry of entries) {
    const equals = entry.indexOf('=')
    const id = entry.slice(0, Math.max(0, equals)).trim()
    const url = entry.slice(equals + 1).trim()
    if (id === '' || plainHost(url) === undefined)
      problems.push(`nodes: ${shownValue(entry)} is not id=http://host:port`)
    else nodes.set(id, url)
  }
  return nodes
}

function publicUrlOf(text: string, problems: string[]): string {
  if (text === '') return ''
  const { protocol, username, password, search, hash } = new URL(text)
  const extra = username + password + search + hash
  if (!/^https?:$/.test(protocol) || extra !== '')
    problems.push('public.url: must be http(s)://host[:port][/prefix]')
  return text.replace(/\/+$/, '')
}

/** Whether only processes of this machine can reach the address. */
function isLoopback(url: string): boolean {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '')
  if (host === 'localhost') return true
  return ipaddr.isValid(host) && ipaddr.process(host).range() === 'loopback'
}
