import { abortable } from '../../shared/abortable.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import type { TopicPartition } from '../ports/kafka-cluster.ts'
import type { MembershipOptions } from '../ports/kafka-consumer.ts'

/** How much of the rebalance time-out a revocation may take; the rest is for the join. */
const REVOCATION_SHARE = 0.7

/**
 * Lets the owner commit and let go of its partitions before the next join. The group does not wait for us for ever, so
 * neither do we for the owner. Never rejects: what the owner could not do now, it cannot do at all.
 */
export async function revoke(
  {
    options,
    clock,
    log,
  }: { readonly options: MembershipOptions; readonly clock: Clock; readonly log: Logger },
  partitions: readonly TopicPartition[],
  signal: AbortSignal,
): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = clock.after(options.rebalanceTimeoutMs * REVOCATION_SHARE, () => {
    log.warn({ group: options.group }, 'the revocation of partitions takes too long; the group goes on')
    resolve()
  })
  try {
    await abortable(Promise.race([options.onRevoked(partitions), late]), signal)
  } catch (error) {
    if (!signal.aborted) log.warn({ group: options.group, err: error }, 'the revocation of partitions failed')
  } finally {
    timer.cancel()
  }
}
