/** The settings that bound a stop, in the order in which they pass. */
const parts = {
  gateway: ['drain.delay.ms', 'shutdown.graceful.ms'],
  // The last three: until gateways know that it has left, requests in flight, records that wait for Kafka.
  'proxy-node': [
    'drain.delay.ms',
    'drain.timeout.ms',
    'instance.close.timeout.ms',
    'drain.delay.ms',
    'shutdown.graceful.ms',
    'shutdown.graceful.ms',
  ],
} as const

/**
 * How long a clean stop of a process may take when everything that it waits for is away, in ms. Whoever stops it must
 * give it longer, or kills it in the middle of a drain.
 */
export function stopTimeMs(tier: keyof typeof parts, settingOf: (key: string) => unknown): number {
  return parts[tier].map(key => Number(settingOf(key))).reduce((sum, ms) => sum + ms, 0)
}
