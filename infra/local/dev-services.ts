import { createRunDir, pidDirOf } from './run-dir.ts'
import { RunningParts } from './running-parts.ts'
import { startServices } from './services.ts'
import { SetupError } from './setup-error.ts'

// Starts Kafka, Redis and the Schema Registry for a developer who runs single tests, prints the variables
// that the tests read, and stays until it is ended: `node infra/local/dev-services.ts`.
const parts = new RunningParts()
const end = async (code: number) => {
  await parts.stopAll()
  process.exit(code)
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void end(0))
parts.onUnexpectedEnd((name, exit) => {
  console.error(`${name} ended unexpectedly (${exit.signal ?? `exit code ${exit.code}`}).`)
  void end(1)
})
try {
  const runDir = await createRunDir()
  const variables = await startServices(parts, {
    runDir,
    pidDir: pidDirOf(runDir),
    progress: console.error,
  })
  for (const [name, value] of Object.entries(variables)) console.log(`export ${name}=${value}`)
  console.log(`# ready, pid ${process.pid}, logs under ${runDir}; Ctrl-C stops them`)
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(error.message)
  await end(1)
}
