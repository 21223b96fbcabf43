import { readFileSync } from 'node:fs'
import { drawOperatorToken, isOperatorName } from '../../shared/security/operator-tokens.ts'
import { AdminClient, type JsonObject } from './admin-client.ts'
import { CliFailure, type ExitCode, exitCodes } from './cli-failure.ts'
import { type CliOptions, parseCliOptions } from './cli-options.ts'
import { type Column, textFields, textTable } from './text-table.ts'
import { CLI_USAGE } from './usage.ts'

/** What the command needs of its process. */
export interface CliHost {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  print(line: string): void
  printError(line: string): void
  /** Ms from an arbitrary start. */
  monotonic(): number
  sleep(delayMs: number): Promise<void>
}

/** Runs the command `kafka-rest-gateway` to its end. Never rejects for what an operator can meet. @returns exit code */
export async function runCli(host: CliHost): Promise<ExitCode> {
  try {
    const options = parseCliOptions(host.args, host.env)
    if (options.help) host.print(CLI_USAGE)
    else if (options.command === 'token') printToken(host, options)
    else await runCommand(host, options, new AdminClient(options.url, tokenOf(host, options)))
    return exitCodes.done
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error
    host.printError(error.message)
    return error.exitCode
  }
}

function runCommand(host: CliHost, options: CliOptions, client: AdminClient): Promise<void> {
  const { operands, json } = options
  const [first = '', second = ''] = operands
  const show = (answer: JsonObject, text: () => string) =>
    host.print(json ? JSON.stringify(answer, undefined, 2) : text())
  switch (options.command) {
    case 'status':
      return client.call('GET', ['status']).then(answer => show(answer, () => statusText(answer)))
    case 'nodes':
      return client
        .call('GET', ['nodes'])
        .then(answer => show(answer, () => textTable(nodeColumns, rowsOf(answer, 'nodes'))))
    case 'placements':
      return placements(options, client).then(answer =>
        show(answer, () => placementsText(answer, options.limit)),
      )
    case 'drain':
      return drain(host, options, client, first).then(answer =>
        show(answer, () => `${first} is ${answer['state']}; it holds ${instancesText(answer)}.`),
      )
    case 'undrain':
      return client
        .call('DELETE', ['nodes', first, 'drain'])
        .then(answer => show(answer, () => `${first} is ${answer['state']}.`))
    default:
      return client
        .call('DELETE', ['placements', first, second])
        .then(answer => show(answer, () => `${second} of ${first} was ended at ${answer['node']}.`))
  }
}

/** The token is never an argument: every user of the machine can read those. */
function tokenOf({ env }: CliHost, { tokenFile }: CliOptions): string {
  const text = tokenFile === undefined ? (env['GATEWAY_ADMIN_TOKEN'] ?? '') : tokenIn(tokenFile)
  const token = text.trim()
  if (token === '') {
    const sentence = "An operator's token is needed: --token-file FILE, or the variable GATEWAY_ADMIN_TOKEN."
    throw new CliFailure(sentence, exitCodes.usage)
  }
  // Whatever no header can hold would come back in the text of an error.
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new CliFailure('The token must be one word, without anything before or after it.', exitCodes.usage)
  return token
}

/** For containers: a variable on the command line of `kubectl exec` stands in logs. */
const STDIN = 0

function tokenIn(file: string): string {
  try {
    return readFileSync(file === '-' ? STDIN : file, 'utf8')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CliFailure(`The token cannot be read: ${reason}.`, exitCodes.usage, { cause: error })
  }
}

function printToken(host: CliHost, { operands, json }: CliOptions): void {
  const [name = ''] = operands
  if (!isOperatorName(name))
    throw new CliFailure('A name has 1 to 64 letters, digits, dots, - and _.', exitCodes.usage)
  const { token, entry } = drawOperatorToken(name)
  if (json) {
    host.print(JSON.stringify({ name, token, entry }, undefined, 2))
    return
  }
  host.print(`token of ${name}, for the operator alone: it is shown once and kept nowhere`)
  host.print(`  ${token}`)
  host.print('entry for the setting admin.tokens of gateways and proxy nodes (comma-separated)')
  host.print(`  ${entry}`)
}

