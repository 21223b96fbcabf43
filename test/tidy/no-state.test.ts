import { expect, test } from 'vitest'
import { isTest, isTypeScript, readSourceFiles, withoutComments } from './source-files.ts'

/** What reads: certificates, keys and settings. */
const reading = new Set(['readFileSync', 'statSync', 'stat', 'type Stats', 'Stats'])

test('neither tier writes a file: there is no state on disk', () => {
  const files = readSourceFiles()
    .filter(({ path }) => /^(gateway|proxy-node|shared)\//.test(path) && isTypeScript(path) && !isTest(path))
    .map(({ path, text }) => ({ path, text: withoutComments(text) }))
  const imports = files.flatMap(({ path, text }) =>
    [...text.matchAll(/import (?:type )?(.+?) from '(?:node:)?fs(?:\/promises)?'/g)].map(([, what = '']) => ({
      path,
      names: /^\{(.*)\}$/
        .exec(what.trim())?.[1]
        ?.split(',')
        .map(name => name.trim()) ?? [what],
    })),
  )
  expect(imports.length).toBeGreaterThan(3)
  expect(imports.filter(({ names }) => !names.every(name => reading.has(name)))).toEqual([])
  expect(files.filter(({ text }) => /\bimport\('(?:node:)?fs|\brequire\(/.test(text))).toEqual([])
})
