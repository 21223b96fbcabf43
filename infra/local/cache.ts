import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startTimeOf } from './pid-files.ts'

/** The repository's root folder. */
export const ROOT_DIR = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** Where everything that is downloaded or written at run time goes; git ignores it. */
export const CACHE_DIR = join(ROOT_DIR, '.cache')

/** Called with one line of text about a long step. */
export type Progress = (line: string) => void

/** What every installing or starting step takes: where to report, and what ends it early. */
export interface SetupContext {
  progress: Progress
  signal?: AbortSignal | undefined
}

const POLL_MS = 200
/** A wait for another command that is longer is told. */
const SILENT_MS = 3000

/** Who holds a lock folder, or undefined while its maker has not written it yet. */
function lockOwner(lockDir: string): { pid: number; startTime: string } | undefined {
  try {
    const [pid = '', startTime = ''] = readFileSync(join(lockDir, 'pid'), 'utf8').split(' ')
    return Number.isInteger(Number(pid)) && Number(pid) > 0 ? { pid: Number(pid), startTime } : undefined
  } catch {
    return undefined
  }
}

/** Tells whether a process with this pid runs, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** A lock whose owner is dead, or that stayed without an owner for 10 s (killed between its two steps). */
function isStale(lockDir: string): boolean {
  const owner = lockOwner(lockDir)
  if (owner !== undefined) {
    const { pid, startTime } = owner
    return !isAlive(pid) || (startTime !== '' && startTime !== startTimeOf(pid))
  }
  try {
    return Date.now() - statSync(lockDir).mtimeMs > 10_000
  } catch {
    return false
  }
}

function tryLock(lockDir: string): boolean {
  try {
    mkdirSync(lockDir)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return false
  }
  writeFileSync(join(lockDir, 'pid'), `${process.pid} ${startTimeOf(process.pid) ?? ''}`)
  return true
}

/** Runs `work` while holding the lock folder `lockDir`; waits for another process that holds it. */
export async function withLock<T>(lockDir: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  mkdirSync(dirname(lockDir), { recursive: true })
  const tellAt = performance.now() + SILENT_MS
  let told = false
  while (!tryLock(lockDir)) {
    // Two waiters can both find a dead owner: the first removes its lock and makes a new one, then the
    // second removes that new one. Both then work at once. This wastes a download and does no harm,
    // since a result is moved into its place by one rename (cachedDirectory).
    if (isStale(lockDir)) rmSync(lockDir, { recursive: true, force: true })
    else {
      if (!told && performance.now() > tellAt) {
        told = true
        const pid = lockOwner(lockDir)?.pid
        process.stderr.write(`Waiting for process ${pid}; if it does not run any more, remove ${lockDir}.\n`)
      }
      await sleep(POLL_MS, undefined, { signal })
    }
  }
  try {
    return await work()
  } finally {
    if (lockOwner(lockDir)?.pid === process.pid) rmSync(lockDir, { recursive: true, force: true })
  }
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

/**
 * Returns the folder `cacheDir/name`, and lets `fill` make its content when it is not there yet. The
 * content appears whole or not at all, also when two commands start at once or one is killed midway.
 */
export async function cachedDirectory(
  name: string,
  fill: (tempDir: string) => Promise<void>,
  { cacheDir = CACHE_DIR, signal }: { cacheDir?: string; signal?: AbortSignal | undefined } = {},
): Promise<string> {
  const target = join(cacheDir, name)
  if (exists(target)) return target
  const fillOnce = async () => {
    if (exists(target)) return target
    const tempDir = `${target}.tmp-${process.pid}`
    removeLeftovers(target)
    mkdirSync(tempDir, { recursive: true })
    try {
      await fill(tempDir)
      moveIntoPlace(tempDir, target)
    } finally {
      rmSync(tempDir, { recursive: true, force: true })
    }
    return target
  }
  return withLock(join(cacheDir, 'locks', name), fillOnce, signal)
}

/** Removes what killed commands left of this folder; called with its lock held. */
function removeLeftovers(target: string): void {
  for (const entry of readdirSync(dirname(target))) {
    if (!entry.startsWith(`${basename(target)}.tmp-`)) continue
    rmSync(join(dirname(target), entry), { recursive: true, force: true })
  }
}

function moveIntoPlace(tempDir: string, target: string): void {
  try {
    renameSync(tempDir, target)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    // Another process was faster (see withLock): its content is as good as ours.
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
  }
}
