import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import type { GatewayMeter } from '../metrics.ts'
import type { NodeLoad } from '../routing/node-load.ts'
import type { Router } from '../routing/router.ts'
import type { Selection } from '../routing/selection.ts'
import type { Withdrawals } from '../routing/withdrawals.ts'
import type { PublicBaseRules } from './public-base.ts'
import type { ReadOutcomes } from './read-outcomes.ts'

/** What forwarding a request takes. */
export interface ForwardDeps {
  readonly router: Router
  readonly selection: Selection
  readonly load: NodeLoad
  readonly withdrawals: Withdrawals
  readonly reads: ReadOutcomes
  readonly clock: Clock
  readonly log: Logger
  readonly meter: GatewayMeter
  readonly options: ForwardOptions
}

export interface ForwardOptions {
  /** Shared secret with the nodes; empty: they ignore what this gateway tells them. */
  readonly token: string
  /** Names this run of this gateway to the nodes. */
  readonly run: string
  /** Setting `id`: a part of the names that are drawn. */
  readonly id: string
  readonly zone: string
  readonly publicBase: PublicBaseRules
  readonly attemptsMax: number
  readonly heldBytesMax: number
  readonly jsonDepthMax: number
}
