import type { IncomingMessage } from 'node:http'
import type { RestErrorName } from '../errors/rest-errors.ts'

/**
 * What is wrong with a request's head, beyond what Node's parser refuses by itself (line folding, bare LF or
 * CR, NUL, Content-Length next to Transfer-Encoding, two lengths). Each rule closes a way in which two HTTP
 * implementations in a row could read one request differently (RFC 9112 §3.2, §6.1, §11.2), so there is no
 * leniency.
 * @param headBytesMax Node's parser holds names and values against it; here it bounds the head as it was
 * sent.
 * @returns the row to answer, or undefined for a head that the app may see.
 */
export function headProblem(incoming: IncomingMessage, headBytesMax: number): RestErrorName | undefined {
  const { httpVersion } = incoming
  if (headBytes(incoming) > headBytesMax) return 'headTooLarge'
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return 'badFraming'
  if (!isPlainTarget(incoming)) return 'badTarget'
  if (!isPlainFraming(incoming)) return 'badFraming'
  if (!hasOneHost(incoming)) return 'badHost'
  const { expect } = incoming.headers
  // RFC 9110 §10.1.1: of HTTP/1.0 clients it is ignored.
  if (expect !== undefined && httpVersion === '1.1' && expect.toLowerCase() !== '100-continue')
    return 'expectationFailed'
  return undefined
}

/**
 * A path, or `*` with OPTIONS. Not an absolute URL or an authority: this is no proxy. A backslash in the path
 * is a slash to some URL parsers and none to others; `#` never belongs in a request target (RFC 9112 §3.2).
 */
function isPlainTarget({ url = '', method }: IncomingMessage): boolean {
  if (url === '*') return method === 'OPTIONS'
  if (!url.startsWith('/') || url.includes('#')) return false
  const backslash = url.indexOf('\\')
  if (backslash < 0) return true
  const query = url.indexOf('?')
  return query >= 0 && query < backslash
}

/** The length of a head as clients write it: with one blank after each colon. */
export function headBytes({ method = '', url = '', rawHeaders }: IncomingMessage): number {
  let bytes = `${method} ${url} HTTP/1.1\r\n\r\n`.length
  for (const part of rawHeaders) bytes += part.length + 2
  return bytes
}

/**
 * No transfer coding but chunked, which nobody here would undo, and none at all on HTTP/1.0 (RFC 9112 §6.1).
 */
function isPlainFraming({ headers, httpVersion }: IncomingMessage): boolean {
  const coding = headers['transfer-encoding']
  return coding === undefined || (httpVersion === '1.1' && coding.toLowerCase() === 'chunked')
}

/**
 * Exactly one Host on HTTP/1.1, at most one on HTTP/1.0. It is rewritten to its canonical form, since
 * everything behind (URL parsers, `base_uri`) would do so, or stumble.
 */
function hasOneHost({ rawHeaders, headers, httpVersion }: IncomingMessage): boolean {
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  if (hosts === 0) return httpVersion === '1.0'
  const host = canonicalHost(headers.host ?? '')
  if (hosts > 1 || host === undefined) return false
  headers.host = host
  return true
}

/** A name has at most 255 bytes (RFC 1035 §2.3.4); a port five digits. */
const hostCharsMax = 261

/**
 * What nearly every Host is, and no URL parser would change: a name whose last label has a letter, or an IPv4
 * address.
 */
const plainName = /^(?!.*xn--)(?:[a-z0-9_-]+\.)*\d*[a-z_-][a-z0-9_-]*(?::[1-9]\d{0,3})?$/
const plainAddress =
  /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?::[1-9]\d{0,3})?$/
const anyHost = /^([A-Za-z0-9._~!$&'()*+,;=-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{0,5}))?$/

/**
 * `host` or `host:port` as URL parsers write it: IPv6 addresses shortened, no empty port.
 * @returns undefined for what is neither. Empty stays empty: RFC 9112 §3.2 allows it.
 */
export function canonicalHost(text: string): string | undefined {
  if (text.length > hostCharsMax) return undefined
  if (text === '' || plainName.test(text) || plainAddress.test(text)) return text
  const [, name, port = ''] = anyHost.exec(text) ?? []
  if (name === undefined || Number(port) > 65535 || !URL.canParse(`http://${name}/`)) return undefined
  const { hostname } = new URL(`http://${name}/`)
  const canonical = name.startsWith('[') ? hostname : name
  // Names that a URL parser takes for something else (127.1 is 127.0.0.1 there) would be two hosts in one
  // request.
  if (canonical.toLowerCase() !== hostname) return undefined
  return port === '' ? canonical : `${canonical}:${Number(port)}`
}
