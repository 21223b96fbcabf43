import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { createRunDir } from './run-dir.ts'
import { RunningParts } from './running-parts.ts'
import { SetupError } from './setup-error.ts'
import { parseStartOptions, START_USAGE } from './start-options.ts'
import { System } from './system.ts'

// `npm start`: the whole system on this machine, from one command. See --help for the options.

const print = (line: string) => console.log(line)
const parts = new RunningParts()
let stopping: Promise<void> | undefined

/** Stops every part, in the reverse of the start order, and ends this process. */
function end(code: number, sentence: string, runDir: string | undefined): Promise<void> {
  stopping ??= (async () => {
    print(sentence)
    await parts.stopAll()
    if (runDir !== undefined) rmSync(join(runDir, 'kafka', 'data'), { recursive: true, force: true })
    process.exit(code)
  })()
  return stopping
}

async function main(): Promise<void> {
  const options = parseStartOptions(process.argv.slice(2))
  if (options.help) return print(START_USAGE)
  const runDir = await createRunDir()
  // Ctrl-C reaches us twice, from the terminal and through the bootstrap: `end` counts once.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => void end(0, 'Stopping everything …', runDir))
  }
  parts.onUnexpectedEnd((name, exit) => {
    const how = exit.signal ?? `exit code ${exit.code}`
    void end(1, `${name} ended unexpectedly (${how}), so everything stops; logs are in ${runDir}.`, runDir)
  })
  try {
    await new System(options, parts, runDir, print).start()
  } catch (error) {
    if (stopping) return
    if (!(error instanceof SetupError)) console.error(error)
    const sentence = error instanceof SetupError ? error.message : 'The start failed unexpectedly.'
    await end(1, sentence, runDir)
  }
}

try {
  await main()
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(error.message)
  process.exitCode = 1
}
