/** Shortest `internal.token` beyond loopback: one that can be guessed lets anyone speak for a gateway. */
export const internalTokenCharsMin = 16

/**
 * Makes the check of `internal.token`, the secret that gateways and nodes of one deployment share. It takes
 * the same time wherever the first difference is, so that an attacker cannot find the token character by
 * character; only its length shows. Without a configured token nothing is believed.
 */
export function createTokenCheck(expected: string): (presented: string | undefined) => boolean {
  return presented => {
    if (expected === '' || presented === undefined) return false
    let difference = presented.length ^ expected.length
    // NaN, from beyond the end of `presented`, counts as 0 in `^`: the length has told the difference already.
    for (let index = 0; index < expected.length; index++)
      difference |= expected.charCodeAt(index) ^ presented.charCodeAt(index)
    return difference === 0
  }
}
