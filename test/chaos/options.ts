import { parseArgs } from 'node:util'
import { SetupError } from '../../infra/local/setup-error.ts'
import type { FailoverMode } from './consumer.ts'

export interface CommandOptions {
  readonly help: boolean
  readonly seed: number
  readonly minutes: number
  readonly mode: FailoverMode
  readonly recordsPerSecond: number
}

export const USAGE = `npm run chaos [-- OPTION...]
  --seed N              of the faults (default 1)
  --minutes M           how long faults happen (default 10)
  --failover MODE       recreate (default) or takeover
  --rate R              records produced a second (default 150)
  --help                print this
Three nodes, two gateways, Redis and Kafka of its own; 30 consumers and 3 producers work while processes are killed,
frozen and restarted. The faults of a seed are always the same. The exit code is 0 only when the audit at the end is
clean; the last line sums it up. Several can run at once.`

/** Parses the arguments of `npm run chaos --`. @throws SetupError that says what is wrong. */
export function parseChaosOptions(args: readonly string[]): CommandOptions {
  const texts = parsed(args)
  const mode = texts.failover ?? 'recreate'
  if (mode !== 'recreate' && mode !== 'takeover')
    throw new SetupError(`--failover takes recreate or takeover, not "${mode}".`)
  return {
    help: texts.help ?? false,
    seed: wholeNumber('--seed', texts.seed ?? '1', 0, 2 ** 32 - 1),
    minutes: wholeNumber('--minutes', texts.minutes ?? '10', 1, 10_000),
    mode,
    recordsPerSecond: wholeNumber('--rate', texts.rate ?? '150', 1, 100_000),
  }
}

function parsed(args: readonly string[]) {
  const text = { type: 'string' } as const
  const options = {
    seed: text,
    minutes: text,
    failover: text,
    rate: text,
    help: { type: 'boolean' },
  } as const
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values
  } catch (error) {
    // Node's own sentences: "Unknown option '--x'. …".
    const reason = error instanceof Error ? error.message.split('. ')[0] : String(error)
    throw new SetupError(`${reason}; --help lists the options.`)
  }
}

function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new SetupError(`${option} takes a whole number from ${min} to ${max}, not "${text}".`)
}
