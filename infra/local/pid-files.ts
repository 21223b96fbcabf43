import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const END_TIMEOUT_MS = 3_000
const POLL_MS = 20

/**
 * When the process was started, in the kernel's clock ticks, or undefined where /proc does not tell.
 * A pid and its start time name a process for good; a pid alone may belong to another one later.
 */
export function startTimeOf(pid: number): string | undefined {
  try {
    // The second field is the command in parentheses and may hold spaces; the start time is field 22.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

/** Notes a started process in `dir`, in a file named by its pid. */
export function notePid(dir: string, pid: number, name: string): void {
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, String(pid)), JSON.stringify({ name, startTime: startTimeOf(pid) }))
}

/** Removes the note of a process that has ended. */
export function forgetPid(dir: string, pid: number): void {
  rmSync(join(dir, String(pid)), { force: true })
}

/**
 * Ends, with SIGKILL, the noted processes that still run: what a crashed or killed command left behind.
 * A pid whose start time is another one than was noted is not touched. Resolves with the names of those
 * ended once they are gone, and their ports with them.
 */
export async function sweepPids(dir: string): Promise<string[]> {
  const ended: string[] = []
  for (const entry of entriesOf(dir)) {
    const pid = Number(entry)
    const note = readNote(join(dir, entry))
    if (note?.startTime !== undefined && (await killAndWait(pid, note.startTime))) {
      ended.push(`${note.name} (pid ${pid})`)
    }
    forgetPid(dir, pid)
  }
  return ended
}

async function killAndWait(pid: number, startTime: string): Promise<boolean> {
  if (startTimeOf(pid) !== startTime) return false
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself just now.
    return false
  }
  // A zombie whose parent has not asked for its exit code keeps its pid, hence the bound.
  const deadline = performance.now() + END_TIMEOUT_MS
  while (startTimeOf(pid) === startTime && performance.now() < deadline) await sleep(POLL_MS)
  return true
}

function entriesOf(dir: string): string[] {
  try {
    return readdirSync(dir).filter(entry => /^\d+$/.test(entry))
  } catch {
    return []
  }
}

function readNote(file: string): { name: string; startTime?: string } | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as { name: string; startTime?: string }
  } catch {
    return undefined
  }
}
