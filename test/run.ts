import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT_DIR } from '../infra/local/cache.ts'
import { sweepPids } from '../infra/local/pid-files.ts'
import { createRunDir, pidDirOf } from '../infra/local/run-dir.ts'
import { RunningParts } from '../infra/local/running-parts.ts'
import { startServices } from '../infra/local/services.ts'
import { SetupError } from '../infra/local/setup-error.ts'
import { closingLine, readCounts, type TestCounts } from './vitest-report.ts'

// `npm test`: format and lint, types, then every test on a real Kafka, Redis and Schema Registry that are
// started on free ports and stopped again. Arguments are given to vitest (a file filter, --project unit)
// and leave the two checks out. The last line is `N passed, N failed`; the exit code is 0 only when none
// failed.

const bin = (name: string) => join(ROOT_DIR, 'node_modules', '.bin', name)

class TestRun {
  readonly #parts = new RunningParts()
  readonly #runDir: string
  readonly #counts: TestCounts = { passed: 0, failed: 0, skipped: 0 }
  #child: ChildProcess | undefined
  #interrupted = false

  constructor(runDir: string) {
    this.#runDir = runDir
  }

  /** Runs everything and returns the exit code. */
  async run(vitestArguments: string[]): Promise<number> {
    this.#parts.onUnexpectedEnd((name, { code, signal }) => {
      console.error(`${name} ended unexpectedly (${signal ?? `exit code ${code}`}); see ${this.#runDir}.`)
    })
    try {
      if (vitestArguments.length === 0) await this.#checks()
      if (!this.#interrupted) await this.#tests(vitestArguments)
    } catch (error) {
      this.#counts.failed += 1
      if (!this.#interrupted) console.error(error instanceof SetupError ? error.message : error)
    }
    await this.#parts.stopAll()
    const left = await sweepPids(pidDirOf(this.#runDir))
    if (left.length > 0) console.error(`Left behind by tests, ended now: ${left.join(', ')}.`)
    if (this.#interrupted && this.#counts.failed === 0) this.#counts.failed = 1
    console.log(closingLine(this.#counts))
    return this.#counts.failed === 0 ? 0 : 1
  }

  /** Ends the run early: whatever runs now is ended, then the services are stopped. */
  interrupt(): void {
    this.#interrupted = true
    // vitest and its workers are a process group of their own, made by us.
    if (this.#child?.pid !== undefined) process.kill(-this.#child.pid, 'SIGTERM')
    void this.#parts.stopAll()
  }

  async #checks(): Promise<void> {
    for (const [what, command, args] of [
      ['Format and lint', 'biome', ['ci', '.', `--colors=${process.stdout.isTTY ? 'force' : 'off'}`]],
      ['Types', 'tsc', []],
    ] as const) {
      if (this.#interrupted) return
      const code = await this.#command(bin(command), [...args])
      console.log(`${what}: ${code === 0 ? 'passed' : 'failed'}`)
      if (code === 0) this.#counts.passed += 1
      else this.#counts.failed += 1
    }
  }

  async #tests(vitestArguments: string[]): Promise<void> {
    const pidDir = pidDirOf(this.#runDir)
    const progress = (line: string) => console.log(line)
    const services = await startServices(this.#parts, { runDir: this.#runDir, pidDir, progress })
    const report = join(this.#runDir, 'vitest.json')
    // What tests make there, private keys among it, goes with the run.
    const tempDir = join(this.#runDir, 'tmp')
    mkdirSync(tempDir)
    const code = await this.#command(
      bin('vitest'),
      ['run', ...vitestArguments, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
      { ...services, TEST_RUN_DIR: this.#runDir, TEST_PID_DIR: pidDir, TMPDIR: tempDir },
    )
    rmSync(tempDir, { recursive: true, force: true })
    const counts = readCounts(report, code)
    this.#counts.passed += counts.passed
    this.#counts.failed += counts.failed
    this.#counts.skipped += counts.skipped
  }

  async #command(command: string, args: string[], variables: object = {}): Promise<number | null> {
    const child = spawn(command, args, {
      cwd: ROOT_DIR,
      env: { ...process.env, ...(process.stdout.isTTY ? {} : { NO_COLOR: '1' }), ...variables },
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: true,
    })
    this.#child = child
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    this.#child = undefined
    return code
  }
}

const run = new TestRun(await createRunDir())
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => run.interrupt())
process.exitCode = await run.run(process.argv.slice(2))
