import { type ParseArgsConfig, parseArgs } from 'node:util'
import { SetupError } from '../../infra/local/setup-error.ts'

/** The parts of the benchmark, in the order in which they run. */
export const partNames = ['produce', 'read', 'memory', 'instances'] as const
export type PartName = (typeof partNames)[number]

export interface BenchOptions {
  readonly help: boolean
  readonly only: readonly PartName[]
  /** How long one measurement takes. */
  readonly seconds: number
  /** How often each variant is measured. */
  readonly rounds: number
}

export const BENCH_USAGE = `npm run bench [-- OPTION...]
  --only PART,…   of ${partNames.join(', ')} (default: all)
  --seconds S     length of one measurement (default 5)
  --rounds N      measurements of each variant, in turn with the others (default 3)
  --help          print this
The tables go to standard output, progress to standard error.`

/** Parses the arguments of `npm run bench --`. @throws SetupError that says what is wrong. */
export function parseBenchOptions(args: readonly string[]): BenchOptions {
  const texts = parseTexts(args, ['only', 'seconds', 'rounds'])
  return {
    help: args.includes('--help'),
    only: partList(texts['only']),
    seconds: wholeNumber('--seconds', texts['seconds'] ?? '5', 1, 3600),
    rounds: wholeNumber('--rounds', texts['rounds'] ?? '3', 1, 100),
  }
}

export interface SoakOptions {
  readonly help: boolean
  readonly minutes: number
}

export const SOAK_USAGE = `npm run soak [-- OPTION...]
  --minutes M     how long (default 15)
  --help          print this
The tables go to standard output, progress to standard error. The exit code is 1 when memory grew, or a request failed.`

/** Parses the arguments of `npm run soak --`. @throws SetupError that says what is wrong. */
export function parseSoakOptions(args: readonly string[]): SoakOptions {
  const texts = parseTexts(args, ['minutes'])
  return {
    help: args.includes('--help'),
    minutes: wholeNumber('--minutes', texts['minutes'] ?? '15', 1, 10_000),
  }
}

function parseTexts(args: readonly string[], names: readonly string[]): Record<string, string | undefined> {
  const strings = names.map(name => [name, { type: 'string' as const }] as const)
  const options: ParseArgsConfig['options'] = { help: { type: 'boolean' }, ...Object.fromEntries(strings) }
  try {
    const { values } = parseArgs({ args: [...args], options, strict: true, allowPositionals: false })
    return Object.fromEntries(names.map(name => [name, stringOf(values[name])]))
  } catch (error) {
    // Node's own sentences: "Unknown option '--x'. …".
    const reason = error instanceof Error ? error.message.split('. ')[0] : String(error)
    throw new SetupError(`${reason}; --help lists the options.`)
  }
}

const stringOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

function partList(text: string | undefined): readonly PartName[] {
  if (text === undefined) return partNames
  const wanted = text.split(',').map(name => name.trim())
  const unknown = wanted.filter(name => !partNames.some(part => part === name))
  if (unknown.length > 0) {
    throw new SetupError(`--only takes ${partNames.join(', ')}, not "${unknown.join(', ')}".`)
  }
  return partNames.filter(name => wanted.includes(name))
}

function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new SetupError(`${option} takes a whole number from ${min} to ${max}, not "${text}".`)
}
