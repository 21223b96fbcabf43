import type { LoadedSettings } from '../../shared/settings/load.ts'
import { SettingsError } from '../../shared/settings/load.ts'
import { passedConsumerValue } from '../passed-settings.ts'
import type { Isolation } from '../ports/kafka-consumer.ts'
import type { proxyNodeSettings } from '../settings.ts'
import { booleanProblem, type ResetPolicy, resetPolicyOf } from './instance-settings.ts'

/** What consumer instances go by, from the node's settings. Times in ms, sizes in bytes. */
export interface ConsumerSettings {
  readonly instancesMax: number
  readonly instancesPerGroupMax: number
  readonly instanceTimeoutMs: number
  readonly instanceCloseTimeoutMs: number
  readonly groupInstanceIdPrefix: string
  readonly failover: 'recreate' | 'takeover'
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  readonly rebalanceTimeoutMs: number
  readonly subscriptionWaitMs: number
  readonly patternRefreshMs: number
  /** Whether subscribing may create a topic, if the broker is set up so. */
  readonly autoCreateTopics: boolean
  readonly isolation: Isolation
  readonly autoCommitIntervalMs: number
  readonly commitTimeoutMs: number
  readonly commitAsyncWaitMs: number
  readonly requestMaxBytes: number
  readonly readMemoryBytes: number
  readonly readSliceBytes: number
  readonly readOutcomeWaitMs: number
  /** Reads that may hold fetched records at once; Infinity for no bound. */
  readonly threads: number
  readonly responseWriteTimeoutMs: number
  /** What an instance has when its create request says nothing. */
  readonly instanceDefaults: {
    readonly autoOffsetReset: ResetPolicy
    readonly autoCommit: boolean
    readonly fetchMinBytes: number
    readonly requestTimeoutMs: number
  }
}

/** What Kafka would refuse in the consumers' part of the settings, one sentence for each value. */
export function consumerProblems({
  settings,
  passThrough,
}: LoadedSettings<typeof proxyNodeSettings>): string[] {
  const problems: string[] = []
  const reset = passedConsumerValue(passThrough, 'auto.offset.reset')
  const policy = resetPolicyOf(reset.text, reset.key)
  if ('problem' in policy) problems.push(policy.problem)
  for (const name of ['enable.auto.commit', 'allow.auto.create.topics'] as const) {
    const { key, text } = passedConsumerValue(passThrough, name)
    const problem = booleanProblem(text, key)
    if (problem !== undefined) problems.push(problem)
  }
  if (settings['consumer.heartbeat.interval.ms'] * 3 > settings['consumer.session.timeout.ms'])
    problems.push('consumer.heartbeat.interval.ms must be at most a third of consumer.session.timeout.ms')
  const prefix = settings['group.instance.id.prefix']
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(prefix))
    problems.push(`group.instance.id.prefix=${prefix}: must be 1 to 64 of [A-Za-z0-9._-]`)
  return problems
}

/**
 * Reads the consumers' part of the settings. Kafka's own consumer keys that have no row of ours come through the
 * `consumer.` and `client.` prefixes, the former wins (contract v2 §5.2).
 * @throws SettingsError with the consumerProblems.
 */
export function consumerSettings(loaded: LoadedSettings<typeof proxyNodeSettings>): ConsumerSettings {
  const { settings, passThrough } = loaded
  const problems = consumerProblems(loaded)
  const autoOffsetReset = passedConsumerValue(passThrough, 'auto.offset.reset')
  const reset = resetPolicyOf(autoOffsetReset.text, autoOffsetReset.key)
  if (problems.length > 0 || 'problem' in reset) throw new SettingsError(problems)
  const threads = settings['consumer.threads']
  return {
    instancesMax: settings['consumer.instances.max'],
    instancesPerGroupMax: settings['consumer.instances.per.group.max'],
    instanceTimeoutMs: settings['consumer.instance.timeout.ms'],
    instanceCloseTimeoutMs: settings['instance.close.timeout.ms'],
    groupInstanceIdPrefix: settings['group.instance.id.prefix'],
    failover: settings['failover.mode'] === 'takeover' ? 'takeover' : 'recreate',
    sessionTimeoutMs: settings['consumer.session.timeout.ms'],
    heartbeatIntervalMs: settings['consumer.heartbeat.interval.ms'],
    rebalanceTimeoutMs: settings['consumer.rebalance.timeout.ms'],
    subscriptionWaitMs: settings['subscription.wait.ms'],
    patternRefreshMs: settings['consumer.metadata.max.age.ms'],
    autoCreateTopics: isTrue(passedConsumerValue(passThrough, 'allow.auto.create.topics').text),
    isolation:
      settings['consumer.isolation.level'] === 'read_committed' ? 'read_committed' : 'read_uncommitted',
    autoCommitIntervalMs: settings['consumer.auto.commit.interval.ms'],
    commitTimeoutMs: settings['commit.timeout.ms'],
    commitAsyncWaitMs: settings['commit.async.wait.ms'],
    requestMaxBytes: settings['consumer.request.max.bytes'],
    readMemoryBytes: settings['reads.memory.bytes'],
    readSliceBytes: settings['reads.slice.bytes'],
    readOutcomeWaitMs: settings['reads.outcome.wait.ms'],
    threads: threads < 0 ? Number.POSITIVE_INFINITY : threads,
    responseWriteTimeoutMs: settings['response.write.timeout.ms'],
    instanceDefaults: {
      autoOffsetReset: reset.policy,
      autoCommit: isTrue(passedConsumerValue(passThrough, 'enable.auto.commit').text),
      fetchMinBytes: settings['fetch.min.bytes'],
      requestTimeoutMs: settings['consumer.request.timeout.ms'],
    },
  }
}

function isTrue(text: string): boolean {
  return text.trim().toLowerCase() === 'true'
}
