/** Text as ISO-8859-1 can hold it: each character beyond U+00FF becomes `?`, as in Java. */
export function latin1Text(text: string): string {
  return beyondLatin1.test(text) ? text.replace(everyBeyondLatin1, '?') : text
}

const beyondLatin1 = /[\u0100-\uffff]/
// With the u flag a surrogate pair is one character.
const everyBeyondLatin1 = /[\u{100}-\u{10ffff}]/gu
