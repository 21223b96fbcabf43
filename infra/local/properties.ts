/**
 * The text of a `.properties` file with these settings, one a line: `key=value`. Backslashes are doubled,
 * and characters that would end a key or vanish are escaped, as java.util.Properties reads them.
 */
export function propertiesText(settings: Record<string, string | number | boolean>): string {
  return Object.entries(settings)
    .map(([key, value]) => `${keyText(key)}=${escaped(String(value)).replace(/^[ \t\f]/, '\\$&')}\n`)
    .join('')
}

const keyText = (key: string): string => escaped(key).replace(/[=: \t\f#!]/g, '\\$&')

const escaped = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r')
