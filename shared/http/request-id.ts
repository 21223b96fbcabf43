/**
 * The id that ties a client's report to the logs of both tiers. A client's own is kept when it is 1 to 128
 * visible ASCII characters, so that it can be printed and forwarded without care; else one is drawn.
 */
export function requestIdOf(header: string | undefined): string {
  return header !== undefined && /^[\x21-\x7e]{1,128}$/.test(header) ? header : crypto.randomUUID()
}
