/**
 * The start of a client's text for an error: an error must not echo a body of megabytes. Texts up to `charsMax`
 * (1,000) are given whole, so that the contract's texts stay exact.
 */
export function excerpt(text: string, charsMax = 1000): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax)}…`
}
