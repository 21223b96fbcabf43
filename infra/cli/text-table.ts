import type { JsonObject } from './admin-client.ts'

/** A column: its head, and the field that it shows. */
export type Column = readonly [head: string, field: string | ((row: JsonObject) => unknown)]

/** Rows as aligned text, a line each, below a head; numbers to the right, nothing as `-`. */
export function textTable(columns: readonly Column[], rows: readonly JsonObject[]): string {
  const cells = rows.map(row =>
    columns.map(([, field]) => (typeof field === 'string' ? row[field] : field(row))),
  )
  const texts = cells.map(line => line.map(cellText))
  const widths = columns.map(([head], index) =>
    Math.max(head.length, ...texts.map(line => line[index]?.length ?? 0)),
  )
  const line = (parts: readonly string[], values: readonly unknown[]) =>
    parts
      .map((text, index) => {
        const width = widths[index] ?? 0
        return typeof values[index] === 'number' ? text.padStart(width) : text.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  // A head stands over its numbers.
  const heads = columns.map(([head]) => head)
  return [line(heads, cells[0] ?? []), ...texts.map((text, index) => line(text, cells[index] ?? []))].join(
    '\n',
  )
}

/** Names and values below one another. */
export function textFields(fields: readonly (readonly [name: string, value: unknown])[]): string {
  const width = Math.max(...fields.map(([name]) => name.length))
  return fields.map(([name, value]) => `${name.padEnd(width)}  ${cellText(value)}`).join('\n')
}

function cellText(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-'
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
  // Names come from clients: no control character may steer the terminal.
  return text.replace(/\p{Cc}/gu, '?')
}
