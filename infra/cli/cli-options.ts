import { parseArgs } from 'node:util'
import { CliFailure, exitCodes } from './cli-failure.ts'

const DEFAULT_URL = 'http://127.0.0.1:8092'

/** The command line, checked. */
export interface CliOptions {
  readonly help: boolean
  readonly command: string
  readonly operands: readonly string[]
  /** Without a trailing slash. */
  readonly url: string
  readonly tokenFile: string | undefined
  readonly node: string | undefined
  readonly group: string | undefined
  readonly limit: number
  readonly wait: boolean
  readonly timeoutMs: number
  readonly json: boolean
}

/** How many operands each command takes. */
const commands: Readonly<Record<string, readonly string[]>> = {
  status: [],
  nodes: [],
  placements: [],
  drain: ['NODE'],
  undrain: ['NODE'],
  evict: ['GROUP', 'INSTANCE'],
  token: ['NAME'],
}

/** Reads the command line. @throws CliFailure with the exit code of wrong usage. */
export function parseCliOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): CliOptions {
  const { values, positionals } = parsed(args)
  const [command = '', ...operands] = positionals
  const help = values.help || args.length === 0
  if (!help) checkCommand(command, operands)
  return {
    help,
    command,
    operands,
    url: adminUrl(values.url ?? (env['GATEWAY_ADMIN_URL'] || DEFAULT_URL)),
    tokenFile: values['token-file'],
    node: values.node,
    group: values.group,
    limit: wholeNumber('--limit', values.limit),
    wait: values.wait,
    timeoutMs: wholeNumber('--timeout', values.timeout) * 1000,
    json: values.json,
  }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        url: { type: 'string' },
        'token-file': { type: 'string' },
        node: { type: 'string' },
        group: { type: 'string' },
        limit: { type: 'string', default: '1000' },
        wait: { type: 'boolean', default: false },
        timeout: { type: 'string', default: '120' },
        json: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw usageFailure(error instanceof Error ? error.message : String(error))
  }
}

function checkCommand(command: string, operands: readonly string[]): void {
  const wanted = Object.hasOwn(commands, command) ? commands[command] : undefined
  if (wanted === undefined) throw usageFailure(`There is no command '${command}'.`)
  if (operands.length !== wanted.length || operands.includes(''))
    throw usageFailure(`Usage: kafka-rest-gateway ${[command, ...wanted].join(' ')}`)
}

function adminUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol))
    throw usageFailure(`--url: ${text} is not http(s)://host:port.`)
  return text.replace(/\/+$/, '')
}

function wholeNumber(option: string, text: string): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0)
    throw usageFailure(`${option}: ${text} is not a whole number above 0.`)
  return Number(text)
}

function usageFailure(sentence: string): CliFailure {
  return new CliFailure(`${sentence} See kafka-rest-gateway --help.`, exitCodes.usage)
}
