import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { gatewayMetrics } from '../gateway/metrics.ts'
import { gatewaySettings } from '../gateway/settings.ts'
import { proxyNodeMetrics } from '../proxy-node/metrics.ts'
import { restErrors } from '../shared/errors/rest-errors.ts'
import { gatewayOperatorRoutes, nodeOperatorRoutes } from '../shared/rest/operator-routes.ts'
import { routes } from '../shared/rest/routes.ts'
import { documentedNodeSettings, referencePages } from './reference-pages.ts'

const folder = join(import.meta.dirname, 'reference')
const pages = referencePages()

test('the reference pages are those that `npm run docs` writes now', () => {
  expect(readdirSync(folder).sort()).toEqual(Object.keys(pages).sort())
  for (const [name, text] of Object.entries(pages))
    expect(readFileSync(join(folder, name), 'utf8') === text, `${name} is out of date: npm run docs`).toBe(
      true,
    )
})

test.each([
  ['settings.md', [...gatewaySettings, ...documentedNodeSettings].map(row => `| \`${row.key}\` |`)],
  ['errors.md', Object.values(restErrors).map(row => `| ${row.status} | ${row.errorCode} |`)],
  [
    'routes.md',
    [...routes, ...gatewayOperatorRoutes, ...nodeOperatorRoutes].map(route => `| \`${route.id}\` |`),
  ],
  ['metrics.md', [...gatewayMetrics, ...proxyNodeMetrics].map(row => `| \`${row.name}\` |`)],
])('%s has every row of its table, and no other', (name, starts) => {
  const rows = pages[name]?.match(/^\| [`\d].*$/gm) ?? []
  expect(rows).toHaveLength(starts.length)
  for (const start of starts)
    expect(
      rows.some(row => row.startsWith(start)),
      start,
    ).toBe(true)
})

test('no key stands in one table twice', () => {
  for (const rows of [gatewaySettings, documentedNodeSettings]) {
    const keys = rows.map(row => row.key)
    expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([])
  }
})
