import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { cachedDirectory, isAlive, withLock } from './cache.ts'

const newDir = () => mkdtempSync(join(tmpdir(), 'cache-test-'))
/** A pid above Linux's maximum, so that no process has it. */
const DEAD_PID = 2 ** 22 + 1

test('the content is made once, also when several ask at the same time', async () => {
  const cacheDir = newDir()
  let fills = 0
  const fill = async (dir: string) => {
    fills += 1
    writeFileSync(join(dir, 'a'), 'content')
    await sleep(5)
  }
  const dirs = await Promise.all([1, 2, 3].map(() => cachedDirectory('thing', fill, { cacheDir })))
  expect(new Set(dirs)).toEqual(new Set([join(cacheDir, 'thing')]))
  expect(fills).toBe(1)
  expect(readFileSync(join(cacheDir, 'thing', 'a'), 'utf8')).toBe('content')
})

test('a failed fill leaves nothing behind and the next one works', async () => {
  const cacheDir = newDir()
  const failing = cachedDirectory(
    'thing',
    async dir => {
      writeFileSync(join(dir, 'half'), '')
      throw new Error('no network')
    },
    { cacheDir },
  )
  await expect(failing).rejects.toThrow('no network')
  expect(readdirSync(cacheDir)).toEqual(['locks'])
  expect(readdirSync(join(cacheDir, 'locks'))).toEqual([])
  await cachedDirectory('thing', async dir => writeFileSync(join(dir, 'whole'), ''), { cacheDir })
  expect(readdirSync(join(cacheDir, 'thing'))).toEqual(['whole'])
})

test('what a killed command left is removed: its lock and its half-made folder', async () => {
  const cacheDir = newDir()
  mkdirSync(join(cacheDir, 'locks', 'thing'), { recursive: true })
  writeFileSync(join(cacheDir, 'locks', 'thing', 'pid'), String(DEAD_PID))
  mkdirSync(join(cacheDir, `thing.tmp-${DEAD_PID}`))
  await cachedDirectory('thing', async () => undefined, { cacheDir })
  expect(readdirSync(cacheDir).sort()).toEqual(['locks', 'thing'])
})

test('a lock whose owner’s pid belongs to another process by now is no lock', async () => {
  const cacheDir = newDir()
  mkdirSync(join(cacheDir, 'locks', 'thing'), { recursive: true })
  writeFileSync(join(cacheDir, 'locks', 'thing', 'pid'), `${process.pid} 1`)
  const path = await cachedDirectory('thing', async () => undefined, { cacheDir })
  expect(readdirSync(path)).toEqual([])
})

test('a lock that is held is waited for, until the signal aborts', async () => {
  const lockDir = join(newDir(), 'lock')
  const abort = new AbortController()
  const gate = Promise.withResolvers<void>()
  const held = withLock(lockDir, () => gate.promise)
  const waiting = withLock(lockDir, async () => 'in', abort.signal)
  abort.abort(new Error('stopped'))
  await expect(waiting).rejects.toThrow()
  gate.resolve()
  await held
  expect(existsSync(lockDir)).toBe(false)
})

test('isAlive tells this process from a pid that nobody has', () => {
  expect(isAlive(process.pid)).toBe(true)
  expect(isAlive(DEAD_PID)).toBe(false)
})
