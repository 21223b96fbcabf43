import { SetupError } from '../../infra/local/setup-error.ts'
import { BenchRun } from './bench-run.ts'
import { machineText } from './machine.ts'
import { parseSoakOptions, SOAK_USAGE } from './options.ts'
import { soak } from './soak/soak-run.ts'

// `npm run soak`: half load for some minutes, and whether memory grows. docs/benchmarks.md says how to read it.

const progress = (line: string) => console.error(line)

async function run(minutes: number): Promise<number> {
  return BenchRun.run(progress, async (benchRun, services) => {
    console.log(`# Soak\n\n${machineText(new Date())}`)
    const { text, failed } = await benchRun.section(services, section => soak(section, minutes, progress))
    console.log(text)
    return failed ? 1 : 0
  })
}

try {
  const options = parseSoakOptions(process.argv.slice(2))
  if (options.help) console.log(SOAK_USAGE)
  else process.exitCode = await run(options.minutes)
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(error.message)
  process.exitCode = 1
}
