import { runCli } from './run-cli.ts'

// The command `kafka-rest-gateway`: see --help, or usage.ts.

process.exitCode = await runCli({
  args: process.argv.slice(2),
  env: process.env,
  print: line => process.stdout.write(`${line}\n`),
  printError: line => process.stderr.write(`${line}\n`),
  monotonic: () => performance.now(),
  sleep: delayMs => new Promise(resolve => setTimeout(resolve, delayMs)),
})
