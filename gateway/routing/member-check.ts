import type { Member } from '../../shared/routing/routing-table.ts'
import { hostFits, plainHost } from '../addresses.ts'

/**
 * Why a member record must not be used, or undefined. Whoever can write to the routing table could otherwise point
 * the gateway at any address: urls must be plain `http(s)://host:port`, and within `allowed` when it is not empty.
 */
export function memberProblem(
  member: Pick<Member, 'url' | 'internalUrl'>,
  allowed: readonly string[],
): 'url' | 'not-allowed' | undefined {
  for (const text of [member.url, member.internalUrl]) {
    const host = plainHost(text)
    if (host === undefined) return 'url'
    if (allowed.length > 0 && !allowed.some(pattern => hostFits(host, pattern))) return 'not-allowed'
  }
  return undefined
}
