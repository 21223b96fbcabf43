import type { OperatorHandler } from '../../shared/http/operator-api.ts'
import type { NodeView } from '../routing/node-view.ts'
import type { PlacementCache } from '../routing/placement-cache.ts'
import type { NodeState, Selection } from '../routing/selection.ts'

export interface AdminStatusDeps {
  readonly id: string
  readonly zone: string
  /** Why the gateway is not ready; undefined: it is. */
  readonly problem: () => string | undefined
  readonly hasTable: boolean
  readonly view: Pick<NodeView, 'nodes' | 'ageMs' | 'settled'>
  readonly selection: Pick<Selection, 'stateOf'>
  readonly cache: Pick<PlacementCache, 'size'>
}

/** `/status`: the gateway itself. */
export function adminStatus(deps: AdminStatusDeps) {
  return {
    'gateway.status': async () => {
      const { id, zone, view, cache, hasTable } = deps
      const problem = deps.problem()
      return {
        id,
        zone,
        ready: problem === undefined,
        problem: problem ?? null,
        // Not settled: it is away, or was within the last lease, and what is missing in it is not believed.
        routing_table: hasTable ? (view.settled ? 'settled' : 'unsettled') : 'none',
        members_age_ms: view.ageMs === undefined ? null : Math.round(view.ageMs),
        nodes: countsOf(deps),
        placements_cached: cache.size,
      }
    },
  } satisfies Record<string, OperatorHandler>
}

function countsOf({ view, selection }: AdminStatusDeps): Record<NodeState, number> {
  const counts = { available: 0, draining: 0, full: 0, failing: 0, absent: 0 }
  for (const node of view.nodes()) counts[selection.stateOf(node)]++
  return counts
}
