import { parseArgs } from 'node:util'
import { SetupError } from './setup-error.ts'

/** What `npm start` was asked for. */
export interface StartOptions {
  help: boolean
  /** Number of proxy nodes. */
  nodes: number
  /** The gateway's port on 127.0.0.1. */
  port: number
  /** A Kafka that runs: none is started. */
  bootstrapServers: string | undefined
  /** A Redis that runs: none is started. */
  redis: string | undefined
  /** Without Redis: gateway and nodes in one process, with the routing table in memory. */
  inMemory: boolean
  /** A Schema Registry that runs: none is started. */
  schemaRegistryUrl: string | undefined
}

const NODES_MAX = 64

export const START_USAGE = `npm start [-- OPTION...]
  --nodes N                       number of proxy nodes (default 2)
  --port PORT                     port of the gateway on 127.0.0.1 (default 8082)
  --bootstrap-servers HOST:PORT   use this Kafka and start none (a list with commas)
  --redis URL                     use this Redis and start none (redis:// or rediss://)
  --redis none                    no Redis: everything in one process, routing table in memory
  --schema-registry-url URL       use this Schema Registry and start none
  --help                          print this`

/** Parses the arguments of `npm start --`. Throws SetupError that names the argument and what it takes. */
export function parseStartOptions(args: string[]): StartOptions {
  const values = parsed(args)
  return {
    help: values.help ?? false,
    nodes: wholeNumber('--nodes', values.nodes ?? '2', 1, NODES_MAX),
    port: wholeNumber('--port', values.port ?? '8082', 1, 65_535),
    bootstrapServers: addressList(values['bootstrap-servers']),
    redis: values.redis === 'none' ? undefined : url('--redis', values.redis, ['redis:', 'rediss:']),
    inMemory: values.redis === 'none',
    schemaRegistryUrl: url('--schema-registry-url', values['schema-registry-url'], ['http:', 'https:']),
  }
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        help: { type: 'boolean' },
        nodes: { type: 'string' },
        port: { type: 'string' },
        'bootstrap-servers': { type: 'string' },
        redis: { type: 'string' },
        'schema-registry-url': { type: 'string' },
      },
      strict: true,
      allowPositionals: false,
    }).values
  } catch (error) {
    // Node's own sentences: "Unknown option '--x'. …", "Option '--port <value>' argument missing".
    const reason = error instanceof Error ? error.message.split('. ')[0] : String(error)
    throw new SetupError(`${reason}; npm start -- --help lists the options.`)
  }
}

function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new SetupError(`${option} takes a whole number from ${min} to ${max}, not "${text}".`)
}

/** `host:port` pairs separated by commas. */
function addressList(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const addresses = text.split(',').map(address => address.trim())
  const isAddress = (address: string) =>
    /^([\w.-]+|\[[\da-fA-F:.]+\]):\d{1,5}$/.test(address) && URL.canParse(`tcp://${address}`)
  if (addresses.every(isAddress)) return addresses.join(',')
  throw new SetupError(`--bootstrap-servers takes HOST:PORT, or several with commas, not "${text}".`)
}

function url(option: string, text: string | undefined, protocols: string[]): string | undefined {
  if (text === undefined) return undefined
  const protocol = URL.parse(text)?.protocol
  if (protocol !== undefined && protocols.includes(protocol)) return text
  const wanted = protocols.map(name => `${name}//`).join(' or ')
  throw new SetupError(
    `${option} takes a URL that begins with ${wanted}, such as ${protocols[0]}//HOST:PORT.`,
  )
}
