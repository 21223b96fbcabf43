/** One place in the source that writes a log line. */
export interface LogCall {
  readonly level: string
  /** The fixed text; what a template fills in is `…`. Undefined when a variable names it. */
  readonly message: string | undefined
}

const start = /\blog\??\.(info|warn|error|fatal)\(/g

/**
 * The log calls in a TypeScript source without comments. Log messages are fixed texts by the house's rule (fields first,
 * then the message), so they can be read from the source.
 */
export function logCalls(source: string): LogCall[] {
  return [...source.matchAll(start)].map(found => ({
    level: found[1] ?? '',
    message: lastText(argumentsAt(source, found.index + found[0].length)),
  }))
}

/** What is left in front of the closing parenthesis, nested ones and strings stepped over. */
function argumentsAt(source: string, from: number): string {
  const token = /'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|[()]/g
  token.lastIndex = from
  let depth = 1
  for (let found = token.exec(source); found !== null; found = token.exec(source)) {
    if (found[0] === '(') depth += 1
    else if (found[0] === ')') depth -= 1
    if (depth === 0) return source.slice(from, found.index)
  }
  throw new Error(`a log call without an end: ${source.slice(from, from + 80)}`)
}

/** The string or template at the end of the arguments. */
function lastText(args: string): string | undefined {
  const text = /(?:^|,)\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"|`((?:\\.|[^`\\])*)`),?\s*$/.exec(args)
  return (text?.[1] ?? text?.[2] ?? text?.[3]?.replace(/\$\{[^}]*\}/g, '…'))?.replace(/\\(.)/g, '$1')
}
