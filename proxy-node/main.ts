import { systemClock } from '../shared/clock.ts'
import { runProgram } from '../shared/run-program.ts'
import { startProxyNode } from './program.ts'
import { proxyNodePassThrough, proxyNodeSettings } from './settings.ts'

await runProgram(
  {
    argv: process.argv,
    env: process.env,
    exit: code => process.exit(code),
    on: (event, listener) => process.on(event, listener),
    printError: line => process.stderr.write(`${line}\n`),
  },
  {
    name: 'proxy-node',
    rows: proxyNodeSettings,
    passThroughPrefixes: proxyNodePassThrough,
    logOf: settings => ({ level: settings['log.level'], fields: { tier: 'proxy-node', id: settings['id'] } }),
    start: (loaded, log, signal) =>
      startProxyNode(loaded, {
        log,
        clock: systemClock,
        signal,
        onFatal: error => {
          log.fatal({ err: error }, 'the node must end')
          process.exit(1)
        },
      }),
  },
)
