import ipaddr from 'ipaddr.js'

/** The host of `http(s)://host[:port]`; undefined for anything with more to it. */
export function plainHost(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  const plain = text === url.origin || text === `${url.origin}/` || text === `${url.protocol}//${url.host}`
  if (!plain && !hasDefaultPort(text, url)) return undefined
  return url.protocol === 'http:' || url.protocol === 'https:'
    ? url.hostname.replace(/^\[|\]$/g, '')
    : undefined
}

/** `http://host:80` is plain too, though URL leaves the default port out. */
function hasDefaultPort(text: string, url: URL): boolean {
  return url.port === '' && text === `${url.origin}:${url.protocol === 'https:' ? 443 : 80}`
}

/** `10.0.0.0/8`, `10.1.2.3`, `node-1.internal` or `*.internal`; names are not resolved. */
export function hostFits(host: string, pattern: string): boolean {
  if (pattern.startsWith('*.')) return host.toLowerCase().endsWith(pattern.slice(1).toLowerCase())
  if (ipaddr.isValid(host)) return addressFits(host, pattern)
  return host.toLowerCase() === pattern.toLowerCase()
}

/** Whether an address is in a range (CIDR) or is that one address. IPv4 inside IPv6 counts as IPv4. */
export function addressFits(address: string, pattern: string): boolean {
  if (!ipaddr.isValid(address)) return false
  const ip = ipaddr.process(address)
  const range = parseRange(pattern)
  return range !== undefined && ip.kind() === range[0].kind() && ip.match(range)
}

/** undefined for text that is neither an address nor a range. */
export function parseRange(pattern: string): [ipaddr.IPv4 | ipaddr.IPv6, number] | undefined {
  if (ipaddr.isValidCIDR(pattern)) return ipaddr.parseCIDR(pattern)
  if (!ipaddr.isValid(pattern)) return undefined
  const ip = ipaddr.process(pattern)
  return [ip, ip.kind() === 'ipv4' ? 32 : 128]
}
