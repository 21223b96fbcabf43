import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** Bits of a drawn token: none can be guessed, so a plain hash of it is safe to keep. */
const tokenBytes = 32
const entryPattern = /^([A-Za-z0-9._-]{1,64}):([0-9a-f]{64})$/

/** The SHA-256 of a token in hex, as it stands in `admin.tokens`. */
export function hashOfToken(token: string): string {
  return createHash('sha256').update(token, 'utf8').digest('hex')
}

/** Whether a name may stand in `admin.tokens`. */
export function isOperatorName(name: string): boolean {
  return /^[A-Za-z0-9._-]{1,64}$/.test(name)
}

/** Draws a token for an operator. @returns the token, and its entry for `admin.tokens`. */
export function drawOperatorToken(name: string): { token: string; entry: string } {
  const token = randomBytes(tokenBytes).toString('base64url')
  return { token, entry: `${name}:${hashOfToken(token)}` }
}

/** What is wrong with `admin.tokens`, a sentence each; the hashes themselves are not repeated. */
export function operatorTokenProblems(entries: readonly string[]): string[] {
  return entries.flatMap((entry, index) =>
    entryPattern.test(entry)
      ? []
      : [
          `admin.tokens: entry ${index + 1} is not name:sha256 (a name of letters, digits, . _ -; 64 hex digits)`,
        ],
  )
}

/** Who presents a bearer token. */
export interface OperatorTokens {
  /** No token is set: nobody can be an operator. */
  readonly empty: boolean
  /**
   * The operator's name of an `Authorization` header; undefined: none, or a token that is not in the list. All
   * entries are compared, each in constant time, so that the time tells neither a token nor which entry is nearest.
   */
  operatorOf(authorization: string | undefined): string | undefined
}

/**
 * Makes the check of `admin.tokens`. A name may stand there with several tokens, so that one can be replaced without a
 * gap.
 * @param entries `name:hash`, checked by `operatorTokenProblems`.
 */
export function createOperatorTokens(entries: readonly string[]): OperatorTokens {
  const known = entries.flatMap(entry => {
    const [, name, hash] = entryPattern.exec(entry) ?? []
    return name === undefined || hash === undefined ? [] : [{ name, hash: Buffer.from(hash, 'hex') }]
  })
  return {
    empty: known.length === 0,
    operatorOf(authorization) {
      // The scheme's name is case-insensitive (RFC 9110 §11.1).
      const token = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization ?? '')?.[1]
      if (token === undefined) return undefined
      const presented = Buffer.from(hashOfToken(token), 'hex')
      let operator: string | undefined
      for (const { name, hash } of known) if (timingSafeEqual(hash, presented)) operator ??= name
      return operator
    },
  }
}
