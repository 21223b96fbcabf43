import type { SettingRow } from '../shared/settings/row.ts'

/**
 * Kafka's own consumer keys that mean something here. They are in no table that is loaded: each may also be set with
 * the prefix `client.`, which a row with a default of its own would hide.
 */
export const passedConsumerSettings = [
  {
    key: 'consumer.auto.offset.reset',
    kind: 'string',
    default: 'latest',
    doc: 'Where an instance begins to read a partition for which its group has committed nothing, if its create request does not say: earliest, latest, none or by_duration:<ISO-8601 duration>. Also as client.auto.offset.reset.',
  },
  {
    key: 'consumer.enable.auto.commit',
    kind: 'boolean',
    default: 'true',
    doc: 'Whether confirmed positions of an instance are committed by themselves, if its create request does not say (auto.commit.enable). Also as client.enable.auto.commit.',
  },
  {
    key: 'consumer.allow.auto.create.topics',
    kind: 'boolean',
    default: 'true',
    doc: 'Whether subscribing or assigning may create a topic, where the brokers allow it. Also as client.allow.auto.create.topics.',
  },
] as const satisfies readonly SettingRow[]

/** `auto.offset.reset` of `consumer.auto.offset.reset`: the key as Kafka names it. */
export type PassedConsumerKey = (typeof passedConsumerSettings)[number]['key'] extends `consumer.${infer Key}`
  ? Key
  : never

/** A setting of the consumers: the key that the operator wrote, or the consumers' own, and its text. */
export interface PassedValue {
  readonly key: string
  readonly text: string
}

/** What the operator's pass-through keys say of one of the consumers' keys: `consumer.` wins over `client.`. */
export function passedConsumerValue(
  passThrough: ReadonlyMap<string, string>,
  name: PassedConsumerKey,
): PassedValue {
  for (const key of [`consumer.${name}`, `client.${name}`]) {
    const text = passThrough.get(key)
    if (text !== undefined) return { key, text }
  }
  const row = passedConsumerSettings.find(({ key }) => key === `consumer.${name}`)
  return { key: `consumer.${name}`, text: row?.default ?? '' }
}
