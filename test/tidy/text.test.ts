import { expect, test } from 'vitest'
import { readSourceFiles } from './source-files.ts'
import { textProblems } from './text-rules.ts'

/** The samples below break the rules on purpose; put together so that this file does not. */
const join = (...parts: string[]) => parts.join('')

test('no file breaks a rule of the house', () => {
  const files = readSourceFiles()
  expect(files.length).toBeGreaterThan(100)
  expect(files.map(file => file.path)).toEqual(expect.arrayContaining(['package.json', '.ci/run']))
  expect(files.flatMap(textProblems)).toEqual([])
})

test.each([
  ['shared/x.ts', join('// TO', 'DO later')],
  ['test/e2e/x.test.ts', join('test.on', "ly('a', () => undefined)")],
  ['test/e2e/x.test.ts', join('test.sk', "ip('a', () => undefined)")],
  ['test/e2e/x.test.ts', join('describe.concurrent.sk', "ip('a', () => undefined)")],
  ['gateway/http/x.ts', 'const a = process.env.A'],
  ['proxy-node/services/x.ts', 'const a = Date.now()'],
  ['proxy-node/services/x.ts', 'const a = new Date()'],
  ['shared/ids.ts', 'const a = Math.random()'],
  ['shared/ids.ts', "console.log('a')"],
  ['docs/x.md', join('see https://registry.', 'npmjs.org/x')],
  ['infra/x.Dockerfile', join('FROM docker.', 'io/library/node')],
  ['infra/x.ts', join("const dir = '/wo", "rk/main'")],
  ['gateway/x.ts', join('// as PROTO', 'COL 9 says')],
  ['gateway/x.ts', 'x\n'.repeat(400)],
  ['gateway/x.test.ts', 'x\n'.repeat(800)],
])('%s: sample %# is found', (path, text) => {
  expect(textProblems({ path, text })).toHaveLength(1)
})

test.each([
  ['gateway/main.ts', 'process.exit(process.env.A)'],
  ['shared/clock.ts', 'Date.now()'],
  ['proxy-node/services/x.test.ts', 'Math.random()'],
  ['infra/local/x.ts', "console.log('a')"],
  ['gateway/x.ts', '// Math.random would differ; process.env is read in main.ts'],
  ['gateway/x.ts', "const name = 'INCONSISTENT_GROUP_PROTOCOL' // contract v2 §2.9"],
  ['test/e2e/x.test.ts', join('// skipped: needs IPv6\n', 'test.sk', "ip('a', () => undefined)")],
  ['gateway/x.ts', "const path = 'http://h/network/'"],
  ['gateway/x.ts', 'x\n'.repeat(399)],
])('%s: sample %# is fine', (path, text) => {
  expect(textProblems({ path, text })).toEqual([])
})
