import type { SettingRow, SettingsOf } from '../shared/settings/row.ts'

/** A limit on the number of requests: Confluent's keys (contract v2 §5.1), for this process alone. */
export const rateSettings = [
  {
    key: 'rate.limit.enable',
    kind: 'boolean',
    default: 'false',
    doc: 'Whether requests to this process are limited in number; over the limit is 429 / 429. Every node counts for itself.',
  },
  {
    key: 'rate.limit.backend',
    kind: 'enum',
    oneOf: ['guava', 'resilience4j'],
    default: 'guava',
    doc: 'Accepted for Confluent’s sake; there is one way of counting here, and it goes by guava’s rules.',
  },
  {
    key: 'rate.limit.permits.per.sec',
    kind: 'int',
    default: '50',
    min: 1,
    doc: 'Permits a second. Those of one second are kept while nobody asks.',
  },
  {
    key: 'rate.limit.timeout.ms',
    kind: 'int',
    default: '0',
    min: 0,
    doc: 'How long a request may wait for its permits before it is refused, in ms.',
  },
  {
    key: 'rate.limit.default.cost',
    kind: 'int',
    default: '1',
    min: 0,
    doc: 'Permits that one request takes, if rate.limit.costs does not name its endpoint.',
  },
  {
    key: 'rate.limit.costs',
    kind: 'list',
    default: '',
    doc: 'Permits by endpoint, such as api.v2.consumers.create=5 or api.v2.topics.*=0, comma-separated. 0: free.',
  },
] as const satisfies readonly SettingRow[]

export type RateSettings = SettingsOf<typeof rateSettings>

/** The entries of `rate.limit.costs` that are not `name=number`. */
export function rateCostProblems(settings: RateSettings): string[] {
  return settings['rate.limit.costs']
    .filter(entry => !/^[\w.*-]+=\d{1,9}$/.test(entry))
    .map(entry => `rate.limit.costs: ${entry} is not endpoint=cost`)
}
