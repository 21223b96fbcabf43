import { expect, test } from 'vitest'
import { figure, markdownTable, spreadText } from './markdown.ts'

test('a table is Markdown and aligned', () => {
  expect(
    markdownTable(
      ['a', 'long'],
      [
        ['1', ''],
        ['four', 'x'],
      ],
    ),
  ).toBe('| a    | long |\n| ---- | ---- |\n| 1    |      |\n| four | x    |')
})

test.each([
  [12_345.6, '12,346'],
  [12.34, '12.3'],
  [0.123, '0.12'],
  [-250, '-250'],
  [Number.NaN, '–'],
])('%d is %s', (value, text) => {
  expect(figure(value)).toBe(text)
})

test('one round has no extremes', () => {
  expect(spreadText({ median: 5, min: 5, max: 5 })).toBe('5.00')
  expect(spreadText({ median: 5, min: 4, max: 16 })).toBe('5.00 (4.00–16.0)')
})
