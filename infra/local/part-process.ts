import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { forgetPid, notePid } from './pid-files.ts'
import { SetupError } from './setup-error.ts'

/** How a process ended: an exit code or the signal that ended it. */
export interface PartExit {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface PartCommand {
  /** What people call it: `Kafka`, `node-1`. */
  name: string
  command: string
  args: string[]
  /** Standard output and error are appended here. */
  logFile: string
  cwd?: string
  env?: NodeJS.ProcessEnv
  /** Folder that gets a file named by the pid while the process runs, for a last sweep by the caller. */
  pidDir?: string | undefined
}

const STOP_GRACE_MS = 15_000

/**
 * A process that we started and must stop: Kafka, Redis, a gateway, a proxy node. It is always addressed
 * by its own pid, so that nothing else on the machine can be hit.
 */
export class PartProcess {
  readonly name: string
  readonly pid: number
  readonly logFile: string
  /** Resolves once the process has ended; never rejects. */
  readonly exited: Promise<PartExit>
  readonly #child: ChildProcess

  constructor(command: PartCommand, child: ChildProcess, pid: number) {
    this.name = command.name
    this.pid = pid
    this.logFile = command.logFile
    this.#child = child
    this.exited = new Promise(resolve => {
      child.once('exit', (code, signal) => {
        if (command.pidDir) forgetPid(command.pidDir, pid)
        resolve({ code, signal })
      })
    })
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Sends a signal; a process that has ended is left alone (its pid may belong to another by now). */
  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#child.kill(signal)
  }

  /** SIGTERM, then SIGKILL after `graceMs`; resolves when the process has ended. */
  async stop(graceMs = STOP_GRACE_MS): Promise<PartExit> {
    this.signal('SIGTERM')
    // A process held by SIGSTOP takes a SIGTERM only once it is continued.
    this.signal('SIGCONT')
    const timer = setTimeout(() => this.signal('SIGKILL'), graceMs)
    const exit = await this.exited
    clearTimeout(timer)
    return exit
  }

  /** SIGKILL (`kill -9`): no clean-up runs in the process; resolves when it has ended. */
  kill(): Promise<PartExit> {
    this.signal('SIGKILL')
    return this.exited
  }

  /** The last `lines` lines of the log, for an error message. */
  logTail(lines = 25): string {
    return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
  }
}

/**
 * Starts a process in a process group of its own: a Ctrl-C at the terminal reaches only us, and we stop
 * the parts in order. Throws SetupError when the command does not exist.
 */
export async function startPart(command: PartCommand): Promise<PartProcess> {
  mkdirSync(dirname(command.logFile), { recursive: true })
  const log = openSync(command.logFile, 'a')
  const child = spawn(command.command, command.args, {
    cwd: command.cwd,
    env: command.env ?? process.env,
    stdio: ['ignore', log, log],
    detached: true,
  })
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'ENOENT' ? 'is not installed' : `could not be run (${error.code})`
      reject(new SetupError(`${command.name}: the command \`${command.command}\` ${reason}.`))
    })
  })
  closeSync(log)
  if (child.pid === undefined) throw new Error(`${command.name} was started without a pid`)
  if (command.pidDir) notePid(command.pidDir, child.pid, command.name)
  return new PartProcess(command, child, child.pid)
}

/** How long and how often to ask whether a part is ready; `signal` ends the wait. */
export interface ReadyWait {
  timeoutMs?: number
  intervalMs?: number
  signal?: AbortSignal | undefined
}

/**
 * Waits until `probe` answers true. Throws SetupError when the process ends before, or when `timeoutMs`
 * have passed; throws the signal's reason when it aborts.
 */
export async function untilReady(
  part: PartProcess,
  probe: () => Promise<boolean>,
  { timeoutMs = 60_000, intervalMs = 100, signal }: ReadyWait = {},
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (part.running) {
    signal?.throwIfAborted()
    if (await probe().catch(() => false)) return
    if (performance.now() > deadline) {
      throw new SetupError(`${part.name} was not ready after ${timeoutMs / 1000} s; see ${part.logFile}.`)
    }
    await sleep(intervalMs)
  }
  const { code, signal: endedBy } = await part.exited
  const how = endedBy ?? `exit code ${code}`
  throw new SetupError(
    `${part.name} ended at its start (${how}); the end of ${part.logFile}:\n${part.logTail()}`,
  )
}
