import { existsSync, mkdirSync, mkdtempSync, readdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createRunDir } from './run-dir.ts'

/** Above Linux's largest pid. */
const DEAD_PID = 2 ** 22 + 1

test('a run has a folder of its own that others cannot read', async () => {
  const cacheDir = join(mkdtempSync(join(tmpdir(), 'run-test-')), 'cache')
  const dir = await createRunDir(cacheDir, new Date('2026-11-22T10:20:30Z'))
  expect(dir).toBe(join(cacheDir, `run-20261122T102030-${process.pid}`))
  expect(statSync(dir).mode & 0o777).toBe(0o700)
})

test('of the runs that ended the last five stay, of those that go on every one', async () => {
  const cacheDir = mkdtempSync(join(tmpdir(), 'run-test-'))
  const old = [1, 2, 3, 4, 5, 6, 7].map(day => `run-2026110${day}T000000-${DEAD_PID}`)
  const going = `run-20261101T000000-${process.ppid}`
  for (const name of [...old, going, 'kafka-4.1.0']) mkdirSync(join(cacheDir, name))
  const dir = await createRunDir(cacheDir)
  expect(existsSync(dir)).toBe(true)
  expect(readdirSync(cacheDir).filter(name => name.endsWith(String(DEAD_PID)))).toEqual(old.slice(2))
  expect(existsSync(join(cacheDir, going))).toBe(true)
  expect(existsSync(join(cacheDir, 'kafka-4.1.0'))).toBe(true)
})
