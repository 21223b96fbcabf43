import { type LoggerOptions, type Logger as PinoLogger, pino } from 'pino'

/** The structured logger that every part takes; fields first, then a fixed message. */
export type Logger = Pick<PinoLogger, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'> & {
  child(fields: Record<string, unknown>): Logger
}

/**
 * Opens the process's logger: one JSON object a line on standard output (nothing of a process's state is on
 * disk, only logs). `level` is pino's; `fields` are added to each line (tier, node id).
 */
export function openLogger(level: string, fields: Record<string, unknown>): Logger {
  const options: LoggerOptions = {
    level,
    base: { pid: process.pid, ...fields },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: label => ({ level: label }) },
    serializers: { err: loggedError },
  }
  return pino(options)
}

interface LoggedError {
  readonly type: string
  readonly message: string
  readonly code: unknown
  readonly stack: string | undefined
  readonly cause?: LoggedError
}

/** Longest chain of causes that is logged. */
const causesMax = 5

/**
 * What is logged of an error: nothing that a library hangs on it besides. A Redis client's error carries the command
 * that failed, and so the password.
 */
export function loggedError(error: unknown, depth = 0): LoggedError | undefined {
  if (!(error instanceof Error)) return undefined
  const { name, message, stack, cause } = error
  const inner = depth < causesMax ? loggedError(cause, depth + 1) : undefined
  const code = 'code' in error ? error.code : undefined
  return { type: name, message, code, stack, ...(inner ? { cause: inner } : {}) }
}

/** A logger that writes nothing, for tests. */
export const silentLogger: Logger = pino({ level: 'silent' })
