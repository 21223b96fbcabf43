/**
 * One setting. A program's settings are one `const` array of rows: the parser, the generated reference
 * and the sample files all read it, so that none of them can disagree.
 */
export interface SettingRow<Kind extends SettingKind = SettingKind> {
  /** Confluent's own property name where Confluent has one. */
  readonly key: string
  readonly kind: Kind
  /** The default, as it would stand in a file; null = required. */
  readonly default: string | null
  /** Printed as `[hidden]` in logs and errors. */
  readonly secret?: boolean
  /** Smallest and largest number, inclusive. */
  readonly min?: number
  readonly max?: number
  /** Allowed words of an `enum`. */
  readonly oneOf?: readonly string[]
  /** For the reference: what it does, its unit, when to change it. */
  readonly doc: string
}

/** `list`: comma-separated. `url`: an absolute http(s) or redis(s) URL, or empty. */
export type SettingKind = 'string' | 'int' | 'boolean' | 'list' | 'url' | 'enum'

export type SettingValue<Kind extends SettingKind> = Kind extends 'int'
  ? number
  : Kind extends 'boolean'
    ? boolean
    : Kind extends 'list'
      ? readonly string[]
      : string

/** The typed settings of a table: `settings['consumer.threads']` is a number. */
export type SettingsOf<Rows extends readonly SettingRow[]> = {
  readonly [Row in Rows[number] as Row['key']]: SettingValue<Row['kind']>
}
