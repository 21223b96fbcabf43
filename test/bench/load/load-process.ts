import type { LoadCommand, LoadReport } from './load-plan.ts'
import { LoadRun } from './load-run.ts'

// The load generator's process: started by load-generator.ts, it does one run at a time and ends with its parent.

let run: LoadRun | undefined

const tell = (report: LoadReport) => process.send?.(report)

process.on('message', (command: LoadCommand) => {
  if ('stop' in command) return run?.stop()
  run = new LoadRun(command.start)
  run
    .run(() => tell({ measuring: true }))
    .then(
      done => tell({ done }),
      (error: unknown) =>
        tell({ failed: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    )
})
process.on('disconnect', () => process.exit(0))
