import { expect, test } from 'vitest'
import { importProblem, layerOf } from './import-rules.ts'
import { importsOf, reachable } from './imports.ts'
import { isTypeScript, readSourceFiles, withoutComments } from './source-files.ts'

const sources = readSourceFiles().filter(file => isTypeScript(file.path))
const edges = sources.flatMap(importsOf)

const edge = (from: string, to: string, typeOnly = false) => ({ from, to, typeOnly })

test('the source is really read', () => {
  expect(sources.length).toBeGreaterThan(100)
  expect(edges.length).toBeGreaterThan(200)
  const resolved = edges.filter(({ to }) => to.endsWith('.ts'))
  expect(resolved.filter(({ to }) => !sources.some(({ path }) => path === to))).toEqual([])
})

test('imports go one way, drivers are named in one folder each, nothing imports a main.ts', () => {
  const problems = edges.flatMap(found => {
    const problem = importProblem(found)
    return problem ? [`${found.from} → ${found.to}: ${problem}`] : []
  })
  expect(problems).toEqual([])
})

test.each([
  edge('proxy-node/services/produce.ts', 'proxy-node/http/v2/records.ts'),
  edge('proxy-node/services/produce.ts', 'proxy-node/kafka/kafkajs-producer.ts'),
  edge('proxy-node/ports/kafka.ts', 'proxy-node/services/produce.ts', true),
  edge('proxy-node/formats/avro.ts', 'proxy-node/ports/kafka.ts'),
  edge('proxy-node/http/v2/records.ts', 'gateway/http/affinity.ts'),
  edge('gateway/routing/router.ts', 'gateway/http/affinity.ts'),
  edge('gateway/http/affinity.ts', 'gateway/upstream/node-forwarder.ts'),
  edge('shared/ids.ts', 'gateway/settings.ts'),
  edge('gateway/app.ts', 'test/support/until.ts'),
  edge('gateway/app.ts', 'infra/local/free-port.ts'),
  edge('test/e2e/a.test.ts', 'gateway/main.ts'),
  edge('gateway/routing/router.ts', 'ioredis'),
  edge('proxy-node/services/produce.ts', 'kafkajs'),
  edge('proxy-node/kafka/admin.ts', 'ajv'),
  edge('proxy-node/helpers/x.ts', 'proxy-node/ports/kafka.ts'),
])('$from → $to is refused', found => {
  expect(importProblem(found)).toBeDefined()
})

test.each([
  edge('gateway/program.ts', 'gateway/upstream/node-forwarder.ts'),
  edge('gateway/http/affinity.ts', 'gateway/upstream/forwarder.ts'),
  edge('gateway/routing/ring.ts', 'consistent-hash'),
  edge('shared/routing/redis-routing-table.ts', 'ioredis'),
  edge('proxy-node/services/produce.ts', 'proxy-node/ports/kafka.ts'),
  edge('proxy-node/services/produce.ts', 'shared/clock.ts'),
  edge('test/contract/kafka.test.ts', 'kafkajs'),
  edge('infra/local/single-process.ts', 'gateway/program.ts'),
])('$from → $to is allowed', found => {
  expect(importProblem(found)).toBeUndefined()
})

test('the gateway app runs in any runtime with fetch: nothing of Node.js is reachable from it', () => {
  const found = reachable(edges, 'gateway/app.ts')
  expect(sources.some(({ path }) => path === 'gateway/app.ts')).toBe(true)
  expect([...found].filter(path => path.startsWith('gateway/')).length).toBeGreaterThan(3)
  const packages = [...found].filter(path => !path.endsWith('.ts'))
  expect(packages.filter(name => !['hono', 'consistent-hash', 'ipaddr.js'].includes(name))).toEqual([])
})

test('what is reachable leaves types out and follows everything else', () => {
  const sample = [
    edge('a.ts', 'b.ts'),
    edge('b.ts', 'node:fs'),
    edge('a.ts', 'c.ts', true),
    edge('c.ts', 'node:net'),
  ]
  expect(reachable(sample, 'a.ts')).toEqual(new Set(['a.ts', 'b.ts', 'node:fs']))
})

test('every form of import is found, and none in a comment', () => {
  const text = `import a from 'kafkajs'
import type { B } from './b.ts'
import {
  c,
  type D,
} from '../c/c.ts'
import 'hono/jsx'
// import x from 'x'
/* import y from 'y' */
export { e } from "@platformatic/kafka/e"
export type { F } from './f.ts'
const g = await import('node:fs')
const url = 'http://x' // import 'z'
`
  expect(importsOf({ path: 'gateway/http/x.ts', text })).toEqual([
    edge('gateway/http/x.ts', 'kafkajs'),
    edge('gateway/http/x.ts', 'gateway/http/b.ts', true),
    edge('gateway/http/x.ts', 'gateway/c/c.ts'),
    edge('gateway/http/x.ts', 'hono'),
    edge('gateway/http/x.ts', '@platformatic/kafka'),
    edge('gateway/http/x.ts', 'gateway/http/f.ts', true),
    edge('gateway/http/x.ts', 'node:fs'),
  ])
})

test('layers and comments', () => {
  expect(layerOf('proxy-node/http/v2/records.ts')).toBe('http')
  expect(layerOf('gateway/settings.ts')).toBe('base')
  expect(layerOf('gateway/main.ts')).toBe('main')
  expect(layerOf('proxy-node/open-schemas.ts')).toBe('program')
  expect(layerOf('gateway/upstream/forwarder.ts')).toBe('upstream port')
  expect(withoutComments("a('//b') // c\n/* d\n*/ e")).toBe("a('//b')     \n    \n   e")
})
