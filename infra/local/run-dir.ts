import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { CACHE_DIR, isAlive } from './cache.ts'
import { sweepPids } from './pid-files.ts'

const RUNS_KEPT = 5

/** Where a run notes the pids of the processes that it starts. */
export const pidDirOf = (runDir: string): string => join(runDir, 'pids')

/**
 * Makes the folder `.cache/run-TIME-PID` for the data, settings and logs of one run of a command, readable
 * by its user alone. Removes the folders of runs that ended, except the last few, and ends processes that
 * such a run left behind because it was killed itself.
 */
export async function createRunDir(cacheDir = CACHE_DIR, now = new Date()): Promise<string> {
  mkdirSync(cacheDir, { recursive: true })
  await removeOldRuns(cacheDir)
  const time = now.toISOString().replace(/[-:]/g, '').slice(0, 15)
  const dir = join(cacheDir, `run-${time}-${process.pid}`)
  mkdirSync(dir, { mode: 0o700 })
  return dir
}

async function removeOldRuns(cacheDir: string): Promise<void> {
  const ended = readdirSync(cacheDir)
    .map(entry => /^run-\w+-(\d+)$/.exec(entry))
    .filter(match => match !== null)
    .filter(match => !isAlive(Number(match[1])))
    .map(match => match[0])
    .sort()
  for (const [index, entry] of ended.entries()) {
    const dir = join(cacheDir, entry)
    await sweepPids(pidDirOf(dir))
    if (index < ended.length - RUNS_KEPT) rmSync(dir, { recursive: true, force: true })
  }
}
