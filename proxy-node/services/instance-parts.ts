import type { Clock } from '../../shared/clock.ts'
import type { InstanceRef } from '../../shared/ids.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import type { Metrics } from '../../shared/observability/metrics.ts'
import type { Formats } from '../formats/formats.ts'
import type { ProxyNodeMetric } from '../metrics.ts'
import type { KafkaCluster } from '../ports/kafka-cluster.ts'
import type { KafkaConsumers } from '../ports/kafka-consumer.ts'
import type { HeldPlacement } from '../ports/placements.ts'
import { Changes } from './changes.ts'
import { Commits } from './commits.ts'
import type { ConsumerSettings } from './consumer-settings.ts'
import { InstanceGone } from './instance-gone.ts'
import { InstanceReads } from './instance-reads.ts'
import type { InstanceSettings } from './instance-settings.ts'
import { type ResumeSpec, renderSpec, type UnconfirmedRead } from './instance-spec.ts'
import type { PatternMatcher } from './pattern-matcher.ts'
import { PositionResolver } from './position-resolver.ts'
import { Positions } from './positions.ts'
import type { ReadBudget } from './read-budget.ts'
import { RecordRenderer, type RecordSchemas } from './record-renderer.ts'
import { parseRecordedInstance } from './recorded-instance.ts'
import { SpecWriter } from './spec-writer.ts'
import { Subscription } from './subscription.ts'

/** What all instances of the node share. */
export interface InstanceDeps {
  readonly consumers: KafkaConsumers
  readonly cluster: KafkaCluster
  readonly formats: Formats
  readonly schemas: RecordSchemas
  readonly settings: ConsumerSettings
  /** `reads.memory.bytes`. */
  readonly memory: ReadBudget
  /** `consumer.threads`. */
  readonly permits: ReadBudget
  readonly patterns: PatternMatcher
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<Metrics<ProxyNodeMetric>, 'count'>
}

export interface InstanceOptions {
  readonly ref: InstanceRef
  readonly groupInstanceId: string
  readonly settings: InstanceSettings
  readonly placement: HeldPlacement
  /** The broker has seen another holder of its group identity: the instance must be closed as `fenced`. */
  readonly onFenced: () => void
}

export interface InstanceParts {
  readonly positions: Positions
  readonly resolver: PositionResolver
  readonly commits: Commits
  readonly subscription: Subscription
  readonly reads: InstanceReads
  readonly spec: SpecWriter
  /** Records where the instance is, if another node may take it over. */
  readonly record: () => Promise<void>
  /** The spec to hand the instance over with; undefined when it is too large for the table. */
  readonly handOverSpec: (read: UnconfirmedRead | undefined) => string | undefined
}

/**
 * Puts the parts of one instance together.
 * @param closed aborts when the instance is closed.
 * @param touch keeps the instance from expiring.
 */
export function createInstanceParts(
  options: InstanceOptions,
  deps: InstanceDeps,
  closed: AbortSignal,
  touch: () => void,
): InstanceParts {
  const { ref, settings, placement, groupInstanceId } = options
  const positions = new Positions()
  const shared = {
    ...deps,
    group: ref.group,
    positions,
    changes: new Changes(),
    closed,
    isolation: deps.settings.isolation,
    mayServe: () => placement.mayServe(),
    mayRejoin: () => placement.mayRejoin(),
    gone: () => new InstanceGone('lost'),
    onFenced: options.onFenced,
  }
  const record = async () => {
    if (deps.settings.failover === 'takeover') await spec.write()
  }
  const resolver = new PositionResolver({
    ...shared,
    policy: settings.autoOffsetReset,
    onResolved: () => void record(),
  })
  const commits = new Commits({ ...shared, commitTimeoutMs: deps.settings.commitTimeoutMs })
  const subscription = new Subscription({
    ...shared,
    groupInstanceId,
    autoCommit: settings.autoCommit,
    resolver,
    commits,
    onMemberId: () => void spec.write(),
  })
  const render = (resume: Omit<ResumeSpec, 'joinedTopics'>) =>
    renderOf(options, subscription, positions, deps.settings.failover === 'takeover' ? resume : undefined)
  const spec = new SpecWriter(
    placement,
    () => render({ positions: positions.record('confirmed'), read: undefined }),
    closed,
  )
  const handOverSpec = (read: UnconfirmedRead | undefined) => {
    const text = render({ positions: positions.record('exact'), read })
    return parseRecordedInstance({ key: placement.key, spec: text }) && text
  }
  const reads = new InstanceReads({
    source: {
      ...shared,
      resolver,
      renderer: new RecordRenderer(deps.formats[settings.format], deps.schemas),
      resetsOutOfRange: settings.autoOffsetReset.from !== 'none',
      sliceBytes: deps.settings.readSliceBytes,
      touch,
    },
    subscription,
    settings,
    requestMaxBytes: deps.settings.requestMaxBytes,
    outcomeWaitMs: deps.settings.readOutcomeWaitMs,
    metrics: deps.metrics,
  })
  return { positions, resolver, commits, subscription, reads, spec, record, handOverSpec }
}

function renderOf(
  options: InstanceOptions,
  subscription: Subscription,
  positions: Positions,
  resume: Omit<ResumeSpec, 'joinedTopics'> | undefined,
): string {
  return renderSpec({
    ref: options.ref,
    settings: options.settings,
    state: subscription.state,
    partitions: positions.partitions,
    memberId: subscription.memberId,
    groupInstanceId: subscription.isMember ? options.groupInstanceId : '',
    resume: resume && { ...resume, joinedTopics: subscription.joinedTopics },
  })
}
