import type { SettingKind, SettingRow, SettingsOf, SettingValue } from './row.ts'
import { shownValue } from './shown-value.ts'

/** All that is wrong with the settings, in one error: an operator mends them in one round. */
export class SettingsError extends Error {
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(`invalid settings: ${problems.join('; ')}`)
    this.name = 'SettingsError'
    this.problems = problems
  }
}

export interface LoadedSettings<Rows extends readonly SettingRow[]> {
  readonly settings: SettingsOf<Rows>
  /**
   * Keys under a pass-through prefix (`client.`, `producer.`, `consumer.`, `admin.`, `schema.registry.`), which go
   * to the Kafka and registry clients (contract v2 §5.2). Only what the operator set; no defaults.
   */
  readonly passThrough: ReadonlyMap<string, string>
  /** Keys that mean nothing here: ignored, as in the original, but said in the log. */
  readonly unknown: readonly string[]
}

/** The environment name of a key by the image convention: `consumer.threads` is `KAFKA_REST_CONSUMER_THREADS`. */
export function environmentName(key: string): string {
  return `KAFKA_REST_${key.toUpperCase().replace(/[.-]/g, '_')}`
}

/**
 * Reads settings from the file's entries and the environment (which wins) into frozen, typed values.
 * @param passThroughPrefixes prefixes whose keys are handed on to the clients.
 * @throws SettingsError that lists every problem at once.
 */
export function loadSettings<const Rows extends readonly SettingRow[]>(
  rows: Rows,
  file: ReadonlyMap<string, string>,
  environment: Readonly<Record<string, string | undefined>>,
  passThroughPrefixes: readonly string[] = [],
): LoadedSettings<Rows> {
  const entries = new Map(file)
  for (const [name, value] of Object.entries(environment)) {
    if (name.startsWith('KAFKA_REST_') && value !== undefined) entries.set(keyOf(rows, name), value)
  }
  const problems: string[] = []
  const values: Record<string, SettingValue<SettingKind>> = {}
  for (const row of rows) {
    const text = entries.get(row.key) ?? row.default
    if (text === null) {
      problems.push(`${row.key} needs to be configured`)
      continue
    }
    const parsed = parseValue(row, text.trim())
    if ('problem' in parsed)
      problems.push(`${row.key}=${row.secret ? '[hidden]' : shownValue(text)}: ${parsed.problem}`)
    else values[row.key] = parsed.value
  }
  if (problems.length > 0) throw new SettingsError(problems)
  const known = new Set(rows.map(row => row.key))
  const rest = [...entries].filter(([key]) => !known.has(key))
  const passes = ([key]: [string, string]) => passThroughPrefixes.some(prefix => key.startsWith(prefix))
  return {
    // Every key of `rows` was set just above, or we threw.
    settings: Object.freeze(values) as SettingsOf<Rows>,
    passThrough: new Map(rest.filter(passes)),
    unknown: rest.filter(entry => !passes(entry)).map(([key]) => key),
  }
}

/** Environment names lose the difference between `.` and `-`: known keys are looked up, others get dots. */
function keyOf(rows: readonly SettingRow[], name: string): string {
  return (
    rows.find(row => environmentName(row.key) === name)?.key ??
    name.slice('KAFKA_REST_'.length).toLowerCase().replaceAll('_', '.')
  )
}

type Parsed = { value: SettingValue<SettingKind> } | { problem: string }

function parseValue(row: SettingRow, text: string): Parsed {
  switch (row.kind) {
    case 'string':
      return { value: text }
    case 'list':
      return { value: text === '' ? [] : text.split(',').map(item => item.trim()) }
    case 'boolean':
      if (/^(true|false)$/i.test(text)) return { value: text.toLowerCase() === 'true' }
      return { problem: 'must be true or false' }
    case 'enum':
      if (row.oneOf?.includes(text)) return { value: text }
      return { problem: `must be one of ${row.oneOf?.join(', ')}` }
    case 'url':
      if (text === '' || isAddress(text)) return { value: text }
      return { problem: 'must be an absolute URL, such as http://host:port' }
    case 'int':
      return parseInteger(row, text)
  }
}

/** `localhost:8092` is a URL too, of the scheme "localhost:". Sentinels need no host in the URL of Redis. */
function isAddress(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && text.includes('://') && (url.hostname !== '' || url.protocol.startsWith('redis'))
}

function parseInteger(row: SettingRow, text: string): Parsed {
  const value = Number(text)
  if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(value)) return { problem: 'must be a whole number' }
  if (row.min !== undefined && value < row.min) return { problem: `must be at least ${row.min}` }
  if (row.max !== undefined && value > row.max) return { problem: `must be at most ${row.max}` }
  return { value }
}
