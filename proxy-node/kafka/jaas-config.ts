/** One login module of a `sasl.jaas.config`: its class, and the options behind it. */
export interface JaasConfig {
  readonly loginModule: string
  readonly options: ReadonlyMap<string, string>
}

/**
 * Parses `sasl.jaas.config` as Kafka's Java clients take it: `Class flag name="value" …;`, with values in double or single
 * quotes or bare, and `\"` inside quotes.
 * @returns undefined when it is not written so.
 */
export function parseJaasConfig(text: string): JaasConfig | undefined {
  const head = /^\s*([\w.$]+)\s+(?:required|requisite|sufficient|optional)\b/.exec(text)
  if (!head?.[1]) return undefined
  const options = new Map<string, string>()
  let at = head[0].length
  for (;;) {
    option.lastIndex = at
    const found = option.exec(text)
    if (!found?.[1]) break
    options.set(found[1], (found[2] ?? found[3] ?? found[4] ?? '').replace(/\\(.)/g, '$1'))
    at = option.lastIndex
  }
  return /^\s*;\s*$/.test(text.slice(at)) ? { loginModule: head[1], options } : undefined
}

const option = /\s+([\w.-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s;"']+))/y