const STATUS_FIELDS = ['ready', 'problem', 'routing_table', 'members_age_ms', 'placements_cached'] as const

function statusText(answer: JsonObject): string {
  const nodes = Object.entries(objectIn(answer, 'nodes')).map(([state, count]) => `${count} ${state}`)
  return textFields([
    ['gateway', answer['id']],
    ['zone', answer['zone']],
    ...STATUS_FIELDS.map(field => [field.replaceAll('_', ' '), answer[field]] as const),
    ['nodes', nodes.join(', ')],
  ])
}

const nodeColumns: readonly Column[] = [
  ['NODE', 'id'],
  ['STATE', 'state'],
  ['ROUTING', 'routing'],
  ['INSTANCES', 'instances'],
  ['MAX', 'instances_max'],
  ['IN FLIGHT', 'requests_in_flight'],
  ['SEEN MS AGO', 'seen_ms_ago'],
  ['ZONE', 'zone'],
  ['URL', 'url'],
  ['INCARNATION', 'incarnation'],
]

const placementColumns: readonly Column[] = [
  ['GROUP', 'group'],
  ['INSTANCE', 'instance'],
  ['NODE', 'node'],
  ['STATE', 'state'],
  ['FAILOVER', 'failover'],
  ['TOKEN', 'token'],
  ['EXPIRES', row => new Date(Number(row['expires_at_ms'])).toISOString()],
]

function placementsText(answer: JsonObject, limit: number): string {
  const table = textTable(placementColumns, rowsOf(answer, 'placements'))
  return answer['next'] === null ? table : `${table}\nThere are more than ${limit}: see --limit.`
}

const PAGE_MAX = 1000

/** All pages, until there are as many as wanted. */
async function placements({ node, group, limit }: CliOptions, client: AdminClient): Promise<JsonObject> {
  const filter = { ...(node === undefined ? {} : { node }), ...(group === undefined ? {} : { group }) }
  const found: JsonObject[] = []
  let after: Readonly<Record<string, string>> = {}
  for (;;) {
    const page = { limit: String(Math.min(PAGE_MAX, limit - found.length)), ...after }
    const answer = await client.call('GET', ['placements'], { ...filter, ...page })
    found.push(...rowsOf(answer, 'placements'))
    const next = answer['next']
    if (typeof next !== 'string' || found.length >= limit)
      return { placements: found, next: typeof next === 'string' ? next : null }
    after = { after: next }
  }
}

const POLL_MS = 500

/** Begins to drain, and waits for its end if that is wanted. */
async function drain(
  host: CliHost,
  { wait, timeoutMs }: CliOptions,
  client: AdminClient,
  node: string,
): Promise<JsonObject> {
  const deadline = host.monotonic() + timeoutMs
  const path = ['nodes', node, 'drain']
  let answer = await client.call('POST', path)
  if (!wait) return answer
  const { incarnation } = answer
  for (; answer['state'] === 'draining'; answer = await client.call('GET', path)) {
    if (host.monotonic() >= deadline)
      throw new CliFailure(
        `${node} is not drained within ${timeoutMs / 1000} s and goes on; it still holds ${instancesText(answer)}.`,
        exitCodes.notDrained,
      )
    await host.sleep(POLL_MS)
  }
  if (answer['state'] !== 'drained' || answer['incarnation'] !== incarnation)
    throw new CliFailure(`${node} was taken back or started anew meanwhile.`, exitCodes.notDrained)
  if (answer['instances'] !== 0)
    throw new CliFailure(
      `${node} has ended to drain, and still holds ${instancesText(answer)} (drain.timeout.ms).`,
      exitCodes.notDrained,
    )
  return answer
}

function instancesText(answer: JsonObject): string {
  const count = answer['instances']
  return `${count} consumer instance${count === 1 ? '' : 's'}`
}

function rowsOf(answer: JsonObject, field: string): JsonObject[] {
  const rows = answer[field]
  return Array.isArray(rows) ? rows.filter(row => typeof row === 'object' && row !== null) : []
}

function objectIn(answer: JsonObject, field: string): JsonObject {
  const value = answer[field]
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
