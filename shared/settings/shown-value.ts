/**
 * A setting's value as a message may show it: what stands before the last `@` of a URL, where some put a password, is
 * left out.
 */
export function shownValue(text: string): string {
  return text.replace(/\/\/[^,\s]*@/g, '//[hidden]@')
}
