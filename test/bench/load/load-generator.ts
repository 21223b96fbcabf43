import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { forgetPid, notePid } from '../../../infra/local/pid-files.ts'
import type { LoadCommand, LoadPlan, LoadReport, LoadResult } from './load-plan.ts'

/** A run that goes on. */
export interface RunningLoad {
  /** Resolves when the warm-up is over. */
  readonly measuring: Promise<void>
  readonly result: Promise<LoadResult>
  /** Ends the measurement before its time; `result` has what there is. */
  stop(): void
}

/** A load generator in a process of its own, so that measuring does not slow down what starts and watches it. */
export class LoadGenerator {
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  #onReport: ((report: LoadReport) => void) | undefined

  private constructor(child: ChildProcess, pidDir: string) {
    this.#child = child
    this.#ended = new Promise(resolve => child.once('exit', () => resolve()))
    child.on('message', report => this.#onReport?.(report as LoadReport))
    child.once('exit', (code, signal) => {
      if (child.pid !== undefined) forgetPid(pidDir, child.pid)
      this.#onReport?.({ failed: `the load generator ended (${signal ?? `exit code ${code}`})` })
    })
  }

  /** Starts the process; end it with `stop`. */
  static start(pidDir: string): LoadGenerator {
    const program = fileURLToPath(new URL('load-process.ts', import.meta.url))
    // A process group of its own: a Ctrl-C at the terminal reaches only us, and we stop it in its turn.
    const child = fork(program, [], { execArgv: [], detached: true, serialization: 'advanced' })
    if (child.pid !== undefined) notePid(pidDir, child.pid, 'load generator')
    return new LoadGenerator(child, pidDir)
  }

  /** Begins a run; one at a time. */
  begin(plan: LoadPlan): RunningLoad {
    if (this.#onReport) throw new Error('the load generator runs already')
    const measuring = Promise.withResolvers<void>()
    const result = Promise.withResolvers<LoadResult>()
    // Whoever waits only for the result must not be surprised by the other promise.
    measuring.promise.catch(() => undefined)
    result.promise.catch(() => undefined)
    this.#onReport = report => {
      if ('measuring' in report) return measuring.resolve()
      this.#onReport = undefined
      if ('done' in report) return result.resolve(report.done)
      const error = new Error(report.failed)
      measuring.reject(error)
      result.reject(error)
    }
    this.#tell({ start: plan })
    const stop = () => this.#tell({ stop: true })
    return { measuring: measuring.promise, result: result.promise, stop }
  }

  /** A whole run. */
  run(plan: LoadPlan): Promise<LoadResult> {
    return this.begin(plan).result
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    await this.#ended
  }

  #tell(command: LoadCommand): void {
    if (this.#child.connected) this.#child.send(command)
    else this.#onReport?.({ failed: 'the load generator has ended' })
  }
}
