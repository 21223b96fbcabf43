import { systemClock } from '../shared/clock.ts'
import { runProgram } from '../shared/run-program.ts'
import { startGateway } from './program.ts'
import { gatewaySettings } from './settings.ts'

await runProgram(
  {
    argv: process.argv,
    env: process.env,
    exit: code => process.exit(code),
    on: (event, listener) => process.on(event, listener),
    printError: line => process.stderr.write(`${line}\n`),
  },
  {
    name: 'gateway',
    rows: gatewaySettings,
    passThroughPrefixes: [],
    logOf: settings => ({ level: settings['log.level'], fields: { tier: 'gateway', id: settings['id'] } }),
    start: ({ settings }, log, signal) => startGateway(settings, { log, clock: systemClock, signal }),
  },
)
