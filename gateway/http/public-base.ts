import { addressFits } from '../addresses.ts'

export interface PublicBaseRules {
  /** Setting `public.url`, without a trailing slash; empty: none. */
  readonly publicUrl: string
  /** Setting `forwarded.trusted`: addresses and ranges. */
  readonly trusted: readonly string[]
}

/** What a request says of the address that its client used. Header values as joined by `, `. */
export interface AddressClues {
  /** Of the listener that it came in at. */
  readonly scheme: 'http' | 'https'
  readonly host: string | undefined
  readonly peerAddress: string | undefined
  readonly forwarded: string | undefined
  readonly xForwardedFor: string | undefined
  readonly xForwardedHost: string | undefined
  readonly xForwardedProto: string | undefined
  readonly xForwardedPort: string | undefined
  readonly xForwardedPrefix: string | undefined
}

interface Address {
  scheme: 'http' | 'https'
  authority: string
  prefix: string
}

/**
 * The address under which clients know this system, `scheme://authority[/prefix]`: the front of `base_uri`. A
 * configured one wins. Else the chain of forwarded headers (RFC 7239, or X-Forwarded-*) is read from the right, from
 * the peer on as long as each hop is trusted; what the outermost trusted hop said counts. Else it is `Host`. A value
 * that makes no sense is passed over: it must not fail the request.
 */
export function publicBase(clues: AddressClues, rules: PublicBaseRules): string {
  if (rules.publicUrl !== '') return rules.publicUrl
  const address: Address = { scheme: clues.scheme, authority: clues.host ?? 'localhost', prefix: '' }
  const isTrusted = (host: string | undefined) =>
    host !== undefined && rules.trusted.some(pattern => addressFits(host, pattern))
  if (isTrusted(clues.peerAddress)) {
    if (clues.forwarded === undefined) believeXForwarded(address, clues, isTrusted)
    else believeForwarded(address, clues.forwarded, isTrusted)
  }
  return `${address.scheme}://${withoutDefaultPort(address)}${address.prefix}`
}

type IsTrusted = (address: string | undefined) => boolean

/** RFC 7239: each hop appends one element that tells what it saw: who asked, at which host, by which scheme. */
function believeForwarded(address: Address, header: string, isTrusted: IsTrusted): void {
  for (const element of parseForwarded(header).reverse()) {
    believeScheme(address, element.get('proto'))
    believeHost(address, element.get('host'))
    if (!isTrusted(addressOf(element.get('for')))) return
  }
}

/**
 * X-Forwarded-For tells how many hops to believe. The other headers are lists of the same length where each hop
 * appends, or single values where a hop overwrites: so each is read as many places from the right as there are
 * believed hops, or at its left end if it is shorter.
 */
function believeXForwarded(address: Address, clues: AddressClues, isTrusted: IsTrusted): void {
  let hops = 1
  const chain = items(clues.xForwardedFor)
  while (hops <= chain.length && isTrusted(addressOf(chain[chain.length - hops]))) hops++
  const said = (header: string | undefined) => {
    const list = items(header)
    return list[Math.max(0, list.length - hops)]
  }
  believeScheme(address, said(clues.xForwardedProto))
  const host = said(clues.xForwardedHost)
  believeHost(address, host)
  const port = said(clues.xForwardedPort)
  if (port !== undefined && /^\d{1,5}$/.test(port) && Number(port) > 0 && Number(port) < 65536)
    address.authority = `${hostOnly(address.authority)}:${Number(port)}`
  const prefix = said(clues.xForwardedPrefix)?.replace(/\/+$/, '')
  if (prefix !== undefined && /^(\/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)+$/.test(prefix)) address.prefix = prefix
}

function believeScheme(address: Address, scheme: string | undefined): void {
  const lower = scheme?.toLowerCase()
  if (lower === 'http' || lower === 'https') address.scheme = lower
}

function believeHost(address: Address, host: string | undefined): void {
  if (host !== undefined && isAuthority(host)) address.authority = host
}

/** host or host:port, as a Host header has it. */
export function isAuthority(text: string): boolean {
  const match = /^([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?$/.exec(text)
  return match !== null && (match[2] === undefined || Number(match[2]) < 65536)
}

function withoutDefaultPort({ scheme, authority }: Address): string {
  const port = scheme === 'https' ? ':443' : ':80'
  return authority.endsWith(port) && hostOnly(authority) !== authority
    ? authority.slice(0, -port.length)
    : authority
}

function hostOnly(authority: string): string {
  return authority.replace(/:\d*$/, '')
}

/** The items of a comma-separated header, without the empty ones. */
function items(header: string | undefined): string[] {
  return (header ?? '')
    .split(',')
    .map(item => unquoted(item.trim()))
    .filter(item => item !== '')
}

/**
 * The elements of a Forwarded header, each a map of its pairs with lower-case names. Commas and semicolons within
 * quotes separate nothing; what is no pair is passed over.
 */
export function parseForwarded(header: string): Map<string, string>[] {
  return splitOutsideQuotes(header, ',').map(element => {
    const pairs = new Map<string, string>()
    for (const pair of splitOutsideQuotes(element, ';')) {
      const equals = pair.indexOf('=')
      const name = pair.slice(0, Math.max(0, equals)).trim().toLowerCase()
      if (name !== '') pairs.set(name, unquoted(pair.slice(equals + 1).trim()))
    }
    return pairs
  })
}

function splitOutsideQuotes(text: string, separator: ',' | ';'): string[] {
  const parts: string[] = []
  let start = 0
  let quoted = false
  for (let index = 0; index < text.length; index++) {
    const char = text[index]
    if (quoted && char === '\\') index++
    else if (char === '"') quoted = !quoted
    else if (char === separator && !quoted) {
      parts.push(text.slice(start, index))
      start = index + 1
    }
  }
  parts.push(text.slice(start))
  return parts
}

function unquoted(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return text
  return text.slice(1, -1).replace(/\\(.)/g, '$1')
}

/** The address in a `for` value or an item of X-Forwarded-For: without port and brackets; undefined for a name. */
function addressOf(node: string | undefined): string | undefined {
  if (node === undefined) return undefined
  const bracketed = /^\[([0-9A-Fa-f:.]+)\](?::\d+)?$/.exec(node)
  if (bracketed) return bracketed[1]
  const withPort = /^([0-9.]+)(?::\d+)?$/.exec(node)
  if (withPort) return withPort[1]
  return /^[0-9A-Fa-f:]+$/.test(node) ? node : undefined
}
