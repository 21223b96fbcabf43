import type { Member } from '../routing/routing-table.ts'

/** What the signature covers: who a member is and where requests, and the internal token with them, are sent. */
export type SignedFacts = Pick<Member, 'id' | 'url' | 'internalUrl' | 'incarnation'>

/**
 * Signs and verifies member records, so that someone who can write to the routing table but does not know the internal
 * token cannot have requests and the token sent elsewhere.
 */
export interface MemberSigner {
  /** HMAC-SHA-256 (RFC 2104) in hex; empty without a token. */
  sign(member: SignedFacts): Promise<string>
  /** Whether a record's signature is right. Without a token every record is: there is no secret to protect. */
  verify(member: SignedFacts & { readonly signature: string }): Promise<boolean>
}

/** Web Crypto only, so that a gateway can use it at the edge. */
export function createMemberSigner(internalToken: string): MemberSigner {
  if (internalToken === '') return { sign: async () => '', verify: async () => true }
  let importing: ReturnType<typeof importKey> | undefined
  const key = () => {
    importing ??= importKey(internalToken)
    return importing
  }
  return {
    async sign(member) {
      const signature = await crypto.subtle.sign('HMAC', await key(), signedBytes(member))
      return [...new Uint8Array(signature)].map(byte => byte.toString(16).padStart(2, '0')).join('')
    },
    async verify(member) {
      if (!/^[0-9a-f]{64}$/.test(member.signature)) return false
      const signature = Uint8Array.from({ length: 32 }, (_, index) =>
        Number.parseInt(member.signature.slice(index * 2, index * 2 + 2), 16),
      )
      return crypto.subtle.verify('HMAC', await key(), signature, signedBytes(member))
    },
  }
}

function importKey(internalToken: string) {
  const secret = new TextEncoder().encode(internalToken)
  return crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify'])
}

/** A JSON array: no two different records give the same text, whatever characters their fields have. */
function signedBytes({ id, url, internalUrl, incarnation }: SignedFacts): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(['member', id, url, internalUrl, incarnation]))
}
