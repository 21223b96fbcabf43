import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const folder = import.meta.dirname
const read = (name: string) => readFileSync(join(folder, name), 'utf8')
const files = readdirSync(folder)
  .filter(name => /^\d{4}-/.test(name))
  .sort()

test('the index has each decision with its title and status, and nothing else', () => {
  const rows = files.map(name => {
    const [, number, title] = /^# (\d+)\. (.+)\n/.exec(read(name)) ?? []
    const [, status] = /^Status: (.+)$/m.exec(read(name)) ?? []
    expect(name.startsWith(String(number).padStart(4, '0')), name).toBe(true)
    return `| ${number} | [${title}](${name}) | ${status} |`
  })
  expect(rows.length).toBeGreaterThan(9)
  expect(read('README.md').match(/^\| \d.*$/gm)).toEqual(rows)
})

test('numbers run without a gap, and each decision has its parts', () => {
  expect(files.map(name => Number(name.slice(0, 4)))).toEqual(files.map((_, index) => index + 1))
  for (const name of files)
    for (const part of ['**Context.**', '**Decision.**', '**Consequences.**'])
      expect(read(name), name).toContain(part)
})
