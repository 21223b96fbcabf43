import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/observability/logger.ts'
import type { Metrics } from '../shared/observability/metrics.ts'
import type { ProbeIdentity } from '../shared/routing/death-proof.ts'
import type { RoutingTable } from '../shared/routing/routing-table.ts'
import { createMemberSigner } from '../shared/security/member-signature.ts'
import type { ProxyNodeMetric } from './metrics.ts'
import { type Membership, openMembership } from './services/membership.ts'
import type { ProbeInstance } from './services/peers.ts'
import type { ProxyNodeSettings } from './settings.ts'

export interface MemberDeps {
  readonly table: RoutingTable
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics<ProxyNodeMetric>
  readonly probeIdentity: ProbeIdentity
  readonly probeInstance: ProbeInstance
  /** `http://host:port` that was bound. */
  readonly url: string
  readonly onFatal: (error: Error) => void
  readonly signal: AbortSignal
}

/**
 * Registers the node in the routing table under its id, or under the address that was bound when it has none.
 * @throws NodeIdTaken when another process has the id.
 */
export function openMember(settings: ProxyNodeSettings, deps: MemberDeps): Promise<Membership> {
  const { clock, log, metrics, probeIdentity, probeInstance, signal, table, url } = deps
  const internalUrl = settings['internal.url'] === '' ? url : settings['internal.url'].replace(/\/+$/, '')
  return openMembership(
    {
      table,
      clock,
      log,
      metrics,
      probeIdentity,
      probeInstance,
      signer: createMemberSigner(settings['internal.token']),
      node: {
        id: settings['id'] === '' ? new URL(url).host : settings['id'],
        url: internalUrl,
        internalUrl,
        zone: settings['zone'],
        instancesMax: settings['consumer.instances.max'],
      },
      settings: {
        leaseMs: settings['lease.ms'],
        renewIntervalMs: settings['lease.renew.interval.ms'],
        failover: settings['failover.mode'] === 'takeover' ? 'takeover' : 'recreate',
        tombstoneMs: settings['tombstone.ms'],
        peerTimeoutMs: settings['node.question.timeout.ms'],
        refusedIsDead: settings['nodes.refused.is.dead'],
        sweepIntervalMs: settings['orphans.sweep.interval.ms'],
        pendingMax: settings['consumer.instances.max'],
        orphansMax: settings['orphans.per.sweep.max'],
        // Long enough for a client to come, short enough for its group not to miss it.
        adoptAfterMs: settings['consumer.session.timeout.ms'] / 3,
      },
      onRefused: deps.onFatal,
    },
    signal,
  )
}
