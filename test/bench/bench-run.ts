import { createRunDir, pidDirOf } from '../../infra/local/run-dir.ts'
import { RunningParts } from '../../infra/local/running-parts.ts'
import { SetupError } from '../../infra/local/setup-error.ts'
import { BenchServices } from './bench-services.ts'
import { LoadGenerator } from './load/load-generator.ts'

/** What a section of a run works with. Whatever it starts belongs into `parts`. */
export interface Section {
  readonly services: BenchServices
  /** Processes of this section alone; stopped when it is over. */
  readonly parts: RunningParts
  readonly load: LoadGenerator
  readonly pidDir: string
}

/**
 * One run of a program that measures: the services once, and for each section a load generator and processes of its
 * own. Everything is ended in any case, also by a signal.
 */
export class BenchRun {
  readonly #serviceParts = new RunningParts()
  readonly #runDir: string
  readonly #progress: (line: string) => void
  #sectionParts: RunningParts | undefined
  #load: LoadGenerator | undefined
  #interrupted = false

  private constructor(runDir: string, progress: (line: string) => void) {
    this.#runDir = runDir
    this.#progress = progress
  }

  /**
   * Starts the services, runs `work`, and stops everything.
   * @returns the exit code: what `work` says, 1 when it fails, 130 when a signal ended it.
   */
  static async run(
    progress: (line: string) => void,
    work: (run: BenchRun, services: BenchServices) => Promise<number>,
  ): Promise<number> {
    const run = new BenchRun(await createRunDir(), progress)
    const interrupt = () => run.#interrupt()
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt)
    run.#serviceParts.onUnexpectedEnd(name => progress(`${name} ended unexpectedly; see ${run.#runDir}.`))
    let services: BenchServices | undefined
    try {
      services = await BenchServices.start(run.#serviceParts, { runDir: run.#runDir, progress })
      const code = await work(run, services)
      return run.#interrupted ? 130 : code
    } catch (error) {
      if (run.#interrupted) return 130
      progress(
        error instanceof SetupError ? error.message : String(error instanceof Error ? error.stack : error),
      )
      return 1
    } finally {
      await run.#serviceParts.stopAll()
      services?.removeData()
    }
  }

  /**
   * Runs one section; its processes are stopped when it is over.
   * @throws what `work` throws; Error when one of its processes failed, since no figure is worth anything then.
   */
  async section<T>(services: BenchServices, work: (section: Section) => Promise<T>): Promise<T> {
    const parts = new RunningParts()
    const failed: string[] = []
    parts.onUnexpectedEnd((name, { code, signal }) => {
      // A section may stop a process itself.
      if (code !== 0) failed.push(`${name} ended unexpectedly (${signal ?? `exit code ${code}`})`)
    })
    this.#serviceParts.signal.throwIfAborted()
    const pidDir = pidDirOf(this.#runDir)
    const load = LoadGenerator.start(pidDir)
    this.#sectionParts = parts
    this.#load = load
    try {
      const result = await work({ services, parts, load, pidDir })
      if (failed.length > 0) throw new Error(`${failed.join('; ')}; see ${this.#runDir}`)
      return result
    } finally {
      await load.stop()
      await parts.stopAll()
    }
  }

  /** What runs now fails at once, since its processes end, and the rest is not begun. */
  #interrupt(): void {
    if (this.#interrupted) return
    this.#interrupted = true
    this.#progress('Stopping everything …')
    void this.#load?.stop()
    void this.#sectionParts?.stopAll().then(() => this.#serviceParts.stopAll())
    if (!this.#sectionParts) void this.#serviceParts.stopAll()
  }
}
