/**
 * Reads Java `.properties` text: `key=value`, `key: value` or `key value`, `#` and `!` comments, a backslash
 * at the end of a line continues it, `\uXXXX` and the usual escapes. The last of two equal keys wins.
 */
export function parseProperties(text: string): Map<string, string> {
  const entries = new Map<string, string>()
  for (const line of logicalLines(text)) {
    const end = keyEnd(line)
    const key = unescaped(line.slice(0, end))
    const value = unescaped(line.slice(end).replace(/^[ \t\f]*[=:]?[ \t\f]*/, ''))
    entries.set(key, value)
  }
  return entries
}

/** Joins continued lines and drops blank ones and comments. */
function* logicalLines(text: string): Generator<string> {
  let open = ''
  for (const natural of text.split(/\r\n|\n|\r/)) {
    const line = natural.replace(/^[ \t\f]+/, '')
    if (open === '' && (line === '' || line.startsWith('#') || line.startsWith('!'))) continue
    const backslashes = /\\*$/.exec(line)?.[0].length ?? 0
    if (backslashes % 2 === 1) {
      open += line.slice(0, -1)
      continue
    }
    yield open + line
    open = ''
  }
  if (open !== '') yield open
}

function keyEnd(line: string): number {
  for (let index = 0; index < line.length; index++) {
    const char = line[index]
    if (char === '\\') index++
    else if (char === '=' || char === ':' || char === ' ' || char === '\t' || char === '\f') return index
  }
  return line.length
}

const escapes: Record<string, string> = { t: '\t', n: '\n', r: '\r', f: '\f' }

function unescaped(text: string): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|.)/g, (_, escaped: string) =>
    escaped.length === 5
      ? String.fromCharCode(Number.parseInt(escaped.slice(1), 16))
      : (escapes[escaped] ?? escaped),
  )
}
