import { spawn } from 'node:child_process'
import { forgetPid, notePid } from './pid-files.ts'

/** What a finished command printed and how it ended; `code` is null when a signal ended it. */
export interface CommandResult {
  code: number | null
  stdout: string
  stderr: string
}

export interface CommandOptions {
  cwd?: string
  env?: NodeJS.ProcessEnv
  signal?: AbortSignal | undefined
  /** Standard input; none by default. */
  input?: string
  /** Folder that notes the pid while the command runs, for a last sweep (see pid-files.ts). */
  pidDir?: string | undefined
}

/** Output kept of each stream; the rest of a longer one is dropped from its beginning. */
const OUTPUT_CHARS_MAX = 1_000_000

/**
 * Runs a command to its end. Resolves whatever the exit code is; undefined when
 * the command does not exist. When `signal` aborts the command is ended
 * with SIGTERM, and once it has ended the promise rejects with the signal's reason.
 */
export function runCommand(
  command: string,
  args: string[],
  options: CommandOptions = {},
): Promise<CommandResult | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['pipe', 'pipe', 'pipe'],
      // A process group of its own: a Ctrl-C at the terminal must not hit apt-get midway.
      detached: true,
    })
    // A command that does not read its input closes the pipe.
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.input ?? '')
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout = (stdout + text).slice(-OUTPUT_CHARS_MAX)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-OUTPUT_CHARS_MAX)
    })
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') resolve(undefined)
      else reject(error)
    })
    const { pid } = child
    if (options.pidDir && pid !== undefined) notePid(options.pidDir, pid, command)
    const abort = () => child.kill('SIGTERM')
    options.signal?.addEventListener('abort', abort, { once: true })
    child.once('close', code => {
      if (options.pidDir && pid !== undefined) forgetPid(options.pidDir, pid)
      options.signal?.removeEventListener('abort', abort)
      if (options.signal?.aborted) reject(options.signal.reason)
      else resolve({ code, stdout, stderr })
    })
    if (options.signal?.aborted) abort()
  })
}
