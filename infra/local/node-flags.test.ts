import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT_DIR } from './cache.ts'
import { NODE_FLAGS } from './node-flags.ts'

const read = (path: string) => readFileSync(join(ROOT_DIR, path), 'utf8')

test.each(['gateway', 'proxy-node'])('npm run %s and its container start Node with the same flags', tier => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  expect(scripts[tier]).toContain(`; exec node ${NODE_FLAGS.join(' ')} ${tier}/main.ts`)
  const entrypoint = /^ENTRYPOINT (.*)$/m.exec(read(`infra/${tier}.Dockerfile`))?.[1]
  expect(JSON.parse(entrypoint ?? '')).toEqual(['node', ...NODE_FLAGS, `${tier}/main.ts`])
})

test('this Node knows the flags', () => {
  const script = 'process.stdout.write(String(require("node:v8").getHeapSpaceStatistics().length > 0))'
  const { status, stdout } = spawnSync(process.execPath, [...NODE_FLAGS, '-e', script], { encoding: 'utf8' })
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'true' })
})
