#!/usr/bin/env node
// The command `kafka-rest-gateway`. It needs no package; on a Node that does not run TypeScript it goes on with the one
// that is installed with the project (the npm package `node`).
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('./cli.ts', import.meta.url))
const installed = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url))

if (Number(process.versions.node.split('.')[0]) >= 24) await import(program)
else if (existsSync(installed)) {
  const child = spawn(installed, [program, ...process.argv.slice(2)], { stdio: 'inherit' })
  child.on('close', function end(code) {
    process.exit(code === null ? 1 : code)
  })
} else {
  process.stderr.write(
    'kafka-rest-gateway needs Node 24, or an `npm ci` in the repository, which brings it.\n',
  )
  process.exit(1)
}
