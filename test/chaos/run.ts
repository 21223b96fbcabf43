import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { installKafka } from '../../infra/local/kafka-install.ts'
import { createRunDir, pidDirOf } from '../../infra/local/run-dir.ts'
import { SetupError } from '../../infra/local/setup-error.ts'
import { machineText } from '../bench/machine.ts'
import { runChaos } from './chaos-run.ts'
import { type CommandOptions, parseChaosOptions, USAGE } from './options.ts'

// `npm run chaos`: what becomes of records and consumers while everything is killed. Standard output has all of it.

const abort = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => abort.abort(new SetupError('Stopped by a signal.')))

async function run(options: CommandOptions): Promise<number> {
  const progress = (line: string) => console.log(line)
  const runDir = await createRunDir()
  const pidDir = pidDirOf(runDir)
  // What the Java reader asks for.
  process.env['TEST_KAFKA_LIBS'] = await installKafka({ progress, signal: abort.signal })
  process.env['TEST_RUN_DIR'] = runDir
  process.env['TEST_PID_DIR'] = pidDir
  const { seed, minutes, mode } = options
  progress(
    `# Chaos: seed ${seed}, ${minutes} minutes, failover ${mode}\n\n${machineText(new Date())}\n${runDir}\n`,
  )
  const result = await runChaos({ ...options, runDir, pidDir, progress, signal: abort.signal })
  progress(`\n${result.tables}\n`)
  const problems = [...result.problems, ...result.late.map(text => `too late: ${text}`)]
  for (const line of problems) progress(line)
  if (problems.length === 0) rmSync(join(runDir, 'kafka', 'data'), { recursive: true, force: true })
  else progress(`The logs are in ${runDir}.`)
  progress(result.summary)
  return problems.length === 0 ? 0 : 1
}

try {
  const options = parseChaosOptions(process.argv.slice(2))
  if (options.help) console.log(USAGE)
  else process.exitCode = await run(options)
} catch (error) {
  const stopped = abort.signal.aborted
  console.error(error instanceof SetupError || stopped ? String(error) : error)
  process.exitCode = stopped ? 130 : 1
}
