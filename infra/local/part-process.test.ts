import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { isAlive } from './cache.ts'
import { type PartProcess, startPart, untilReady } from './part-process.ts'
import { notePid, sweepPids } from './pid-files.ts'
import { SetupError } from './setup-error.ts'

const newDir = () => mkdtempSync(join(tmpdir(), 'part-test-'))

async function startNode(script: string, pidDir?: string): Promise<PartProcess> {
  const logFile = join(newDir(), 'log')
  const args = ['-e', script]
  const part = await startPart({ name: 'part', command: process.execPath, args, logFile, pidDir })
  onTestFinished(async () => void (await part.kill()))
  return part
}

/** Ready once the script has printed a line. */
const printed = (part: PartProcess) => untilReady(part, async () => part.logTail() !== '', { intervalMs: 5 })

const FOREVER = 'setInterval(() => undefined, 1000); console.log("up");'

test('stop sends SIGTERM and waits for the end', async () => {
  const part = await startNode(
    `process.on('SIGTERM', () => { console.log('bye'); process.exit(3) }); ${FOREVER}`,
  )
  await printed(part)
  expect(part.running).toBe(true)
  expect(await part.stop()).toEqual({ code: 3, signal: null })
  expect(part.running).toBe(false)
  expect(part.logTail(1)).toBe('bye')
})

test('stop ends a process that ignores SIGTERM, and one that is paused', async () => {
  const deaf = await startNode(`process.on('SIGTERM', () => undefined); ${FOREVER}`)
  await printed(deaf)
  expect(await deaf.stop(50)).toEqual({ code: null, signal: 'SIGKILL' })
  const paused = await startNode(FOREVER)
  await printed(paused)
  paused.signal('SIGSTOP')
  expect(await paused.stop()).toEqual({ code: null, signal: 'SIGTERM' })
})

test('a command that does not exist is one sentence', async () => {
  const start = startPart({
    name: 'Thing',
    command: 'no-such-command-x',
    args: [],
    logFile: join(newDir(), 'l'),
  })
  await expect(start).rejects.toThrow(SetupError)
  await expect(start).rejects.toThrow('Thing: the command `no-such-command-x` is not installed.')
})

test('untilReady tells of a process that ended, with the end of its log', async () => {
  const part = await startNode('console.log("cannot bind"); process.exit(7)')
  await expect(untilReady(part, async () => false)).rejects.toThrow(
    /ended at its start \(exit code 7\).*\ncannot bind/,
  )
})

test('untilReady gives up after its time, and at once when the signal aborts', async () => {
  const part = await startNode(FOREVER)
  await expect(untilReady(part, async () => false, { timeoutMs: 1, intervalMs: 1 })).rejects.toThrow(
    /not ready after/,
  )
  const signal = AbortSignal.abort(new Error('stopped'))
  await expect(untilReady(part, async () => false, { signal })).rejects.toThrow('stopped')
})

test('a running process is noted by its pid, and the note goes with it', async () => {
  const pidDir = newDir()
  const part = await startNode(FOREVER, pidDir)
  expect(readdirSync(pidDir)).toEqual([String(part.pid)])
  await part.kill()
  expect(readdirSync(pidDir)).toEqual([])
})

test('the sweep ends noted processes, and leaves one whose start time differs alone', async () => {
  const pidDir = newDir()
  const part = await startNode(FOREVER, pidDir)
  const bystander = await startNode(FOREVER)
  notePid(pidDir, bystander.pid, 'earlier')
  writeFileSync(join(pidDir, String(bystander.pid)), JSON.stringify({ name: 'earlier', startTime: '1' }))
  expect(await sweepPids(pidDir)).toEqual([`part (pid ${part.pid})`])
  expect(await part.exited).toEqual({ code: null, signal: 'SIGKILL' })
  expect(isAlive(bystander.pid)).toBe(true)
  expect(readdirSync(pidDir)).toEqual([])
})
