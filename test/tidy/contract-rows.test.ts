import { expect, test } from 'vitest'
import { readSourceFiles } from './source-files.ts'

/** Rows of contract v2 §9, each a behaviour that is easy to miss. */
const rowCount = 48

/** The row numbers that a text names as `§9.7`, `§9 7`, `§9 row 34, 35` or `§9 7, 8`. */
function rowsNamedIn(text: string): number[] {
  const lists = [...text.matchAll(/§9(?:[ .]| rows? )(\d+(?:, (?:§9\.)?\d+)*)/g)].map(([, list = '']) => list)
  return lists.flatMap(list => list.split(', ').map(row => Number(row.replace('§9.', ''))))
}

test('rows are found however they are named', () => {
  expect(rowsNamedIn("test('§9.11, §9.37: a'), '§9 22, 28: b', §9 row 34, 35: c; (§9 14: d), v2 §9")).toEqual(
    [11, 37, 22, 28, 34, 35, 14],
  )
})

test('every row of contract v2 §9 is shown by a test or told in docs/deviations.md', () => {
  const files = readSourceFiles()
  const tests = files.filter(({ path }) => path.endsWith('.test.ts') && !path.includes('/tidy/'))
  const deviations = files.filter(({ path }) => path === 'docs/deviations.md')
  const named = new Set([...tests, ...deviations].flatMap(({ text }) => rowsNamedIn(text)))
  const missing = Array.from({ length: rowCount }, (_, index) => index + 1).filter(row => !named.has(row))
  expect(tests.length).toBeGreaterThan(50)
  expect(missing).toEqual([])
})
