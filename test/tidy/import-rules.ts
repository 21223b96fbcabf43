import type { ImportEdge } from './imports.ts'
import { isTest } from './source-files.ts'

/**
 * The layers of a tier, from the outside in: what each may import of its own tier. Everything may import
 * `shared`, and the tier's tables of settings and metrics (`base`).
 */
const LAYERS: Record<string, Record<string, string[]>> = {
  'proxy-node': {
    main: ['program', 'base'],
    program: ['program', 'app', 'http', 'services', 'ports', 'formats', 'kafka', 'schema-registry', 'base'],
    app: ['http', 'services', 'ports', 'formats', 'base'],
    http: ['http', 'services', 'ports', 'formats', 'base'],
    services: ['services', 'ports', 'formats', 'base'],
    kafka: ['kafka', 'ports', 'base'],
    'schema-registry': ['schema-registry', 'ports', 'formats', 'base'],
    ports: ['ports', 'formats'],
    formats: ['formats'],
    base: ['base'],
  },
  gateway: {
    main: ['program', 'base'],
    program: ['program', 'app', 'http', 'routing', 'upstream', 'base'],
    app: ['http', 'routing', 'upstream port', 'base'],
    http: ['http', 'routing', 'upstream port', 'base'],
    routing: ['routing', 'upstream port', 'base'],
    upstream: ['upstream', 'upstream port', 'base'],
    'upstream port': ['upstream port', 'base'],
    base: ['base'],
  },
}

/** Files of `upstream` that are the port and pure rules around it, not adapters. */
const UPSTREAM_PORT = /^gateway\/upstream\/(forwarder|retry)\.ts$/

const TIER_ROOT_LAYERS: Record<string, string> = { main: 'main', program: 'program', app: 'app' }

/** `proxy-node/http/v2/records.ts` is in layer `http`; `gateway/settings.ts` is in `base`. */
export function layerOf(path: string): string {
  if (UPSTREAM_PORT.test(path)) return 'upstream port'
  const [, second = ''] = path.split('/')
  if (!second.endsWith('.ts')) return second
  // `open-schemas.ts` and the like put a part of the program together.
  if (second.startsWith('open-')) return 'program'
  return TIER_ROOT_LAYERS[second.slice(0, -'.ts'.length)] ?? 'base'
}

/** Which packages are drivers, and where alone each may be named. Tests on real services may use them. */
const DRIVER_FOLDERS: Record<string, RegExp> = {
  ioredis: /^shared\/routing\/redis-/,
  'consistent-hash': /^gateway\/routing\/ring\.ts$/,
  kafkajs: /^proxy-node\/kafka\//,
  '@platformatic/kafka': /^proxy-node\/kafka\//,
  avsc: /^proxy-node\/formats\//,
  protobufjs: /^proxy-node\/formats\//,
  ajv: /^proxy-node\/formats\//,
  pino: /^shared\/observability\/logger\.ts$/,
  'prom-client': /^shared\/observability\/metrics\.ts$/,
}

/** The one program outside the tiers that puts both together in a process. */
const SINGLE_PROCESS = 'infra/local/single-process.ts'

const areaOf = (path: string): string => path.split('/')[0] ?? ''

/** Why an import is against the rules, in one sentence, or undefined. */
export function importProblem({ from, to }: ImportEdge): string | undefined {
  if (to.endsWith('/main.ts')) return 'a main.ts is a start, nothing imports it'
  const drivers = DRIVER_FOLDERS[to]
  if (drivers) {
    return drivers.test(from) || isTest(from) ? undefined : `${to} is named in ${drivers} only`
  }
  if (isTest(from) || !to.endsWith('.ts')) return undefined
  return directionProblem(from, to)
}

function directionProblem(from: string, to: string): string | undefined {
  const source = areaOf(from)
  const target = areaOf(to)
  if (target === 'test') return 'only tests import tests'
  if (target === 'shared') return undefined
  if (source === 'shared') return 'shared imports neither tier'
  if (source === target) return layerProblem(source, from, to)
  if (source === 'docs') return undefined
  if (from === SINGLE_PROCESS && target !== 'docs') return undefined
  return `${source} does not import ${target}`
}

function layerProblem(tier: string, from: string, to: string): string | undefined {
  const layers = LAYERS[tier]
  if (!layers) return undefined
  const allowed = layers[layerOf(from)]
  if (!allowed) return `the folder of ${from} is no layer of ${tier}`
  return allowed.includes(layerOf(to)) ? undefined : `${layerOf(from)} does not import ${layerOf(to)}`
}
