import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ROOT_DIR } from './cache.ts'

const LOCK_TEXT =
  '{"packages":{"":{},"node_modules/a":{"version":"1.0.0"},"node_modules/b":{"optional":true}}}'

/** A repository with just the bootstrap; `installed` says how its dependencies got in, if they did. */
function newRepository(installed: 'by the bootstrap' | 'by hand' | 'an older one' | 'not'): string {
  const root = mkdtempSync(join(tmpdir(), 'bootstrap-test-'))
  mkdirSync(join(root, 'infra', 'local'), { recursive: true })
  mkdirSync(join(root, 'node_modules', '.bin'), { recursive: true })
  copyFileSync(join(ROOT_DIR, 'infra/local/bootstrap.mjs'), join(root, 'infra/local/bootstrap.mjs'))
  writeFileSync(join(root, 'package-lock.json'), LOCK_TEXT)
  if (installed === 'not') return root
  symlinkSync(process.execPath, join(root, 'node_modules', '.bin', 'node'))
  const hash = createHash('sha256').update(LOCK_TEXT).digest('hex')
  if (installed === 'by the bootstrap') {
    writeFileSync(join(root, 'node_modules', '.installed-lock-hash'), hash)
  } else {
    const version = installed === 'by hand' ? '1.0.0' : '0.9.0'
    const lock = JSON.stringify({ packages: { 'node_modules/a': { version } } })
    writeFileSync(join(root, 'node_modules', '.package-lock.json'), lock)
  }
  return root
}

function start(root: string, program: string, path = process.env['PATH']) {
  writeFileSync(join(root, 'program.ts'), program)
  const args = [join(root, 'infra/local/bootstrap.mjs'), join(root, 'program.ts'), 'one', '--two=2']
  const child = spawn(process.execPath, args, { env: { ...process.env, PATH: path } })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  return { child, output: () => output }
}

async function exitCode(child: ChildProcess): Promise<number> {
  const [code] = await once(child, 'close')
  return code
}

test.each(['by the bootstrap', 'by hand'] as const)('installed %s: the program runs at once', async how => {
  const root = newRepository(how)
  const program = 'console.log(process.argv.slice(2).join(" ")); const code: number = 7; process.exit(code)'
  const { child, output } = start(root, program)
  expect(await exitCode(child)).toBe(7)
  expect(output()).toBe('one --two=2\n')
})

test.each(['not', 'an older one'] as const)('installed: %s: npm is run, and its absence said', async how => {
  const root = newRepository(how)
  const { child, output } = start(root, 'console.log("ran")', '/nowhere')
  expect(await exitCode(child)).toBe(1)
  expect(output()).toMatch(/^Installing the npm dependencies .*\nnpm was not found: install Node\.js/)
  expect(output()).not.toContain('ran\n')
})

test('a failed install is said, its lock is gone, and the program does not run', async () => {
  const root = newRepository('not')
  const bin = join(root, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'npm'), '#!/bin/sh\necho "npm $*"\nexit 3\n', { mode: 0o755 })
  const { child, output } = start(root, 'console.log("ran")', `${bin}:/bin:/usr/bin`)
  expect(await exitCode(child)).toBe(1)
  expect(output()).toContain('npm ci --include=dev --no-audit --no-fund --loglevel=error\n')
  expect(output()).toContain('could not be installed')
  expect(existsSync(join(root, '.cache', 'locks', 'npm'))).toBe(false)
  expect(output()).not.toContain('ran\n')
})

test('signals reach the program, whose exit code is passed on', async () => {
  const root = newRepository('by the bootstrap')
  const program = `
    process.on('SIGTERM', () => { console.log('stopping'); process.exit(4) })
    setInterval(() => undefined, 1000)
    console.log('up')`
  const { child, output } = start(root, program)
  await once(child.stdout, 'data')
  child.kill('SIGTERM')
  expect(await exitCode(child)).toBe(4)
  expect(output()).toBe('up\nstopping\n')
})
