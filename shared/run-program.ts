import { readFileSync } from 'node:fs'
import { systemClock } from './clock.ts'
import type { Logger } from './observability/logger.ts'
import { openLogger } from './observability/logger.ts'
import { type LoadedSettings, loadSettings, SettingsError } from './settings/load.ts'
import { parseProperties } from './settings/properties-file.ts'
import type { SettingRow } from './settings/row.ts'

/** What a program needs of its process; main.ts hands it in, so that nothing else touches the process. */
export interface ProcessHost {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  exit(code: number): never
  on(
    event: 'SIGTERM' | 'SIGINT' | 'uncaughtException' | 'unhandledRejection',
    listener: (error: unknown) => void,
  ): void
  /** Prints one line where an operator looks before there is a log. */
  printError(line: string): void
}

/** A started program. */
export interface RunningProgram {
  /** Finishes what was accepted and stops; bounded by shutdown.graceful.ms. */
  stop(): Promise<void>
}

export interface Program<Rows extends readonly SettingRow[]> {
  readonly name: string
  readonly rows: Rows
  readonly passThroughPrefixes: readonly string[]
  /** Level and fields of the log, from the settings. */
  logOf(settings: LoadedSettings<Rows>['settings']): { level: string; fields: Record<string, unknown> }
  /** @param signal aborts when the process is told to stop before the start is done. */
  start(loaded: LoadedSettings<Rows>, log: Logger, signal: AbortSignal): Promise<RunningProgram>
}

/**
 * Runs one program of a tier: settings from the `.properties` file named by the only argument and from the
 * environment, start, and a clean stop on SIGTERM and SIGINT. A second signal ends it at once.
 * Exit codes: 0 after a clean stop, 1 when it could not start or failed, 2 for wrong settings.
 */
export async function runProgram<const Rows extends readonly SettingRow[]>(
  host: ProcessHost,
  program: Program<Rows>,
): Promise<void> {
  const loaded = readSettings(host, program)
  const { level, fields } = program.logOf(loaded.settings)
  const log = openLogger(level, fields)
  if (loaded.unknown.length > 0)
    log.warn({ keys: loaded.unknown }, 'settings that mean nothing here are ignored')
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    host.on(event, error => {
      log.fatal({ err: error, event }, 'an error that nobody handled')
      host.exit(1)
    })
  }
  const aborting = new AbortController()
  const starting = program.start(loaded, log, aborting.signal)
  const stop = (signal: string) => {
    log.info({ signal }, 'stopping')
    aborting.abort(new Error(`stopped by ${signal}`))
    void starting
      .then(running => running.stop())
      .then(
        () => host.exit(0),
        () => host.exit(1),
      )
  }
  onStopSignals(host, stop)
  try {
    await starting
  } catch (error) {
    if (aborting.signal.aborted) host.exit(0)
    log.fatal({ err: error }, 'could not start')
    host.printError(
      `${program.name} could not start: ${error instanceof Error ? error.message : String(error)}`,
    )
    host.exit(error instanceof SettingsError ? 2 : 1)
  }
}

/**
 * Calls `stop` at the first signal; a later one ends the process at once. A repeat within a second is no second wish:
 * npm passes on a Ctrl-C that the terminal has delivered to the program already.
 */
function onStopSignals(host: ProcessHost, stop: (signal: string) => void): void {
  let firstAt: number | undefined
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    host.on(signal, () => {
      const now = systemClock.monotonic()
      if (firstAt === undefined) {
        firstAt = now
        stop(signal)
      } else if (now - firstAt > 1000) host.exit(1)
    })
  }
}

function readSettings<const Rows extends readonly SettingRow[]>(
  host: ProcessHost,
  program: Program<Rows>,
): LoadedSettings<Rows> {
  const [, , path, ...more] = host.argv
  if (more.length > 0) {
    host.printError(`usage: ${program.name} [settings.properties]`)
    host.exit(2)
  }
  try {
    const file = path === undefined ? new Map<string, string>() : parseProperties(readFileSync(path, 'utf8'))
    return loadSettings(program.rows, file, host.env, program.passThroughPrefixes)
  } catch (error) {
    host.printError(`${program.name}: ${error instanceof Error ? error.message : String(error)}`)
    return host.exit(2)
  }
}
